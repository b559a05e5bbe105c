"""This process as what handles requests, without the agent, and the vault that it opens."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shellvault import locations, myself
from shellvault.dialogue import progress
from shellvault.sessions.model import Prompter

if TYPE_CHECKING:
    from shellvault.plan import Plan
    from shellvault.sessions.cache import DirectCache
    from shellvault.sessions.confirmation import Policy
    from shellvault.vault import Vault


class Host:
    """Handles requests in this process (service.requests.Host). It opens the vault once for all of them."""

    def __init__(
        self,
        environment: Mapping[str, str],
        prompter: Prompter,
        *,
        mfa_token: str | None = None,
        fresh: bool = False,
    ) -> None:
        from shellvault.hashicorp import leased
        from shellvault.sessions.context import Context
        from shellvault.signin import signed_in

        self.prompter = prompter
        self.context = Context(
            locations.state_directory(environment),
            environment,
            mfa_token=mfa_token,
            fresh=fresh,
            waits_for=progress.waits_for,
            signed_in=signed_in,
            leased=leased,
        )
        self.show_plan: Callable[[Plan, Vault], None] | None = None
        self._opened: Vault | None = None

    @contextmanager
    def vault(self, backend: str | None, operation: str) -> "Iterator[tuple[Vault, Policy]]":
        """See requests.Host."""
        from shellvault.sessions.confirmation import policy

        environment = self.context.environment
        vault = self._opened = self._opened or opened_vault(backend, environment, self.prompter, operation)
        yield vault, policy(environment, vault.backend_name)

    def cache(self, vault: "Vault", plan: "Plan | None") -> "DirectCache":
        """See requests.Host."""
        from shellvault.sessions.cache import DirectCache, is_shareable

        keeps_roles = plan is not None and is_shareable(plan)
        return DirectCache(vault, self.context.state_directory, self.prompter, keeps_roles=keeps_roles)

    def planned(self, plan: "Plan", vault: "Vault") -> None:
        """See requests.Host."""
        if self.show_plan:
            self.show_plan(plan, vault)


def protect_process(environment: Mapping[str, str]) -> None:
    """Keeps debuggers and core files from a process that is about to hold secrets.

    The agent, if there is one, looks at it before: afterwards it could not see that this is no container.
    """
    from shellvault.client import agent as client
    from shellvault.hardening import forbid_tracing

    client.introduce(environment)
    forbid_tracing()


def opened_vault(
    backend: str | None, environment: Mapping[str, str], prompter: Prompter, operation: str
) -> "Vault":
    """The vault, for this process's own use in an `operation` (guard); `prompter` is asked for a passphrase.

    Raises NotAllowedError for a vault that this process may not use, and the errors of opening it.
    """
    myself.check(operation, environment)
    from shellvault.sessions.passphrase import asker
    from shellvault.vault import open_vault

    protect_process(environment)
    return open_vault(backend, environment, asker(prompter), tell=prompter.tell)
