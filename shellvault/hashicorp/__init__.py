"""HashiCorp Vault and OpenBao: credentials from their secrets engine for AWS. Elsewhere "the vault" is our own."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shellvault.plan.steps import Leased
    from shellvault.sessions.context import Context
    from shellvault.sessions.model import Prompter, Session


def leased(step: "Leased", held: "Session | None", prompter: "Prompter", context: "Context") -> "Session":
    """The `held` lease, renewed if possible, else a new one. Raises any ShellvaultError.

    The engine is imported only when it is called: other commands stay fast.
    """
    from shellvault.hashicorp import secrets_engine

    token = secrets_engine.ask_token(step.server, prompter, context)
    return secrets_engine.credentials(step, held, token, context.clock())
