"""Where sessions are kept: in the vault of the keys, in another backend, or in the agent alone."""

import errno
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from keyring.errors import KeyringLocked

from shellvault import locations
from shellvault.errors import ConfigError, VaultError
from shellvault.locks import writers_lock
from shellvault.vault import SessionLabel, SignInLabel, Vault, open_vault
from shellvault.vault.backends import session_backend
from shellvault.vault.items import Items
from shellvault.vault.store import Store
from tests.vault.conftest import never_asked
from tests.vault.memory import MemoryKeyring

LATER = int(time.time()) + 3600


class Place:
    """Keys in one keyring and sessions in another."""

    def __init__(self, folder: Path) -> None:
        self.keys, self.sessions = MemoryKeyring(), MemoryKeyring()
        lock = writers_lock(folder / "vault.lock")
        stores = [
            Store(Items("secret-service", keyring, None), lock) for keyring in (self.keys, self.sessions)
        ]
        self.before = Vault(stores[0], folder / "names")
        self.vault = Vault(stores[0], folder / "names", None, stores[1])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def label(profile: str, key_id: str | None = None) -> SessionLabel:
    return SessionLabel(profile, "assume-role", LATER, key_id)


def stored(keyring: MemoryKeyring) -> set[str]:
    return {key for _, key in keyring.passwords if not key.startswith("index/")}


def test_sessions_and_keys_lie_apart(place: Place) -> None:
    place.vault.save_keys("work", "AKIAWORK", "secret")
    place.vault.save_session("f", label("work"), {"token": "t"})
    assert (stored(place.keys), stored(place.sessions)) == ({"keys/work"}, {"sessions/f"})
    assert place.vault.load_session("f") == {"token": "t"}
    assert [name for name, _ in place.vault.sessions()] == ["f"]


def test_sessions_from_before_the_setting_are_only_forgotten(place: Place) -> None:
    place.before.save_session("old", label("work"), {"token": "old"})
    assert place.vault.load_session("old") is None
    place.vault.save_session("new", label("home"), {"token": "new"})
    assert place.vault.clear_sessions() == 2
    assert (stored(place.keys), stored(place.sessions)) == (set(), set())


@pytest.mark.parametrize("forgetting", ["clear", "remove", "replace"])
def test_removed_keys_take_their_sessions_along(place: Place, forgetting: str) -> None:
    place.vault.save_keys("work", "AKIAWORK", "secret")
    before = place.vault.generation()
    for vault, name in ((place.before, "old"), (place.vault, "role")):
        vault.save_session(name, label("role", "AKIAWORK"), {"token": "t"})
        vault.save_session(f"{name} of home", label("home", "AKIAHOME"), {"token": "t"})
    if forgetting == "clear":
        assert place.vault.clear_sessions("work") == 2
    elif forgetting == "remove":
        assert place.vault.remove_keys("work") == 2
    else:
        place.vault.save_keys("work", "AKIANEW", "other")
    assert stored(place.keys) - {"keys/work"} == {"sessions/old of home"}
    assert stored(place.sessions) == {"sessions/role of home"}
    # What was under way meanwhile comes too late.
    assert not place.vault.save_session("late", label("role", "AKIAWORK"), {"token": "t"}, before)


@pytest.mark.parametrize("named", ["variable", "settings", "unset"])
def test_the_variable_beats_the_settings(environment: dict[str, str], named: str) -> None:
    expected = {"variable": "agent", "settings": "keyctl", "unset": None}[named]
    if named != "unset":
        settings = locations.config_file(environment)
        settings.parent.mkdir(parents=True)
        settings.write_text('session_backend = "keyctl"\n')
    if named == "variable":
        environment["SHELLVAULT_SESSION_BACKEND"] = "agent"
    assert session_backend(environment) == expected


def test_an_unknown_place_is_an_error_with_the_known_ones(environment: dict[str, str]) -> None:
    environment["SHELLVAULT_SESSION_BACKEND"] = "cloud"
    with pytest.raises(ConfigError, match=r"SHELLVAULT_SESSION_BACKEND is 'cloud'.*agent, vault, file"):
        open_vault("file", environment, never_asked)


@pytest.mark.parametrize(
    ("named", "keeps"),
    [(None, (True, False)), ("agent", (False, False)), ("vault", (True, True)), ("file", (True, True))],
)
def test_what_is_kept_depends_on_the_place(
    environment: dict[str, str], named: str | None, keeps: tuple[bool, bool]
) -> None:
    if named:
        environment["SHELLVAULT_SESSION_BACKEND"] = named
    vault = open_vault("file", environment, never_asked)
    assert (vault.keeps_sessions, vault.keeps_role_sessions) == keeps


class Full(MemoryKeyring):
    """A keyring that removes and stores nothing more, as on a full disk."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


FORGETTING: dict[str, Callable[[Vault], object]] = {
    "clear all": lambda vault: vault.clear_sessions(),
    "clear one": lambda vault: vault.clear_sessions("work"),
    "remove": lambda vault: vault.remove_keys("work"),
    "sign out": lambda vault: vault.sign_ins.remove("s"),
    "sign out of all": lambda vault: vault.sign_ins.clear(),
}


@pytest.mark.parametrize("forget", FORGETTING.values(), ids=FORGETTING)
def test_a_full_disk_stops_only_what_needs_room(place: Place, forget: Callable[[Vault], object]) -> None:
    place.vault.save_keys("work", "AKIAWORK", "secret")
    place.before.save_session("before", label("work"), {})
    place.vault.save_session("apart", label("work"), {})
    place.vault.sign_ins.save("s", SignInLabel("sso", "x", LATER), {"a": 1}, 0)
    before = stored(place.keys) | stored(place.sessions)
    place.keys.__class__ = place.sessions.__class__ = Full
    with pytest.raises(VaultError, match="No space left"):
        forget(place.vault)
    gone = before - stored(place.keys) - stored(place.sessions)
    is_sign_out = forget in (FORGETTING["sign out"], FORGETTING["sign out of all"])
    expected = {"sign-ins/s"} if is_sign_out else {"sessions/before", "sessions/apart"}
    assert gone == expected | ({"keys/work"} if forget is FORGETTING["remove"] else set())


@pytest.mark.parametrize("forget", [FORGETTING["clear all"], FORGETTING["clear one"], FORGETTING["remove"]])
def test_a_locked_store_of_keys_does_not_keep_the_sessions_apart(
    place: Place, forget: Callable[[Vault], object]
) -> None:
    place.vault.save_keys("work", "AKIAWORK", "secret")
    place.vault.save_session("apart", label("work"), {})

    def locked(service: str, username: str) -> str | None:
        raise KeyringLocked

    place.keys.get_password = locked  # type: ignore[method-assign]
    with pytest.raises(VaultError, match="locked"):
        forget(place.vault)
    assert stored(place.sessions) == set()


def test_sessions_are_forgotten_even_without_a_lock(place: Place, tmp_path: Path) -> None:
    place.vault.save_session("apart", label("work"), {})
    (tmp_path / "vault.lock").unlink(missing_ok=True)
    (tmp_path / "vault.lock").mkdir()
    assert place.vault.clear_sessions() == 1
    with pytest.raises(VaultError, match="cannot lock"):
        place.vault.save_session("apart", label("work"), {})
