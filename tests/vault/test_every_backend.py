"""Every backend that can run here, for real: what goes in comes out, whatever it is called and however long it is.

`passage` is in no package source here: its part is played by a script that keeps files as they are. What Windows and
macOS have is played by their API in memory (see `stand_ins`), below `keyring`'s own backends.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shellvault.errors import VaultError
from shellvault.vault import SessionLabel, StoredKeys, open_vault, probe
from tests.real_keyring import private_keyring
from tests.real_password_store import password_store
from tests.real_wallet import private_wallet
from tests.vault.conftest import PASSPHRASE, never_asked
from tests.vault.stand_ins import STAND_INS, stand_in

pytestmark = pytest.mark.real

#: Seconds that a busy machine may take longer.
BUSY = 2.0

#: Of a person with very many; all of a thousand (SHELLVAULT_PROFILES=1000) take minutes where gpg is asked for each.
PROFILES = int(os.environ.get("SHELLVAULT_PROFILES", "8"))

NAMES = [
    "work",
    "a/b",
    "a",
    "with space",
    "üñí",
    "..",
    "../../etc",
    "-n",
    ".hidden",
    "%41",
    "x" * 250,
    "a//b",
    "~",
    "Work",
    "WORK",
]

PASSAGE = """#!/bin/sh
# The commands of passage that are used here, without age.
set -eu
store=${PASSAGE_DIR:-$HOME/.passage/store}
command=$1; shift
while [ "${1#-}" != "$1" ]; do word=$1; shift; [ "$word" = -- ] && break; done
file=$store/$1.age
mkdir -p "$(dirname "$file")"
case $command in
    show) cat "$file" ;;
    insert) cat >"$file" ;;
    mv) mkdir -p "$(dirname "$store/$2.age")"; mv -f "$file" "$store/$2.age" ;;
    rm) rm -f "$file" ;;
    *) exit 64 ;;
esac
"""


REAL = ("file", "secret-service", "kwallet", "pass", "passage", "keyctl")
every_backend = pytest.mark.parametrize("backend", REAL + STAND_INS, indirect=True)


@pytest.fixture(params=REAL)
def backend(
    request: pytest.FixtureRequest, tmp_path: Path, cheap: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """An environment in which one backend is named and ready."""
    name = str(request.param)
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "SHELLVAULT_BACKEND": name,
        "SHELLVAULT_FILE_PASSPHRASE": PASSPHRASE,
    }
    if name in STAND_INS:
        stand_in(name, monkeypatch)
        yield environment
    elif name == "secret-service":
        home.rmdir()
        with private_keyring(tmp_path) as running:
            yield running.environment | environment
    elif name == "kwallet":
        home.rmdir()
        with private_wallet(tmp_path) as wallet:
            yield wallet.environment | environment
    elif name == "pass":
        with password_store(environment, tmp_path) as there:
            yield there
    elif name == "passage":
        programs = tmp_path / "bin"
        programs.mkdir()
        (programs / "passage").write_text(PASSAGE)
        (programs / "passage").chmod(0o755)
        (home / ".passage" / "store").mkdir(parents=True)
        (home / ".passage" / "identities").touch()
        yield environment | {"PATH": f"{programs}:{environment['PATH']}"}
    elif name == "keyctl":
        # A session of its own would not hide the user's keyring, so the items are removed one by one.
        yield environment
        subprocess.run(["keyctl", "purge", "-s", "user", "index/"], capture_output=True)
        ring = subprocess.run(
            ["keyctl", "search", "@u", "keyring", "shellvault"], capture_output=True, text=True
        )
        if ring.stdout.strip():
            subprocess.run(["keyctl", "unlink", ring.stdout.strip(), "@u"], check=True)
    else:
        yield environment


@every_backend
def test_keys_are_kept_replaced_listed_and_removed(backend: dict[str, str]) -> None:
    vault = open_vault(None, backend, never_asked)
    pairs = {name: StoredKeys(f"AKIA{len(name):04}", f"secret/{name.encode()[:20].hex()}") for name in NAMES}
    for name, keys in pairs.items():
        if name in NAMES[:4]:
            vault.save_keys(name, "AKIAOLD0", "an/older/one")
        vault.save_keys(name, keys.access_key_id, keys.secret_access_key)
    again = open_vault(None, backend, never_asked)
    assert again.stored_keys() == {name: keys.access_key_id for name, keys in pairs.items()}
    assert {name: again.load_keys(name) for name in NAMES} == pairs
    for name in NAMES[1:]:
        again.remove_keys(name)
    last = open_vault(None, backend, never_asked)
    assert list(last.stored_keys()) == NAMES[:1]
    with pytest.raises(VaultError, match="no keys of"):
        last.load_keys(NAMES[1])


@every_backend
@pytest.mark.timeout(3600 if PROFILES > 100 else 120)
def test_many_profiles_are_stored_listed_replaced_and_removed(backend: dict[str, str]) -> None:
    vault = open_vault(None, backend, never_asked)
    names = [f"team-{number % 7}/{number:04}" for number in range(PROFILES)]
    started = time.monotonic()
    for name in names:
        vault.save_keys(name, f"AKIA{name[-4:]}", f"secret-{name}")
    stored = time.monotonic() - started
    again = open_vault(None, backend, never_asked)
    started = time.monotonic()
    assert list(again.stored_keys()) == names
    print(f"{backend['SHELLVAULT_BACKEND']}: {PROFILES} stored in {stored:.1f} s", end=", ")
    print(f"listed in {1000 * (time.monotonic() - started):.0f} ms")
    for name in names[:: 1 + PROFILES // 20]:
        assert again.load_keys(name) == StoredKeys(f"AKIA{name[-4:]}", f"secret-{name}")
    again.save_keys(names[3], "AKIANEW0", "new")
    again.remove_keys(names[5])
    last = open_vault(None, backend, never_asked).stored_keys()
    assert last == {name: f"AKIA{name[-4:]}" for name in names if name != names[5]} | {names[3]: "AKIANEW0"}


def test_orphans_are_found_and_removed_but_not_the_only_keys(
    backend: dict[str, str],
) -> None:
    vault = open_vault(None, backend, never_asked)
    for name in NAMES:
        vault.save_keys(name, f"AKIA{len(name):04}", "secret")
    vault.save_session("a" * 64, SessionLabel("work", "get-session-token", None), {"token": "t"})
    assert vault.orphans() == []
    items = vault._items
    stray = {"access_key_id": "AKIASTRAY", "secret_access_key": "the-only-copy"}
    items.write("sessions/" + "b" * 64, {"token": "stray"})
    items.write("keys/stray", stray)
    items.write("keys/twice", {"access_key_id": "AKIA0004", "secret_access_key": "secret"})
    found = {(orphan.kind, orphan.name): orphan.is_safe for orphan in vault.orphans()}
    assert found == {("session", "b" * 64): True, ("keys", "stray"): False, ("keys", "twice"): True}
    assert {orphan.name for orphan in vault.remove_orphans()} == {"b" * 64, "twice"}
    again = open_vault(None, backend, never_asked)
    assert [(orphan.kind, orphan.name) for orphan in again.orphans()] == [("keys", "stray")]
    assert again.load_keys("stray") == StoredKeys("AKIASTRAY", "the-only-copy")
    assert again.load_session("a" * 64) == {"token": "t"}
    assert [again.load_keys(name).secret_access_key for name in NAMES] == ["secret"] * len(NAMES)


@every_backend
@pytest.mark.parametrize("size", [1, 255, 4096, 16 * 1024])
def test_documents_of_any_length_come_back_byte_for_byte(backend: dict[str, str], size: int) -> None:
    vault = open_vault(None, backend, never_asked)
    document = {"text": ("ä\"\\\n'$`" * size)[:size]}
    vault.save_rotation("work", document)
    assert open_vault(None, backend, never_asked).load_rotation("work") == document
    vault.remove_rotation("work")
    assert open_vault(None, backend, never_asked).load_rotation("work") is None


@every_backend
def test_two_writers_at_once_lose_nothing(backend: dict[str, str]) -> None:
    def write(writer: str) -> None:
        vault = open_vault(None, backend, never_asked)
        for number in range(3):
            vault.save_keys(f"{writer}-{number}", "AKIA0000", "secret")

    writers = [threading.Thread(target=write, args=(writer,)) for writer in ("one", "two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    names = {f"{writer}-{number}" for writer in ("one", "two") for number in range(3)}
    assert set(open_vault(None, backend, never_asked).stored_keys()) == names


def test_a_writer_that_is_killed_leaves_the_old_pair_or_the_new(backend: dict[str, str]) -> None:
    vault = open_vault(None, backend, never_asked)
    vault.save_keys("work", "AKIA0000", "secret")
    script = (
        "import os, itertools\nfrom shellvault.vault import open_vault\nvault = open_vault(None, os.environ, None)\n"
        "print('ready', flush=True)\n"
        "for n in itertools.count():\n    vault.save_keys('work', f'AKIA{n:04}', f'secret-{n}')\n"
    )
    for delay in (0.02, 0.05, 0.11):
        writer = subprocess.Popen(
            [sys.executable, "-c", script], env=backend, stdout=subprocess.PIPE, start_new_session=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(delay)
        os.killpg(writer.pid, signal.SIGKILL)
        writer.communicate(timeout=30)
        keys = open_vault(None, backend, never_asked).load_keys("work")
        number = keys.access_key_id.removeprefix("AKIA")
        assert keys.secret_access_key in ("secret", f"secret-{int(number)}")


def test_windows_keeps_no_copy_of_a_secret_that_was_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = stand_in("wincred", monkeypatch)
    vault = open_vault("wincred", {"HOME": str(tmp_path)}, never_asked)
    for secret in ("first", "second", "third"):
        vault.save_keys("work", "AKIAWORK", secret)
    blobs = b"".join(credential["CredentialBlob"] for credential in kept.values())
    assert "third".encode("utf-16-le") in blobs
    assert "first".encode("utf-16-le") not in blobs
    assert "second".encode("utf-16-le") not in blobs
    vault.remove_keys("work")
    assert not any("keys/work" in target for target in kept)


def test_probing_shows_the_used_backend_within_two_seconds(backend: dict[str, str]) -> None:
    started = time.monotonic()
    found = {status.name: status for status in probe(backend)}
    assert time.monotonic() - started < 2 + BUSY
    assert [name for name, status in found.items() if status.chosen] == [backend["SHELLVAULT_BACKEND"]]
    assert found[backend["SHELLVAULT_BACKEND"]].usable


def test_a_store_that_is_not_set_up_is_not_chosen(tmp_path: Path) -> None:
    found = {status.name: status for status in probe({"HOME": str(tmp_path), "PATH": os.environ["PATH"]})}
    assert not found["pass"].usable
    assert not found["keyctl"].chosen
    assert found["file"].chosen
