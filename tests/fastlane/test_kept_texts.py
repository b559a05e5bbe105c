"""`init SHELL` and `env --leave`, from the texts that the full command line has kept for this version."""

import os
from pathlib import Path

import pytest

from shellvault import __version__
from tests.fastlane.agent_stand_in import StandIn
from tests.fastlane.conftest import Lane

TEXT = b"text of init\n\xff"


def keep(lane: Lane, what: str, *, version: str = __version__, text: bytes = b"") -> Path:
    path = Path(lane.environment["HOME"], ".local", "state", "shellvault", what, f"bash-{version}")
    path.parent.mkdir(parents=True)
    path.write_bytes(text or text_of(lane))
    path.chmod(0o600)
    return path


def text_of(lane: Lane) -> bytes:
    """A kept text names the installation that it belongs to."""
    return TEXT + str(lane.script).encode()


def test_init_prints_the_kept_text(lane: Lane) -> None:
    keep(lane, "init")
    done = lane.run("init", "bash")

    assert (done.returncode, done.stdout, done.stderr) == (0, text_of(lane), b"")


def test_a_text_of_another_installation_is_a_miss(lane: Lane) -> None:
    keep(lane, "init", text=TEXT)

    assert lane.misses("init", "bash")


def test_a_missing_hook_is_a_miss(lane: Lane, agent: StandIn) -> None:
    Path(lane.environment["HOME"], ".local", "state", "shellvault", "hook", f"bash-{__version__}").unlink()

    assert lane.misses("env", "work", "--shell", "bash")


def test_leaving_prints_the_kept_text(lane: Lane) -> None:
    keep(lane, "leave")

    assert lane.run("env", "--leave", "--shell", "bash").stdout == text_of(lane)
    assert lane.misses("env", "--leave", "--shell", "bash", "work")
    assert lane.misses("env", "--leave", "--shell", "zsh")


def test_the_text_of_another_version_is_not_printed(lane: Lane) -> None:
    keep(lane, "init", version="0")
    assert lane.misses("init", "bash")


def test_options_change_the_text(lane: Lane) -> None:
    keep(lane, "init")
    assert lane.misses("init", "bash", "--no-prompt")


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_text_that_others_may_have_written_is_not_printed(lane: Lane, mode: int) -> None:
    keep(lane, "init").chmod(mode)
    assert lane.misses("init", "bash")


def test_a_text_that_somebody_else_owns_is_not_printed(lane: Lane) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to be two users")
    os.chown(keep(lane, "init"), 65534, 65534)
    assert lane.misses("init", "bash")


def test_a_folder_in_its_place_is_a_miss(lane: Lane) -> None:
    keep(lane, "init").unlink()
    Path(lane.environment["HOME"], ".local", "state", "shellvault", "init", f"bash-{__version__}").mkdir()
    assert lane.misses("init", "bash")
