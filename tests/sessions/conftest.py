"""An emulated AWS behind a front that checks MFA codes, and commands that get sessions from it."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shellvault.plan import Options, build
from shellvault.profiles.model import Durations, Profile
from shellvault.sessions.acquire import acquire
from shellvault.sessions.cache import DirectCache
from shellvault.sessions.context import Context
from shellvault.sessions.model import Session
from shellvault.vault.records import StoredKeys
from tests.sessions.parts import MemoryVault, Person, person
from tests.support.emulator import ACCOUNT, Aws, Keys
from tests.support.mfa_front import MfaFront, fronting


@pytest.fixture
def mfa_front(aws: Aws) -> Iterator[MfaFront]:
    """A front of this test's own."""
    with fronting(aws.endpoint) as front:
        yield front


@dataclass
class Office:
    """A user with an MFA device at an emulated AWS, keys in a vault, and a person at the terminal."""

    aws: Aws
    front: MfaFront
    folder: Path
    name: str
    keys: Keys
    vault: MemoryVault
    person: Person

    @property
    def serial(self) -> str:
        """The device of the user."""
        return f"arn:aws:iam::{ACCOUNT}:mfa/{self.name}"

    def profile(self, name: str | None = None, **settings: object) -> Profile:
        """A profile that asks this AWS; without a name that of the user with the device."""
        given = {"mfa_serial": self.serial} if name is None else {}
        return Profile(name or self.name, True, endpoint_url=self.front.endpoint, **(given | settings))  # type: ignore[arg-type]

    def command(self, profile: Profile, *, no_session: bool = False, **others: object) -> Session:
        """A new process's acquisition: only the vault is left of the one before."""
        plan = build(profile, self.vault.stored_keys(), Options(no_session=no_session))
        cache = DirectCache(self.vault, self.folder, self.person)  # type: ignore[arg-type]
        settings = {"mfa_window": self.front.step} | others
        around = Context(self.folder, dict(os.environ), **settings)  # type: ignore[arg-type]
        return acquire(plan, self.vault, cache, self.person, around)  # type: ignore[arg-type]

    def arn(self, session: Session) -> str:
        """Who AWS thinks has the session."""
        return self.aws.identity(
            Keys(session.access_key_id, session.secret_access_key, session.session_token)
        )


@pytest.fixture
def office(aws: Aws, mfa_front: MfaFront, tmp_path: Path) -> Office:
    """A new user, whose person types the code that the device shows."""
    name = f"user-{uuid.uuid4().hex[:12]}"
    keys = aws.user(name)
    vault = MemoryVault({name: StoredKeys(keys.access_key_id, keys.secret_access_key)})
    office = Office(aws, mfa_front, tmp_path, name, keys, vault, person())
    mfa_front.device(office.serial)
    office.person = person(*[lambda: mfa_front.code(office.serial)] * 5)
    return office


def lasting(seconds: int) -> Durations:
    """What `-d` asks for."""
    return Durations(seconds, seconds, seconds, seconds)
