"""When a session will need a person: the end of an MFA session, or of a sign-in."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shellvault.plan import Options, Plan, build
from shellvault.profiles.model import Profile, Sso
from shellvault.sessions.attendance import needs_person_at
from shellvault.sessions.cache import DirectCache
from shellvault.vault.records import StoredKeys
from shellvault.vault.sign_ins import SignInLabel
from tests.sessions.parts import MemoryVault, person, session

ROLE, MFA = "arn:aws:iam::111111111111:role/Home", "arn:aws:iam::111111111111:mfa/me"
KEYS = {"root": StoredKeys("AKIA1234567890123456", "secret")}
ROOT = Profile("root", True, mfa_serial=MFA)
PORTAL = Sso("https://d-1.awsapps.com/start", "eu-west-1", "111111111111", "Admin")


def plan(profile: Profile) -> Plan:
    return build(profile, {name: keys.access_key_id for name, keys in KEYS.items()}, Options())


@pytest.fixture
def vault() -> Any:
    """A vault without a session and a sign-in."""
    vault: Any = MemoryVault(dict(KEYS))
    vault.sign_ins = SimpleNamespace(labels=dict)
    return vault


def needed_at(vault: Any, profile: Profile, folder: Path, expires_at: int = 5000) -> int | None:
    cache = DirectCache(vault, folder, person())  # type: ignore[arg-type]
    return needs_person_at(plan(profile), session(1, expires_at=expires_at), cache, vault)


def test_an_mfa_session_needs_a_person_at_its_end(vault: Any, tmp_path: Path) -> None:
    assert needed_at(vault, ROOT, tmp_path) == 5000


def test_a_role_on_top_needs_one_when_the_mfa_session_below_ends(vault: Any, tmp_path: Path) -> None:
    role = Profile("role", True, ROOT, role_arn=ROLE, mfa_serial=MFA)
    assert needed_at(vault, role, tmp_path) is None
    step = plan(role).steps[1]
    vault.kept[step.fingerprint] = session(2, issued_at=1, expires_at=9000).to_json()
    assert needed_at(vault, role, tmp_path) == 9000
    vault.kept = {step.substitutes[0]: session(2, issued_at=1, expires_at=8000).to_json()}
    assert needed_at(vault, role, tmp_path) == 8000


def test_a_sign_in_needs_one_when_it_can_no_longer_be_renewed(vault: Any, tmp_path: Path) -> None:
    profile = Profile("sso", True, sso=PORTAL)
    label = SignInLabel("sso", "corp", 7000, 6000)
    vault.sign_ins = SimpleNamespace(labels=lambda: {plan(profile).steps[0].fingerprint: label})
    assert needed_at(vault, profile, tmp_path) == 7000
    vault.sign_ins = SimpleNamespace(labels=dict)
    assert needed_at(vault, profile, tmp_path) is None


@pytest.mark.parametrize(
    "profile",
    [
        Profile("root", True),
        Profile("root", True, mfa_serial=MFA, mfa_process="otp"),
        Profile("role", True, Profile("root", True), role_arn=ROLE),
    ],
)
def test_where_nobody_is_needed_there_is_no_such_time(vault: Any, profile: Profile, tmp_path: Path) -> None:
    assert needed_at(vault, profile, tmp_path) is None
