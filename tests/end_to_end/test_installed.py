"""What a user installs: the wheel, whatever its place is called and however the command is reached."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Person, settle
from tests.fastlane.conftest import FULL_COMMAND_LINE
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.installation import ROOT, Installation
from tests.support.sts_front import StsFront
from tests.support.terminal import SHELLS

pytestmark = pytest.mark.real


def test_the_wheel_holds_every_template(installation: Installation) -> None:
    with zipfile.ZipFile(installation.wheel) as archive:
        packed = {name.removeprefix("shellvault/templates/") for name in archive.namelist()}
    for folder in ("shells", "completions"):
        templates = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.jinja")}
        assert templates, f"no template in {folder}"
        assert templates <= packed


def test_the_manual_page_is_where_man_looks_for_it(installation: Installation) -> None:
    page = installation.environment / "share" / "man" / "man1" / "shellvault.1"
    assert page.read_bytes() == (ROOT / "docs" / "shellvault.1").read_bytes()


def test_the_installed_command_knows_nothing_of_the_checkout(
    person: Person, installation: Installation
) -> None:
    where = "import shellvault; print(shellvault.__file__)"
    package = person.home.run(str(installation.python), "-c", where).stdout
    assert package.startswith(str(installation.environment))
    for what in (("init", "bash"), ("env", "work", "--shell", "bash")):
        text = person.home.succeed(*what)
        assert str(installation.package / "__main__.py") in text
        assert str(ROOT) not in text


@pytest.mark.parametrize("shell", SHELLS)
def test_the_installed_command_serves_every_shell(person: Person, shell: str) -> None:
    assert "AWS_SESSION_TOKEN" in person.home.succeed("env", "work", "--shell", shell)
    assert "AWS_SESSION_TOKEN" in person.home.succeed("env", "--leave", "--shell", shell)


@pytest.fixture
def copy(installation: Installation, tmp_path: Path) -> Installation:
    """An installation of this test's own."""
    return Installation(Path(shutil.copytree(installation.folder, tmp_path / "copy", symlinks=True)))


@pytest.fixture
def served(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person with an agent."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    return settle(home, aws, front)


def ways(copy: Installation, home: Home) -> Iterator[str]:
    """The command as people's shells come to it."""
    yield str(copy.command)
    yield str(copy.programs / "shellvault")
    yield str(copy.environment / ".." / copy.environment.name / "bin" / "shellvault")
    yield os.path.relpath(copy.command, home.path)
    link = home.path / "verknüpft"
    link.symlink_to(copy.programs / "shellvault")
    yield str(link)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_way_to_a_warm_command_takes_the_fast_lane(
    served: Person, copy: Installation, shell: str
) -> None:
    """What the full command line has kept is served when the full command line is there no more."""
    commands = (
        ["env", "work", "--shell", shell],
        ["env", "--leave", "--shell", shell],
        ["init", shell],
        ["init", shell, "--no-prompt", "--wrap", "terraform"],
        ["exec", "work", "--", "printenv", "AWS_VAULT"],
        ["export", "work", "--format", "json"],
    )
    first = [served.home.run(str(copy.command), *command) for command in commands]
    assert [done.returncode for done in first] == [0] * len(commands)
    (copy.package / "cli" / "door.py").write_text(FULL_COMMAND_LINE)

    for way in ways(copy, served.home):
        for command, full in zip(commands, first, strict=True):
            fast = served.home.run(way, *command)
            assert (fast.returncode, fast.stdout, fast.stderr) == (0, full.stdout, "")


def test_a_python_that_is_gone_is_one_line(home: Home, copy: Installation) -> None:
    """Another interpreter of its name on PATH has not what shellvault needs."""
    copy.python.unlink()
    copy.python.symlink_to("/gone/python")
    home.environment["PATH"] = f"{copy.programs}:{Path(os.__file__).parents[2] / 'bin'}:{os.environ['PATH']}"
    for command in ("--version", "list"):
        assert str(copy.python) in home.fail(command)


def test_a_python_that_has_become_another_is_one_line(home: Home, copy: Installation) -> None:
    """After an upgrade of the system, `python3.11` of the environment leads to `python3`, which is a 3.12."""
    library = copy.package.parents[1]
    library.rename(library.with_name("python3.10"))
    copy.python.rename(copy.python.with_name("python3.10"))
    home.environment["PATH"] = f"{copy.programs}:{os.environ['PATH']}"

    assert "python3.10" in home.fail("list")
