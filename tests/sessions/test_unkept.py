"""A session that cannot be kept is named, a read-only home once and not at each command."""

import errno
from pathlib import Path

import pytest

import shellvault
from shellvault.errors import VaultError
from shellvault.sessions import unkept
from shellvault.sessions.model import Prompter


class Person(Prompter):
    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, message: str) -> None:
        self.told.append(message)


def failed(number: int) -> VaultError:
    """The error of a vault that could not be written for this reason."""
    try:
        try:
            raise OSError(number, "x")
        except OSError as error:
            raise VaultError("the vault cannot be written") from error
    except VaultError as error:
        return error


@pytest.mark.parametrize(("number", "times"), [(errno.EROFS, 1), (errno.ENOSPC, 3), (errno.EACCES, 3)])
def test_a_read_only_home_is_reported_once(
    number: int, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    person = Person()
    for _ in range(3):
        unkept.tell(person, "the session", failed(number))
    assert person.told == ["the session could not be kept for later: the vault cannot be written"] * times


def test_where_nothing_can_be_noted_it_is_shown_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    person = Person()
    for _ in range(2):
        unkept.tell(person, "the session", failed(errno.EROFS))
    assert len(person.told) == 2


def test_every_place_that_keeps_something_says_it_in_this_way() -> None:
    package = Path(shellvault.__file__).parent
    saying = [path.name for path in package.rglob("*.py") if "could not be kept" in path.read_text()]
    assert saying == ["unkept.py"]
    assert not [path for path in package.rglob("*.py") if "writable; nothing was changed" in path.read_text()]
