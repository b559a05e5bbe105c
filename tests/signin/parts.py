"""A person who signs in, in this process: the real room against the emulated services, with a vault in memory."""

import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shellvault.plan import Endpoint, Options, Plan, Step, build
from shellvault.profiles.parse import load
from shellvault.profiles.resolve import Overrides, resolve
from shellvault.sessions.context import Context
from shellvault.sessions.model import Challenge, WithdrawnError
from shellvault.signin.attempt import SignInAttempt
from shellvault.vault.items import Items
from shellvault.vault.sign_ins import SignIns
from tests.support.signin import SignInEmulator
from tests.support.signin.emulator import visit
from tests.vault.memory import MemoryKeyring


@dataclass
class Visitor:
    """A stand-in for the person: follows each link, as `visits` says, and remembers what was shown."""

    visits: Callable[[str], object] = visit
    answers: list[str | Callable[[Challenge], str]] = field(default_factory=list)
    shown: list[Challenge] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    is_there: bool = True

    @contextmanager
    def invite(self, challenge: Challenge) -> Iterator[Callable[[], bool]]:
        self.shown.append(challenge)
        thread = threading.Thread(target=self.visits, args=(challenge.link,), daemon=True)
        thread.start()
        yield lambda: self.is_there
        self._pages = thread

    def ask(self, challenge: Challenge, withdrawn: int | None = None) -> str:
        self.shown.append(challenge)
        if not self.answers:
            # Nothing is typed.
            assert withdrawn is not None
            select.select([withdrawn], [], [], 20)
            raise WithdrawnError
        answer = self.answers.pop(0)
        return answer if isinstance(answer, str) else answer(challenge)

    def tell(self, message: str) -> None:
        assert message.isprintable()
        self.told.append(message)


@dataclass
class Desk:
    """A home, and what the sign-in room works with there."""

    services: SignInEmulator
    home: Path
    visitor: Visitor = field(default_factory=Visitor)
    store: SignIns = field(
        default_factory=lambda: SignIns(Items("file", MemoryKeyring(), None), nullcontext, nullcontext)
    )
    environment: dict[str, str] = field(default_factory=dict)
    bundle: Path | None = None
    """What to trust where the services are asked by AWS's own names; None: they are asked at their address."""

    def work(self, **changes: Any) -> SignInAttempt:
        """As a new process would have it: only the vault and the files are left of the one before."""
        environment = {"HOME": str(self.home), "SHELLVAULT_DEVICE_CODE": "0", **self.environment}
        context = Context(self.home, environment, clock=self.services.now, **changes)
        return SignInAttempt(self.store, self.visitor, context, nullcontext, "admin")

    def plan(self, name: str, region: str | None = None) -> Plan:
        """The plan for a profile of `conftest.CONFIG`, at these services."""
        where = (
            {"AWS_CA_BUNDLE": str(self.bundle)} if self.bundle else {"AWS_ENDPOINT_URL": self.services.url}
        )
        overrides = Overrides(region, environment=where | self.environment)
        return build(resolve(load(self.home / ".aws" / "config"), name, overrides), {}, Options())

    def sign_in_step(self, name: str = "admin", region: str | None = None) -> Step:
        """The sign-in of a profile; `region` is that of the command line."""
        return self.plan(name, region).steps[0]


def at(url: str) -> Endpoint:
    """A loopback endpoint."""
    return Endpoint("eu-west-1", url)
