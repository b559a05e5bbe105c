"""Where sessions are kept between uses, under the fingerprint of their step and nothing else."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from shellvault.display import printable
from shellvault.errors import NeedsPersonError, SessionError, VaultError
from shellvault.plan import Plan, Step
from shellvault.sessions import unkept
from shellvault.sessions.locks import exclusive
from shellvault.sessions.model import Prompter, Session

if TYPE_CHECKING:
    from shellvault.vault import Vault


class SessionCache(Protocol):
    """What `acquire` needs of a cache; the agent has its own."""

    def load(self, step: Step) -> Session | None:
        """The session kept for `step`, even an expired one."""

    def held(self, step: Step) -> Session | None:
        """As `load`, but includes a session due for renewal."""

    def store(self, step: Step, session: Session) -> None:
        """Keeps the session of `step`, in place of an older one."""

    def lock(self, step: Step) -> AbstractContextManager[None]:
        """Held while `step` is done: a process that waited for it finds the result in the cache."""


def is_shareable(plan: Plan) -> bool:
    """Whether the sessions of a plan are the same in every process of the user.

    What a user's program or the machine gives may differ in another container.
    """
    return all(step.is_shareable for step in plan.steps)


class DirectCache:
    """The cache without an agent: the vault for what other processes can use, else this process's memory."""

    def __init__(
        self,
        vault: "Vault",
        state_directory: Path,
        prompter: Prompter,
        waits_behind: Callable[[int], None] = lambda pid: None,
        *,
        keeps_roles: bool = False,
    ) -> None:
        """`state_directory` has the locks; `prompter` shows waiting and what cannot be kept.

        `waits_behind` is called with the process that this one waits for, and with 0 afterwards. `keeps_roles`: the
        vault also keeps sessions that cost only a call, since no agent shares them.
        """
        self._keeps_roles = keeps_roles
        self._waits_behind = waits_behind
        self._vault = vault
        self._state_directory = state_directory
        self._prompter = prompter
        self._memory: dict[str, Session] = {}
        self._generation: str | None = None

    def keeps(self, step: Step) -> bool:
        """Whether the session of a step is kept in the vault."""
        kinds = ("vault", "memory") if self._keeps_roles else ("vault",)
        return self._vault.keeps_sessions and step.cache in kinds

    def load(self, step: Step) -> Session | None:
        """See SessionCache. A damaged session counts as none. Raises VaultError."""
        if not self.keeps(step):
            return self._memory.get(step.fingerprint)
        if self._generation is None:
            # Before loading anything from which a new session could be made.
            self._generation = self._vault.generation()
        data = self._vault.load_session(step.fingerprint)
        try:
            return Session.from_json(data) if data else None
        except SessionError:
            return None

    def held(self, step: Step) -> Session | None:
        """See SessionCache."""
        return self.load(step)

    def store(self, step: Step, session: Session) -> None:
        """See SessionCache. A vault that cannot keep it costs a code next time, not this session.

        Nothing is kept when sessions have been cleared, or the keys removed, since `load`.
        """
        from shellvault.vault import SessionLabel

        if not self.keeps(step):
            self._memory[step.fingerprint] = session
            return
        label = SessionLabel(step.profile, step.call, session.expires_at, step.root_key_id or "")
        try:
            self._vault.save_session(step.fingerprint, label, session.to_json(), self._generation)
        except (NeedsPersonError, VaultError) as error:
            unkept.tell(self._prompter, "the session", error)

    @contextmanager
    def lock(self, step: Step) -> Iterator[None]:
        """See SessionCache. Raises SessionError after five minutes.

        A waiting process can find only what is in the vault. For the rest it need not wait, unless a person
        would be asked twice at once.
        """
        if step.cache != "vault" and not self.keeps(step):
            yield
            return
        path = self._state_directory / f"session-{step.fingerprint[:32]}.lock"
        purpose = f"the session of {printable(step.profile)}"
        with exclusive(path, purpose, self._prompter.tell, waits_behind=self._waits_behind):
            yield
