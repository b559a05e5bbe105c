"""The passphrase of the encrypted file is changed: the old one proved, nothing lost whatever happens meanwhile."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shellvault import files
from shellvault.errors import VaultError, WrongPassphraseError
from shellvault.sessions.model import Challenge
from shellvault.sessions.passphrase import ask_new
from shellvault.vault.file import FileKeyring
from tests.vault.conftest import CHEAP, PASSPHRASE, never_asked

NEW = "another battery of horses"
ROUNDS = int(os.environ.get("SHELLVAULT_KILL_ROUNDS", "8"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "vault.shellvault"
    opened(place).set_password("s", "a", "1")
    return place


def opened(path: Path, passphrase: str = PASSPHRASE, unlock_key: bytes | None = None) -> FileKeyring:
    return FileKeyring(path, never_asked, passphrase, unlock_key, CHEAP)


def change(path: Path, old: str = PASSPHRASE, new: str = NEW) -> None:
    opened(path, old).change_passphrase(lambda place: new)


def test_the_new_one_opens_and_the_old_one_does_not(path: Path) -> None:
    change(path)
    assert opened(path, NEW).get_password("s", "a") == "1"
    with pytest.raises(WrongPassphraseError):
        opened(path).get_password("s", "a")


def test_the_old_one_is_asked_for_even_where_the_vault_is_open(path: Path) -> None:
    first = opened(path)
    first.unlock()
    asked: list[str | None] = []

    def ask(new: bool, problem: str | None, place: Path) -> str:
        asked.append(problem)
        return "wrong"

    keyring = FileKeyring(path, ask, None, first.unlock_key, CHEAP)
    before = path.read_bytes()
    with pytest.raises(WrongPassphraseError):
        keyring.change_passphrase(lambda place: NEW)
    assert (len(asked), path.read_bytes()) == (3, before)


def test_what_the_agent_has_kept_opens_nothing_any_more(path: Path) -> None:
    first = opened(path)
    first.unlock()
    change(path)
    with pytest.raises(WrongPassphraseError):
        opened(path, PASSPHRASE, first.unlock_key).get_password("s", "a")


def test_what_was_written_meanwhile_is_kept(path: Path) -> None:
    def meanwhile(place: Path) -> str:
        opened(place).set_password("s", "b", "2")
        return NEW

    opened(path).change_passphrase(meanwhile)
    assert [opened(path, NEW).get_password("s", name) for name in "ab"] == ["1", "2"]


def test_of_two_changes_at_once_one_counts(path: Path) -> None:
    def meanwhile(place: Path) -> str:
        change(place, new="the first of the two")
        return NEW

    with pytest.raises(VaultError, match="nothing was changed"):
        opened(path).change_passphrase(meanwhile)
    assert opened(path, "the first of the two").get_password("s", "a") == "1"


def test_a_write_that_fails_leaves_the_old_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring, before = opened(path), path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files, "replace", full)
        with pytest.raises(VaultError, match="free some space"):
            keyring.change_passphrase(lambda place: NEW)
    assert path.read_bytes() == before
    assert keyring.get_password("s", "a") == "1"


def test_without_a_file_there_is_nothing_to_change(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="there is no vault"):
        change(tmp_path / "none")


CHANGING = """
import sys
from pathlib import Path
from shellvault.vault import sealed
from shellvault.vault.file import FileKeyring
path, old, new = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
cost = sealed.Cost(8 * 4, 1, 4)
print("ready", flush=True)
while True:
    FileKeyring(path, lambda *_: "", old, None, cost).change_passphrase(lambda place: new)
    old, new = new, old
"""


def test_a_change_that_is_killed_leaves_one_of_the_two(path: Path) -> None:
    for round_ in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-c", CHANGING, str(path), PASSPHRASE, NEW], stdout=subprocess.PIPE
        )
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.002 + 0.013 * round_)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
        for passphrase in (PASSPHRASE, NEW):
            try:
                assert opened(path, passphrase).get_password("s", "a") == "1"
                break
            except WrongPassphraseError:
                continue
        else:
            pytest.fail("neither opens it")
        if passphrase == NEW:
            change(path, NEW, PASSPHRASE)


def _write(path: Path, first: int) -> None:
    for number in range(first, first + 8):
        for passphrase in (PASSPHRASE, NEW) * 40:
            try:
                opened(path, passphrase).set_password("s", str(number), "x")
                break
            except WrongPassphraseError:
                continue


def test_concurrent_writers_lose_nothing(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, first)) for first in (100, 200)]
    for writer in writers:
        writer.start()
    old, new = PASSPHRASE, NEW
    while any(writer.is_alive() for writer in writers):
        change(path, old, new)
        old, new = new, old
        time.sleep(0.02)
    for writer in writers:
        writer.join()
    names = set(opened(path, old).names("s"))
    assert names == {"a", *(str(first + more) for first in (100, 200) for more in range(8))}


class Typist:
    """Answers questions from a list, and notes questions and remarks."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.messages = list(answers), list[str]()

    def ask(self, challenge: Challenge, withdrawn: int | None = None) -> str:
        assert challenge.hidden
        return self.answers.pop(0)

    def tell(self, message: str) -> None:
        self.messages.append(message)


@pytest.mark.parametrize(
    ("typed", "taken", "messages"),
    [
        ((NEW, NEW), NEW, []),
        (("short", NEW, NEW), NEW, ["that passphrase is weak: it has 5 characters, and should have 12"]),
        (("short", "short"), "short", ["that passphrase is weak: it has 5 characters, and should have 12"]),
        (("a" * 16, NEW, NEW), NEW, ["that passphrase is weak: it is the same text again and again"]),
        (("", NEW, NEW), NEW, ["a passphrase cannot be empty"]),
    ],
)
def test_a_weak_one_is_said_before_it_is_set(typed: tuple[str, ...], taken: str, messages: list[str]) -> None:
    typist = Typist(*typed)
    assert ask_new(typist, Path("/x"), "changed-passphrase") == taken  # type: ignore[arg-type]
    assert typist.messages == messages
    assert typist.answers == []


def test_two_that_differ_are_not_taken() -> None:
    with pytest.raises(VaultError, match="differ"):
        ask_new(Typist(NEW, f"{NEW}!"), Path("/x"), "new-passphrase")  # type: ignore[arg-type]
