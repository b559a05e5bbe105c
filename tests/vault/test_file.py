"""The encrypted file as a vault: nothing wrong opens, nothing written is lost."""

import errno
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from keyring.errors import PasswordDeleteError

from shellvault.errors import VaultError, WrongPassphraseError
from shellvault.vault import sealed
from shellvault.vault.file import FileKeyring
from tests.vault.conftest import CHEAP, PASSPHRASE, never_asked

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "vault.shellvault"


def opened(path: Path, passphrase: str | None = PASSPHRASE, unlock_key: bytes | None = None) -> FileKeyring:
    return FileKeyring(path, never_asked, passphrase, unlock_key, CHEAP)


def error_of(function: Callable[[], object], kind: type[VaultError] = VaultError) -> str:
    with pytest.raises(kind) as caught:
        function()
    message = str(caught.value)
    assert "\n" not in message
    return message


class Person:
    """Answers questions for a passphrase from a list, and notes what was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[bool, str | None]] = []

    def __call__(self, new: bool, problem: str | None, path: Path) -> str:
        self.asked.append((new, problem))
        return self.answers.pop(0)


def test_what_is_stored_is_there_in_the_next_process(path: Path) -> None:
    opened(path).set_password("shellvault", "keys/wörk", "sëcret")
    assert opened(path).get_password("shellvault", "keys/wörk") == "sëcret"
    assert opened(path).get_password("shellvault", "keys/other") is None
    assert opened(path).get_password("other", "keys/wörk") is None


def test_what_is_deleted_is_gone(path: Path) -> None:
    opened(path).set_password("s", "a", "1")
    opened(path).set_password("s", "b", "2")
    opened(path).delete_password("s", "a")
    assert opened(path).get_password("s", "a") is None
    assert opened(path).get_password("s", "b") == "2"
    with pytest.raises(PasswordDeleteError):
        opened(path).delete_password("s", "a")


def test_reading_a_missing_file_asks_and_makes_nothing(path: Path) -> None:
    assert opened(path, passphrase=None).get_password("s", "a") is None
    assert not path.parent.exists()


def test_the_file_and_its_folder_are_private(path: Path) -> None:
    opened(path).set_password("s", "a", "1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_the_next_write_makes_a_readable_file_private(path: Path) -> None:
    opened(path).set_password("s", "a", "1")
    path.chmod(0o644)
    opened(path).set_password("s", "b", "2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_names_are_as_secret_as_what_they_name(path: Path) -> None:
    opened(path).set_password("shellvault", "keys/customer", "hunter2")
    content = path.read_bytes()
    assert not any(word in content for word in (b"customer", b"hunter2", b"keys"))


def test_a_link_to_the_file_stays_a_link(path: Path, tmp_path: Path) -> None:
    opened(path).set_password("s", "a", "1")
    link = tmp_path / "link" / "vault.shellvault"
    link.parent.mkdir()
    link.symlink_to(path)
    opened(link).set_password("s", "b", "2")
    assert link.is_symlink()
    assert opened(path).get_password("s", "b") == "2"


# Passphrases


def test_a_passphrase_is_asked_once_to_create_and_once_to_unlock(path: Path) -> None:
    person = Person("p")
    keyring = FileKeyring(path, person, cost=CHEAP)
    keyring.set_password("s", "a", "1")
    keyring.set_password("s", "b", "2")
    assert person.asked == [(True, None)]
    person = Person("p")
    keyring = FileKeyring(path, person)
    assert (keyring.get_password("s", "a"), keyring.get_password("s", "b")) == ("1", "2")
    assert person.asked == [(False, None)]


def test_a_wrong_passphrase_is_asked_again_and_says_why(path: Path) -> None:
    opened(path).set_password("s", "a", "1")
    person = Person("wrong", PASSPHRASE)
    assert FileKeyring(path, person).get_password("s", "a") == "1"
    assert person.asked == [(False, None), (False, "that passphrase does not open the vault")]


def test_a_passphrase_that_is_wrong_three_times_is_an_error(path: Path) -> None:
    opened(path).set_password("s", "a", "1")
    person = Person("a", "b", "", PASSPHRASE)
    error_of(lambda: FileKeyring(path, person).get_password("s", "a"), WrongPassphraseError)
    assert person.answers == [PASSPHRASE]


def test_a_wrong_passphrase_in_the_environment_fails_at_once(path: Path) -> None:
    opened(path).set_password("s", "a", "1")
    message = error_of(lambda: opened(path, "hunter2").get_password("s", "a"), WrongPassphraseError)
    assert "SHELLVAULT_FILE_PASSPHRASE" in message
    assert "hunter2" not in message


def test_an_empty_new_passphrase_is_refused(path: Path) -> None:
    person = Person("", "", "p")
    FileKeyring(path, person, cost=CHEAP).set_password("s", "a", "1")
    assert [problem for _, problem in person.asked] == [None, *["a passphrase cannot be empty"] * 2]


def test_nothing_is_made_without_a_passphrase(path: Path) -> None:
    message = error_of(lambda: FileKeyring(path, Person("", "", ""), cost=CHEAP).set_password("s", "a", "1"))
    assert "nothing was written" in message
    assert not path.exists()


def test_a_passphrase_may_have_any_bytes(path: Path) -> None:
    passphrase = os.fsdecode(b"\xff\xfe p\xc3\xa4ss")
    opened(path, passphrase).set_password("s", "a", "1")
    assert opened(path, passphrase).get_password("s", "a") == "1"


def test_an_unlock_key_opens_without_a_passphrase_and_keeps_it(path: Path) -> None:
    first = opened(path)
    assert first.unlock_key is None
    first.set_password("s", "a", "1")
    second = opened(path, passphrase=None, unlock_key=first.unlock_key)
    assert second.get_password("s", "a") == "1"
    second.set_password("s", "b", "2")
    assert opened(path).get_password("s", "b") == "2"


@pytest.mark.parametrize("length", [0, 10, 57])
def test_an_unlock_key_that_does_not_fit_is_as_good_as_none(path: Path, length: int, tmp_path: Path) -> None:
    opened(path).set_password("s", "a", "1")
    opened(tmp_path / "other" / "vault").set_password("s", "a", "1")
    other = opened(tmp_path / "other" / "vault")
    other.unlock()
    for unlock_key in (b"x" * length, other.unlock_key):
        person = Person(PASSPHRASE)
        assert FileKeyring(path, person, unlock_key=unlock_key).get_password("s", "a") == "1"
        assert person.asked == [(False, None)]


def test_one_process_derives_the_key_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shellvault.vault import sealed

    opened(path).set_password("s", "a", "1")
    derived = []
    derive = sealed.derive
    monkeypatch.setattr(sealed, "derive", lambda *arguments: derived.append(1) or derive(*arguments))
    keyring = opened(path)
    for number in range(5):
        keyring.set_password("s", f"{number}", "x")
        keyring.get_password("s", f"{number}")
    assert derived == [1]


# Damage


def test_any_changed_bit_gives_an_error(path: Path) -> None:
    opened(path).set_password("s", "a", "1")
    content = path.read_bytes()
    for position in range(len(content)):
        edited = bytearray(content)
        edited[position] ^= 1 << (position % 8)
        path.write_bytes(edited)
        error_of(lambda: opened(path).get_password("s", "a"))
        error_of(lambda: opened(path).set_password("s", "a", "2"))
        assert path.read_bytes() == bytes(edited)


def test_a_file_cut_at_any_length_is_an_error_and_is_left_alone(path: Path) -> None:
    opened(path).set_password("s", "a", "1")
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        message = error_of(lambda: opened(path).set_password("s", "a", "2"))
        assert "is damaged" in message
        assert path.read_bytes() == content[:length]


def test_an_older_copy_of_the_file_opens(path: Path) -> None:
    opened(path).set_password("s", "a", "1")
    copy = path.read_bytes()
    opened(path).set_password("s", "a", "2")
    path.write_bytes(copy)
    assert opened(path).get_password("s", "a") == "1"


def test_something_else_in_its_place_is_an_error(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("dear diary")
    assert "not a shellvault vault" in error_of(lambda: opened(path).get_password("s", "a"))
    path.unlink()
    path.mkdir()
    assert "cannot read" in error_of(lambda: opened(path).get_password("s", "a"))


@pytest.mark.timeout(20)
def test_a_fifo_in_its_place_does_not_hang(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    assert "move it away" in error_of(lambda: opened(path).get_password("s", "a"))


def test_a_huge_file_is_not_read(path: Path) -> None:
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(2**40)
    path.chmod(0o600)
    assert "move it away" in error_of(lambda: opened(path).get_password("s", "a"))


def test_a_file_that_others_may_write_is_refused(path: Path) -> None:
    opened(path).set_password("s", "a", "1")
    path.chmod(0o622)
    assert "chmod 600" in error_of(lambda: opened(path).get_password("s", "a"))


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to give a file away")
def test_another_users_file_is_refused(path: Path) -> None:
    opened(path).set_password("s", "a", "1")
    os.chown(path, NOBODY, NOBODY)
    assert f"belongs to uid {NOBODY}" in error_of(lambda: opened(path).get_password("s", "a"))


# Writes that fail


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EROFS, "make its folder writable"),
    ],
)
def test_a_write_that_fails_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    opened(path).set_password("s", "a", "1")

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        assert remedy in error_of(lambda: opened(path).set_password("s", "a", "2"))
    assert opened(path).get_password("s", "a") == "1"
    assert {file.name for file in path.parent.iterdir()} == {"vault.shellvault", "vault.lock"}


def in_child(function: Callable[[], str], uid: int = -1) -> str:
    """What `function` gives in a forked process, as another user where `uid` says so."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if uid >= 0 and os.getuid() == 0:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            os.write(writer, function().encode())
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as stream:
        return stream.read()


def test_a_full_disk_leaves_the_old_file(path: Path) -> None:
    opened(path).set_password("s", "a", "1")

    def write() -> str:
        import resource

        # The kernel itself refuses bytes beyond this, as a full disk would (setrlimit(2): EFBIG).
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
        opened(path).set_password("s", "a", "2")
        return "written"

    assert in_child(write).startswith("VaultError: cannot write the vault")
    assert opened(path).get_password("s", "a") == "1"


@pytest.fixture
def nobodys_path() -> Iterator[Path]:
    """A vault of an unprivileged user, outside of the private folders of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        path = Path(folder, "data", "vault.shellvault")
        opened(path).set_password("s", "a", "1")
        if os.getuid() == 0:
            for file in (path, path.with_name("vault.lock"), path.parent):
                os.chown(file, NOBODY, NOBODY)
        yield path


def read_by_nobody(path: Path) -> str:
    return in_child(lambda: opened(path).get_password("s", "a") or "", NOBODY)


def written_by_nobody(path: Path) -> str:
    return in_child(lambda: opened(path).set_password("s", "a", "2") or "written", NOBODY)


def test_in_a_read_only_folder_reads_work_and_writes_say_why(nobodys_path: Path) -> None:
    nobodys_path.parent.chmod(0o500)
    message = written_by_nobody(nobodys_path)
    assert message.startswith("VaultError: cannot write the vault"), message
    assert "make its folder writable" in message
    assert read_by_nobody(nobodys_path) == "1"
    nobodys_path.parent.chmod(0o700)
    assert written_by_nobody(nobodys_path) == "written"
    assert read_by_nobody(nobodys_path) == "2"


def test_a_file_without_read_permission_says_what_to_do(nobodys_path: Path) -> None:
    nobodys_path.chmod(0)
    message = read_by_nobody(nobodys_path)
    assert message.startswith("VaultError: cannot read the vault"), message


# Crashes and other writers


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_a_crash_in_the_middle_of_a_write_loses_nothing(path: Path, call: str) -> None:
    opened(path).set_password("s", "a", "1")

    def crash() -> str:
        keyring = opened(path)
        keyring.unlock()
        before = getattr(os, call)

        def last(*arguments: object, **options: object) -> object:
            if call == "open" and ".new" not in str(arguments[0]):
                return before(*arguments, **options)
            os._exit(9)

        setattr(os, call, last)
        keyring.set_password("s", "a", "2")
        return "written"

    assert in_child(crash) == ""
    assert opened(path).get_password("s", "a") == "1"
    opened(path).set_password("s", "b", "3")
    assert opened(path).get_password("s", "b") == "3"
    assert {file.name for file in path.parent.iterdir()} == {"vault.shellvault", "vault.lock"}


WRITER = """
import sys
from pathlib import Path
from shellvault.vault.file import FileKeyring
from tests.vault.conftest import CHEAP, never_asked
keyring = FileKeyring(Path(sys.argv[1]), never_asked, "p", cost=CHEAP)
keyring.get_password("s", "a")
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    keyring.set_password("s", f"{sys.argv[2]}{number}", "x")
"""


@pytest.mark.parametrize("attempt", range(3))
def test_two_processes_that_write_at_once_lose_nothing(path: Path, attempt: int) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent.parent,
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
    keyring = opened(path, "p")
    assert all(keyring.get_password("s", f"{name}{number}") for name in "ab" for number in range(20))


def test_a_file_made_meanwhile_by_another_process_is_untouched(path: Path) -> None:
    def answer(new: bool, problem: str | None, where: Path) -> str:
        opened(path, "the other's").set_password("s", "a", "1")
        return "mine"

    error_of(lambda: FileKeyring(path, answer, cost=CHEAP).set_password("s", "a", "2"), WrongPassphraseError)
    assert opened(path, "the other's").get_password("s", "a") == "1"


def test_a_stuck_writer_is_reported_within_its_deadline(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shellvault import locks

    opened(path).set_password("s", "a", "1")
    other = opened(path)
    with locks.held(other.lock, VaultError):
        monkeypatch.setattr(locks, "WAIT_SECONDS", 0.2)
        assert "has been writing" in error_of(lambda: opened(path).set_password("s", "a", "2"))
    opened(path).set_password("s", "a", "2")


def test_reading_does_not_wait_for_a_writer(path: Path) -> None:
    from shellvault.locks import held

    opened(path).set_password("s", "a", "1")
    with held(opened(path).lock, VaultError):
        assert opened(path).get_password("s", "a") == "1"


# What a person should know


def heard(path: Path, passphrase: str | None = PASSPHRASE, **more: Any) -> tuple[FileKeyring, list[str]]:
    said: list[str] = []
    return FileKeyring(path, never_asked, passphrase, None, CHEAP, tell=said.append, **more), said


@pytest.mark.parametrize(
    ("passphrase", "reason"),
    [
        ("short", "it has 5 characters"),
        ("x", "it has 1 character,"),
        ("a" * 16, "the same text again"),
        ("abab" * 10, "the same text again"),
        ("abcdefghijklmnop", "follow each other"),
        ("987654321098"[:9] + "abc", None),
        ("aabbaabbcaab", "only 3 different characters"),
        ("correct horse battery", None),
    ],
)
def test_a_new_file_with_a_weak_passphrase_comes_with_a_warning(
    path: Path, passphrase: str, reason: str | None
) -> None:
    keyring, said = heard(path, passphrase)
    keyring.set_password("s", "a", "1")
    assert [line for line in said if "weak" in line and (reason or "") in line] == (said if reason else [])
    assert bool(said) == bool(reason)
    assert not any(passphrase in line for line in said)


def test_a_write_with_the_passphrase_raises_a_weak_cost(
    path: Path,
) -> None:
    opened(path).set_password("s", "a", "1")
    stronger = sealed.Cost(CHEAP.memory_kib * 2, CHEAP.iterations + 1, CHEAP.lanes)
    by_key = FileKeyring(path, never_asked, None, opened_key(path), stronger)
    by_key.set_password("s", "b", "2")
    assert sealed.read_header(path.read_bytes()).cost == CHEAP, "a key alone cannot raise them"
    again = FileKeyring(path, never_asked, PASSPHRASE, None, stronger)
    again.set_password("s", "c", "3")
    assert sealed.read_header(path.read_bytes()).cost == stronger
    assert [opened(path).get_password("s", name) for name in "abc"] == ["1", "2", "3"]


def opened_key(path: Path) -> bytes | None:
    keyring = opened(path)
    keyring.unlock()
    return keyring.unlock_key


def test_a_restored_older_file_is_noticed_until_the_next_write(path: Path) -> None:
    writes = path.with_name("writes")
    first, said = heard(path, writes_file=writes)
    first.set_password("s", "a", "1")
    older = path.read_bytes()
    first.set_password("s", "a", "2")
    assert first.get_password("s", "a") == "2"
    assert said == []
    path.write_bytes(older)
    for _ in range(2):
        reading, said = heard(path, writes_file=writes)
        assert reading.get_password("s", "a") == "1"
        assert len(said) == 1
        assert "older than it was" in said[0]
    reading.set_password("s", "a", "3")
    again, said = heard(path, writes_file=writes)
    assert again.get_password("s", "a") == "3"
    assert said == []
    path.unlink()
    new, said = heard(path, writes_file=writes)
    new.set_password("s", "a", "4")
    assert new.get_password("s", "a") == "4"
    assert said == []


def test_a_write_while_the_file_is_read_makes_nothing_look_old(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = path.with_name("writes")
    writer, _ = heard(path, writes_file=writes)
    writer.set_password("s", "a", "1")
    reader, said = heard(path, writes_file=writes)
    reader.unlock()
    unseal = sealed.unseal

    def unsealed_late(content: bytes, key: sealed.Key) -> bytes:
        monkeypatch.setattr(sealed, "unseal", unseal)
        writer.set_password("s", "a", "2")
        return unseal(content, key)

    monkeypatch.setattr(sealed, "unseal", unsealed_late)
    assert reader.get_password("s", "a") == "1"
    assert said == []


@pytest.mark.parametrize("noted", [b"", b"{", b"[]", b'{"x": "y"}', b"\xff", b"[" * 100_000])
def test_a_damaged_note_of_the_writes_is_as_good_as_none(path: Path, noted: bytes) -> None:
    writes = path.with_name("writes")
    writes.parent.mkdir(parents=True, exist_ok=True)
    writes.write_bytes(noted)
    keyring, said = heard(path, writes_file=writes)
    keyring.set_password("s", "a", "1")
    assert keyring.get_password("s", "a") == "1"
    assert said == []


def test_a_note_that_cannot_be_written_stops_nothing(path: Path) -> None:
    keyring, said = heard(path, writes_file=path / "no" / "folder")
    keyring.set_password("s", "a", "1")
    assert keyring.get_password("s", "a") == "1"
    assert said == []
