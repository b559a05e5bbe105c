"""What a command that was killed leaves in the vault is found, and goes without the loss of anything named."""

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shellvault.locks import writers_lock
from shellvault.vault import SessionLabel, SignInLabel, StoredKeys, Vault
from shellvault.vault.items import SERVICE, Items
from shellvault.vault.store import Store
from tests.vault.memory import Broken, MemoryKeyring

LATER = int(time.time()) + 3600
LABEL = SessionLabel("work", "get-session-token", LATER)


@pytest.fixture
def keyring() -> MemoryKeyring:
    return MemoryKeyring()


def vault_over(keyring: MemoryKeyring, folder: Path, backend: str = "keyctl") -> Vault:
    return Vault(Store(Items(backend, keyring, None), writers_lock(folder / "vault.lock")), folder / "names")


@pytest.fixture
def vault(keyring: MemoryKeyring, tmp_path: Path) -> Vault:
    found = vault_over(keyring, tmp_path)
    found.save_keys("work", "AKIAWORK", "secret")
    found.save_session("kept", LABEL, {"token": "t"})
    found.sign_ins.save("portal", SignInLabel("sso", "corp", LATER), {"token": "p"}, time.time())
    found.save_backup("/home/me/.aws/credentials", "Y29weQ==")
    return found


def found(vault: Vault) -> dict[str, bool]:
    return {f"{orphan.kind} {orphan.name}": orphan.is_safe for orphan in vault.orphans()}


def test_what_is_named_is_no_orphan(vault: Vault, keyring: MemoryKeyring) -> None:
    vault.save_rotation("work", {"new": "secret"})
    vault._items.write("of a later version/x", {})
    before = dict(keyring.passwords)
    assert vault.orphans() == vault.remove_orphans() == []
    assert keyring.passwords == before


CHANGES: dict[str, Callable[[Vault], object]] = {
    "session": lambda vault: vault.save_session("new", LABEL, {"token": "n" * 70_000}),
    "clear": lambda vault: vault.clear_sessions(),
    "sign-in": lambda vault: vault.sign_ins.save(
        "other", SignInLabel("sso", "o", LATER), {"token": "o" * 70_000}, time.time()
    ),
    "keys": lambda vault: vault.save_keys("home", "AKIAHOME", "only-copy"),
    "replaced": lambda vault: vault.save_keys("work", "AKIANEW", "new"),
    "remove": lambda vault: vault.remove_keys("work"),
    "backup": lambda vault: vault.save_backup("/home/me/.aws/credentials", "bW9yZQ==" * 9000),
}


@pytest.mark.parametrize("change", CHANGES)
def test_killed_anywhere_nothing_stays_that_is_unnamed_but_keys(
    vault: Vault, keyring: MemoryKeyring, tmp_path: Path, change: str
) -> None:
    before = dict(keyring.passwords)
    for calls in range(40):
        keyring.passwords, keyring.calls_left = dict(before), calls
        with contextlib.suppress(Broken):
            CHANGES[change](vault_over(keyring, tmp_path))
            keyring.calls_left = None
        is_whole, keyring.calls_left = keyring.calls_left is None, None
        after = vault_over(keyring, tmp_path)
        named = {name: after.load_keys(name) for name in after.stored_keys()}
        kept = {name: after.load_session(name) for name, _ in after.sessions()}
        copies = [keys for name, keys in _all_keys(keyring).items()]
        after.remove_orphans()
        assert all(not orphan.is_safe for orphan in after.orphans())
        assert {name: after.load_keys(name) for name in after.stored_keys()} == named
        assert {name: after.load_session(name) for name, _ in after.sessions()} == kept
        assert after.load_backup("/home/me/.aws/credentials")
        # No key pair is gone of which there was only one.
        assert set(_all_keys(keyring).values()) == set(copies)
        if is_whole:
            return
    raise AssertionError("it was never done")


def _all_keys(keyring: MemoryKeyring) -> dict[str, StoredKeys]:
    return {
        key: StoredKeys(**json.loads(text))
        for (_, key), text in keyring.passwords.items()
        if key.startswith("keys/")
    }


def test_a_damaged_list_of_names_makes_no_keys_orphans(vault: Vault, keyring: MemoryKeyring) -> None:
    vault._items.write("keys/twice", {"access_key_id": "AKIAWORK", "secret_access_key": "secret"})
    keyring.passwords[SERVICE, "index/keys"] = "{damaged"
    keyring.passwords[SERVICE, "index/sign-ins"] = "{damaged"
    assert vault.remove_orphans() == []
    assert vault.load_keys("work") == StoredKeys("AKIAWORK", "secret")


def test_other_keys_with_the_same_key_id_are_no_copy(vault: Vault) -> None:
    vault._items.write("keys/other", {"access_key_id": "AKIAWORK", "secret_access_key": "another"})
    vault._items.write("keys/damaged", "?")
    vault._items.write("rotation/gone", {"new": "perhaps the only copy"})
    assert found(vault) == {"keys other": False, "keys damaged": False, "rotation gone": False}


def test_a_keyring_that_cannot_list_has_none(
    vault: Vault, keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault._items.write("sessions/left", {})
    assert found(vault) == {"session left": True}
    monkeypatch.delattr(MemoryKeyring, "names")
    assert vault.orphans() == vault.remove_orphans() == []


def test_sessions_in_a_store_of_their_own_are_looked_through_too(
    vault: Vault, keyring: MemoryKeyring, tmp_path: Path
) -> None:
    other = MemoryKeyring()
    lock = writers_lock(tmp_path / "vault.lock")
    store, sessions = (Store(Items("secret-service", ring, None), lock) for ring in (keyring, other))
    apart = Vault(store, tmp_path / "names", None, sessions)
    sessions.items.write("sessions/left", {})
    # Keys of a time when that store was the vault are no business of ours.
    Vault(sessions, tmp_path / "other").save_keys("old", "AKIAOLD", "secret")
    assert found(apart) == {"session left": True}
    apart.remove_orphans()
    assert Vault(sessions, tmp_path / "other").load_keys("old").access_key_id == "AKIAOLD"


def test_a_store_that_does_not_tell_names_apart_loses_nothing(tmp_path: Path) -> None:
    class OneCase(MemoryKeyring):
        """As files are on macOS: what is written as `work` is found as `WORK`."""

        def get_password(self, service: str, username: str) -> str | None:
            names = {name.casefold(): name for _, name in self.passwords}
            return super().get_password(service, names.get(username.casefold(), username))

    keyring = OneCase()
    vault = vault_over(keyring, tmp_path)
    vault.save_keys("work", "AKIAWORK", "secret")
    keyring.passwords[SERVICE, "keys/WORK"] = keyring.passwords.pop((SERVICE, "keys/work"))
    assert vault.load_keys("work").secret_access_key == "secret"
    assert vault.remove_orphans() == []
    assert vault.load_keys("work").secret_access_key == "secret"
