"""Help and the version from the fast lane: what the full command line has written before, for a screen as wide."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from shellvault import __version__
from shellvault.fastlane import helping
from shellvault.fastlane.commands import kept_name
from tests.fastlane.conftest import Lane, belonging_to
from tests.support.home import Home

#: Every way to ask for help.
DOORS = (["--help"], ["-h"], ["help"], ["help", "env"], ["env", "--help"], ["exec", "-h"], ["list", "--help"])


def names(folder: Path) -> list[str]:
    """The names of kept texts, without the inode of the installation."""
    return [re.sub(r"-\d+(?= |$)", "-INODE", each.name) for each in folder.iterdir()]


@pytest.mark.parametrize("arguments", [["--version"], ["-v"], ["version"]])
def test_the_version(lane: Lane, arguments: list[str]) -> None:
    done = lane.run(*arguments)
    assert (done.returncode, done.stdout) == (0, f"shellvault, version {__version__}\n".encode())


@pytest.mark.parametrize(("given", "columns"), [("70", 70), ("", 80), ("0", 80), ("x", 80), ("999", 100)])
def test_help_is_for_a_screen_as_wide(lane: Lane, given: str, columns: int) -> None:
    folder = lane.directory / ".local" / "state" / "shellvault" / "help"
    folder.mkdir(parents=True)
    kept = folder / kept_name(str(columns), str(lane.script), ["env"])
    lane.environment["COLUMNS"] = given
    assert lane.misses("help", "env")
    kept.write_bytes(belonging_to(lane.script, b"what env does\n"))
    for arguments in (["help", "env"], ["env", "--help"], ["env", "-h"]):
        assert lane.run(*arguments).stdout == b"what env does\n"


@pytest.mark.real
@pytest.mark.parametrize("arguments", DOORS, ids=" ".join)
def test_help_is_the_same_before_and_after_it_is_kept(home: Home, arguments: list[str]) -> None:
    home.write_config("[profile work]\n")
    first, second = (home.succeed(*arguments) for _ in range(2))
    kept = home.path / ".local" / "state" / "shellvault" / "help"
    assert first == second != ""
    words = helping.words(arguments)
    assert names(kept) == [" ".join([f"80-{__version__}-INODE", *(words or [])])]


@pytest.mark.real
def test_help_without_profiles_is_not_kept(home: Home) -> None:
    assert "no profiles yet" in " ".join(home.succeed("--help").lower().split())
    home.write_config("[profile work]\n")
    assert "no profiles yet" not in " ".join(home.succeed("--help").lower().split())
    home.config_file.unlink()
    assert "no profiles yet" in " ".join(home.succeed("--help").lower().split())


@pytest.mark.real
def test_the_width_is_that_of_the_terminal(home: Home) -> None:
    reading, writing = os.openpty()
    os.set_inheritable(writing, True)
    subprocess.run(["stty", "cols", "60"], stdin=writing, check=True)
    for _ in range(2):
        done = subprocess.run(
            ["shellvault", "--version"], env=home.environment, stdout=writing, stdin=writing, check=False
        )
        assert done.returncode == 0
        subprocess.run(["shellvault", "help", "env"], env=home.environment, stdout=writing, check=True)
    os.close(writing)
    os.close(reading)
    kept = home.path / ".local" / "state" / "shellvault" / "help"
    assert names(kept) == [f"60-{__version__}-INODE env"]
