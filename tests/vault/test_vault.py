"""The vault over any keyring: keys by name, sessions by fingerprint, and nothing lost on the way."""

import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shellvault import locations
from shellvault.errors import VaultError
from shellvault.locks import writers_lock
from shellvault.vault import SessionLabel, StoredKeys, Vault, open_vault
from shellvault.vault.items import Items
from shellvault.vault.store import Store
from tests.vault.conftest import never_asked
from tests.vault.memory import Broken, MemoryKeyring

LATER = int(time.time()) + 3600


@pytest.fixture
def keyring() -> MemoryKeyring:
    return MemoryKeyring()


@pytest.fixture(params=["secret-service", "wincred"])
def backend(request: pytest.FixtureRequest) -> str:
    """One keyring without a limit on sizes, and one with."""
    return str(request.param)


@pytest.fixture
def vault(keyring: MemoryKeyring, backend: str, tmp_path: Path) -> Vault:
    return vault_over(keyring, tmp_path, backend)


def vault_over(keyring: MemoryKeyring, folder: Path, backend: str = "secret-service") -> Vault:
    return Vault(Store(Items(backend, keyring, None), writers_lock(folder / "vault.lock")), folder / "names")


def label(profile: str = "work", expires_at: int | None = LATER) -> SessionLabel:
    return SessionLabel(profile, "get-session-token", expires_at)


# Keys


def test_keys_are_stored_listed_loaded_replaced_and_removed(vault: Vault) -> None:
    assert vault.stored_keys() == {}
    vault.save_keys("work", "AKIAWORK", "secret/+=")
    vault.save_keys("home", "AKIAHOME", "other")
    assert vault.stored_keys() == {"work": "AKIAWORK", "home": "AKIAHOME"}
    assert vault.load_keys("work") == StoredKeys("AKIAWORK", "secret/+=")
    vault.save_keys("work", "AKIANEW", "new")
    assert vault.load_keys("work") == StoredKeys("AKIANEW", "new")
    vault.remove_keys("work")
    assert vault.stored_keys() == {"home": "AKIAHOME"}
    vault.remove_keys("work")


def test_removed_keys_leave_nothing_in_the_keyring(vault: Vault, keyring: MemoryKeyring) -> None:
    vault.save_keys("work", "AKIAWORK", "s" * 200)
    vault.remove_keys("work")
    assert not any("AKIAWORK" in password or "sss" in password for password in keyring.passwords.values())
    assert sorted(key for _, key in keyring.passwords) == ["index/keys", "index/sessions"]


def test_missing_keys_are_an_error_with_a_remedy(vault: Vault) -> None:
    with pytest.raises(VaultError, match=r"no keys of 'work'.*shellvault add"):
        vault.load_keys("work")


@given(st.text(min_size=1, max_size=20), st.from_regex(r"[!-~]{1,40}", fullmatch=True))
@settings(max_examples=50, deadline=None)
def test_any_printable_name_works_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, name: str, secret: str
) -> None:
    folder = tmp_path_factory.mktemp("vault")
    vault = vault_over(MemoryKeyring(), folder)
    if not name.isprintable():
        with pytest.raises(VaultError) as error:
            vault.save_keys(name, "AKIA", secret)
        assert str(error.value).isprintable()
        return
    vault.save_keys(name, "AKIA", secret)
    assert vault.load_keys(name).secret_access_key == secret
    assert (folder / "names").read_text(encoding="utf-8") == f"{name}\n"


def test_the_names_file_follows_every_change_of_keys(vault: Vault, tmp_path: Path) -> None:
    names = tmp_path / "names"
    vault.save_keys("work", "AKIAWORK", "secret")
    vault.save_keys("a b", "AKIAHOME", "secret")
    assert names.read_text() == "a b\nwork\n"
    assert names.stat().st_mode & 0o777 == 0o600
    before = names.stat().st_ino
    vault.save_keys("work", "AKIANEW", "secret")
    assert names.stat().st_ino != before, "replaced keys change the stamp too"
    vault.remove_keys("work")
    assert names.read_text() == "a b\n"


def test_secrets_are_not_in_the_repr_of_keys() -> None:
    assert "secret" not in repr(StoredKeys("AKIA", "secret")).replace("secret_access_key", "")


def test_a_keyring_that_forgets_is_found_out(tmp_path: Path) -> None:
    class Forgetful(MemoryKeyring):
        def set_password(self, service: str, username: str, password: str) -> None:
            super().set_password(service, username, password.replace("secret!", "secret"))

    with pytest.raises(VaultError, match="has not kept the keys"):
        vault_over(Forgetful(), tmp_path).save_keys("work", "AKIA", "secret!")


# Sessions


def test_sessions_are_stored_listed_loaded_and_removed(vault: Vault) -> None:
    assert vault.load_session("f1") is None
    data = {"access_key_id": "ASIA", "session_token": "t" * 4000, "issued_at": 1}
    vault.save_session("f1", label(), data)
    vault.save_session("f2", label("home", None), {"a": [1, None, "ä"]})
    assert vault.load_session("f1") == data
    assert vault.sessions() == [("f1", label()), ("f2", label("home", None))]
    assert vault.clear_sessions("work") == 1
    assert vault.load_session("f1") is None
    assert vault.sessions() == [("f2", label("home", None))]
    assert vault.clear_sessions("work") == 0


def test_a_stored_session_forgets_those_that_have_expired(
    vault: Vault, keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.save_session("old", label(expires_at=LATER - 1), {"token": "old" * 1000})
    vault.save_session("ever", label(expires_at=None), {"token": "ever"})
    monkeypatch.setattr(time, "time", lambda: LATER - 0.5)
    vault.save_session("new", label(), {"token": "new"})
    assert [fingerprint for fingerprint, _ in vault.sessions()] == ["ever", "new"]
    assert vault.load_session("old") is None
    assert not any("old" in password for password in keyring.passwords.values())


def test_a_session_can_be_replaced_by_a_longer_and_a_shorter_one(
    vault: Vault, keyring: MemoryKeyring
) -> None:
    for length in (10, 5000, 3000, 10):
        vault.save_session("f", label(), {"token": "x" * length})
        assert vault.load_session("f") == {"token": "x" * length}
    assert len(keyring.passwords) == 2, "no part is left over"


def test_no_item_is_larger_than_windows_can_hold(keyring: MemoryKeyring, tmp_path: Path) -> None:
    vault = vault_over(keyring, tmp_path, "wincred")
    for number in range(40):
        vault.save_session(f"{number:064}", label("prä" * 20), {"token": "ü" * 3000})
    assert max(len(password.encode("utf-16-le")) for password in keyring.passwords.values()) <= 2560
    assert len({service for service, _ in keyring.passwords}) == len(keyring.passwords)
    assert len(vault.sessions()) == 40


def rooted(profile: str, key_id: str | None) -> SessionLabel:
    return dataclasses.replace(label(profile), key_id=key_id)


def test_clearing_a_profile_forgets_every_session_of_its_keys(vault: Vault) -> None:
    vault.save_keys("work", "AKIASAME", "secret")
    vault.save_keys("guarded", "AKIASAME", "secret")
    vault.save_keys("home", "AKIAHOME", "other")
    for name, key_id in (("work", "AKIASAME"), ("deploy", "AKIASAME"), ("home", "AKIAHOME")):
        vault.save_session(name, rooted(name, key_id), {"token": name})
    assert vault.clear_sessions("guarded") == 2
    assert [name for name, _ in vault.sessions()] == ["home"]
    assert vault.clear_sessions() == 1
    assert vault.sessions() == []


def test_removed_keys_take_every_session_made_from_them_along(vault: Vault) -> None:
    vault.save_keys("work", "AKIAWORK", "secret")
    vault.save_keys("home", "AKIAHOME", "other")
    for name, key_id in (("role", "AKIAWORK"), ("unknown", None), ("home", "AKIAHOME")):
        vault.save_session(name, rooted(name, key_id), {"token": name})
    assert vault.remove_keys("work") == 2
    assert [name for name, _ in vault.sessions()] == ["home"]
    assert vault.load_session("role") is None
    assert vault.remove_keys("work") is None


@pytest.mark.parametrize("forgetting", ["clear", "clear one", "remove", "replace"])
def test_a_session_forgotten_during_its_request_is_not_stored(vault: Vault, forgetting: str) -> None:
    vault.save_keys("work", "AKIAWORK", "secret")
    before = vault.generation()
    assert vault.save_session("first", rooted("work", "AKIAWORK"), {"token": "t"}, before)
    if forgetting == "remove":
        vault.remove_keys("work")
    elif forgetting == "replace":
        vault.save_keys("work", "AKIANEW", "secret")
    else:
        vault.clear_sessions(None if forgetting == "clear" else "work")
    assert not vault.save_session("second", rooted("work", "AKIAWORK"), {"token": "t"}, before)
    assert vault.sessions() == []
    assert vault.load_session("second") is None
    assert vault.save_session("third", rooted("work", "AKIAWORK"), {"token": "t"}, vault.generation())


@pytest.mark.parametrize("calls", range(12))
def test_keys_whose_removal_was_cut_short_can_be_removed(
    keyring: MemoryKeyring, backend: str, tmp_path: Path, calls: int
) -> None:
    vault = vault_over(keyring, tmp_path, backend)
    vault.save_keys("work", "AKIAWORK", "s" * 2000)
    keyring.calls_left = calls
    with contextlib.suppress(Broken):
        vault.remove_keys("work")
    keyring.calls_left = None
    again = vault_over(keyring, tmp_path, backend)
    again.remove_keys("work")
    assert again.stored_keys() == {}
    assert not any(key.startswith("keys/work") for _, key in keyring.passwords)
    assert again.remove_keys("work") is None


# Crashes


def state_of(vault: Vault) -> tuple[dict[str, str], list[str]]:
    keys = {name: vault.load_keys(name).secret_access_key for name in vault.stored_keys()}
    sessions = [
        fingerprint for fingerprint, _ in vault.sessions() if vault.load_session(fingerprint) is not None
    ]
    return keys, sessions


@pytest.mark.parametrize("calls", range(30))
def test_a_crash_at_any_point_leaves_all_the_rest(
    keyring: MemoryKeyring, backend: str, tmp_path: Path, calls: int
) -> None:
    vault = vault_over(keyring, tmp_path, backend)
    vault.save_keys("kept", "AKIAKEPT", "kept")
    vault.save_keys("work", "AKIAWORK", "old")
    vault.save_session("kept", rooted("kept", "AKIAKEPT"), {"token": "k" * 3000})
    vault.save_session("work", label(), {"token": "o" * 3000})
    keyring.calls_left = calls
    with contextlib.suppress(Broken):
        vault.save_keys("work", "AKIANEW", "new")
        vault.save_keys("more", "AKIAMORE", "more")
        vault.save_session("work", label(), {"token": "n" * 5000})
        vault.remove_keys("work")
        vault.clear_sessions("work")
    keyring.calls_left = None
    after = vault_over(keyring, tmp_path, backend)
    keys, sessions = state_of(after)
    assert keys["kept"] == "kept"
    assert keys.get("work") in ("old", "new", None)
    assert "kept" in sessions
    assert after.load_session("work") in ({"token": "o" * 3000}, {"token": "n" * 5000}, None)
    after.save_keys("work", "AKIANEW", "newest")
    after.clear_sessions("work")
    assert state_of(after)[0]["work"] == "newest"


@pytest.mark.parametrize("calls", range(12))
def test_a_crash_while_replacing_keys_is_mended_by_itself(
    keyring: MemoryKeyring, backend: str, tmp_path: Path, calls: int
) -> None:
    vault = vault_over(keyring, tmp_path, backend)
    vault.save_keys("work", "AKIAOLD", "old")
    vault.save_session("f", rooted("work", "AKIAOLD"), {"token": "o"})
    keyring.calls_left = calls
    with contextlib.suppress(Broken):
        vault.save_keys("work", "AKIANEW", "n" * 2000)
    keyring.calls_left = None
    after = vault_over(keyring, tmp_path, backend)
    after.mend_key_index("work")
    assert after.stored_keys() == {"work": after.load_keys("work").access_key_id}
    if after.stored_keys() == {"work": "AKIANEW"}:
        assert after.sessions() == []


def test_mending_brings_nothing_back_that_was_removed(
    vault: Vault, keyring: MemoryKeyring, backend: str
) -> None:
    vault.save_keys("work", "AKIAWORK", "secret")
    # Both indexes are written by then; what Windows holds is written twice.
    keyring.calls_left = 4 if backend == "wincred" else 2
    with contextlib.suppress(Broken):
        vault.remove_keys("work")
    keyring.calls_left = None
    assert vault.load_keys("work").access_key_id == "AKIAWORK"
    assert vault.stored_keys() == {}
    vault.mend_key_index("work")
    vault.mend_key_index("never-there")
    assert vault.stored_keys() == {}


@pytest.mark.parametrize("calls", range(20))
def test_a_crash_while_replacing_a_session_leaves_one_of_them(
    keyring: MemoryKeyring, backend: str, tmp_path: Path, calls: int
) -> None:
    old, new = {"token": "o" * 3000}, {"token": "n" * 5000}
    vault = vault_over(keyring, tmp_path, backend)
    vault.save_session("f", label(), old)
    keyring.calls_left = calls
    with contextlib.suppress(Broken):
        vault.save_session("f", label(), new)
    assert vault.load_session("f") in (old, new)


# Damage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
DAMAGE = (
    st.text(max_size=30)
    | JSON.map(json.dumps)
    | st.sampled_from(
        ["", "{", "[" * 100_000, "split:", "split:a:2", "split:a:" + "9" * 5000, "9" * 5000, "NaN"]
    )
)


@given(DAMAGE)
@settings(max_examples=200, deadline=None)
def test_any_keyring_content_gives_a_checked_answer_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    keyring = MemoryKeyring()
    vault = vault_over(keyring, tmp_path_factory.mktemp("vault"))
    vault.save_keys("work", "AKIAWORK", "secret")
    vault.save_session("f", label(), {"token": "t"})
    for item in list(keyring.passwords):
        keyring.passwords[item] = text
    for read in (vault.stored_keys, lambda: vault.load_keys("work")):
        try:
            result: Any = read()
        except VaultError as error:
            assert "shellvault add" in str(error)
            assert "\n" not in str(error)
        else:
            values = result if isinstance(result, dict) else dataclasses.asdict(result)
            assert all(isinstance(value, str) and value for value in values.values())
    assert isinstance(vault.load_session("f"), dict | None)
    assert all(isinstance(its, SessionLabel) for _, its in vault.sessions())


def test_a_damaged_list_of_names_is_mended_by_storing_keys(vault: Vault, keyring: MemoryKeyring) -> None:
    vault.save_keys("work", "AKIAWORK", "secret")
    vault.save_keys("home", "AKIAHOME", "secret")
    [item] = [item for item in keyring.passwords if item[1] == "index/keys"]
    keyring.passwords[item] = "damaged"
    with pytest.raises(VaultError, match="shellvault add"):
        vault.stored_keys()
    vault.save_keys("more", "AKIAMORE", "secret")
    assert vault.stored_keys() == {"work": "AKIAWORK", "home": "AKIAHOME", "more": "AKIAMORE"}


def test_a_damaged_list_of_sessions_is_as_good_as_none(vault: Vault, keyring: MemoryKeyring) -> None:
    vault.save_session("f1", label(), {"a": 1})
    [item] = [item for item in keyring.passwords if item[1] == "index/sessions"]
    keyring.passwords[item] = "damaged"
    assert vault.sessions() == []
    vault.save_session("f2", label(), {"a": 1})
    assert [fingerprint for fingerprint, _ in vault.sessions()] == ["f2"]


@pytest.mark.parametrize(
    "raised",
    [RuntimeError("no\nD-Bus \x1b[31m"), OSError(2, "gone"), KeyError("x"), TimeoutError(), Exception()],
)
def test_whatever_a_keyring_raises_is_one_error_of_one_line(tmp_path: Path, raised: Exception) -> None:
    class Failing(MemoryKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            raise raised

    with pytest.raises(VaultError, match="--backend") as error:
        vault_over(Failing(), tmp_path).stored_keys()
    assert str(error.value).isprintable()


# Over the encrypted file, in real processes

WRITER = """
import sys
from shellvault.vault import SessionLabel, open_vault
vault = open_vault("file", {"HOME": sys.argv[1], "SHELLVAULT_FILE_PASSPHRASE": "p"}, None)
vault.load_session("any")
print("ready", flush=True)
sys.stdin.readline()
for number in range(15):
    vault.save_keys(f"{sys.argv[2]}{number}", "AKIA", "secret")
    vault.save_session(f"{sys.argv[2]}{number}", SessionLabel("work", "call", None), {"number": number})
"""


def test_two_processes_that_store_at_once_lose_nothing(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "SHELLVAULT_FILE_PASSPHRASE": "p"}
    vault = open_vault("file", environment, never_asked)
    vault.save_session("first", label(), {})
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    for writer in writers:
        assert writer.stdout and writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("\n")
        writer.stdin.flush()
    assert [writer.communicate(timeout=60)[1] for writer in writers] == ["", ""]
    names = {f"{name}{number}" for name in "ab" for number in range(15)}
    assert set(vault.stored_keys()) == names
    assert {fingerprint for fingerprint, _ in vault.sessions()} == names | {"first"}
    assert set(locations.names_file(environment).read_text().split()) == names


def test_an_agent_can_keep_the_encrypted_file_unlocked(environment: dict[str, str], cheap: None) -> None:
    first = open_vault("file", environment, never_asked)
    assert first.unlock_key is None
    first.save_keys("work", "AKIAWORK", "secret")
    del environment["SHELLVAULT_FILE_PASSPHRASE"]
    second = open_vault("file", environment, never_asked, unlock_key=first.unlock_key)
    assert second.load_keys("work") == StoredKeys("AKIAWORK", "secret")


def test_removing_where_there_is_no_vault_makes_none(environment: dict[str, str]) -> None:
    vault = open_vault("file", environment, never_asked)
    vault.remove_keys("work")
    assert vault.clear_sessions("work") == 0
    assert not locations.data_directory(environment).exists()


def test_saving_new_keys_replaces_none_and_stores_all_or_none(vault: Vault) -> None:
    vault.save_keys("work", "AKIAOLD", "old")
    pairs = {"one": StoredKeys("AKIA1", "s1"), "work": StoredKeys("AKIANEW", "new")}
    with pytest.raises(VaultError, match="has keys in the vault already"):
        vault.save_new_keys(pairs)
    assert vault.stored_keys() == {"work": "AKIAOLD"}
    assert vault.load_keys("work").secret_access_key == "old"
    del pairs["work"]
    vault.save_new_keys(pairs)
    assert vault.stored_keys() == {"work": "AKIAOLD", "one": "AKIA1"}
    assert vault.load_keys("one") == pairs["one"]
