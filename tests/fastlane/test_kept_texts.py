"""`init SHELL` and `env --leave`, from the texts that the full command line has kept for this version."""

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shellvault import __version__, files
from shellvault.fastlane.commands import kept_name
from tests.fastlane.agent_stand_in import StandIn
from tests.fastlane.conftest import Lane, belonging_to

TEXT = b"text of init\n\xff"


def keep(
    lane: Lane, what: str, *, version: str = __version__, options: str = "", content: bytes | None = None
) -> Path:
    inode = lane.script.stat().st_ino
    name = f"bash-{version}-{inode}{options}"
    path = Path(lane.environment["HOME"], ".local", "state", "shellvault", what, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(belonging_to(lane.script, TEXT) if content is None else content)
    path.chmod(0o600)
    return path


def test_init_prints_the_kept_text(lane: Lane) -> None:
    keep(lane, "init")
    done = lane.run("init", "bash")

    assert (done.returncode, done.stdout, done.stderr) == (0, TEXT, b"")


def test_every_path_to_an_installation_finds_its_text(lane: Lane) -> None:
    keep(lane, "init")
    link = lane.directory / "a link"
    link.symlink_to(lane.script.parents[1])
    for script in (
        link / "shellvault" / "__main__.py",
        lane.script.parents[1] / ".." / lane.script.parents[1].name / "shellvault" / "__main__.py",
    ):
        assert replace(lane, script=script).run("init", "bash").stdout == TEXT


def test_two_installations_in_turns_have_a_text_each(lane: Lane, tmp_path: Path) -> None:
    other = shutil.copytree(lane.script.parent, tmp_path / "other" / "shellvault") / "__main__.py"
    both = [lane, replace(lane, script=other)]
    for installed in both:
        keep(installed, "init", content=belonging_to(installed.script, str(installed.script).encode()))
    for installed in both * 2:
        assert installed.run("init", "bash").stdout == str(installed.script).encode()


@pytest.mark.parametrize(
    ("script", "python"), [("elsewhere.py", "python"), ("gone.py", "python"), ("script", "elsewhere.py")]
)
def test_a_text_of_another_installation_is_a_miss(lane: Lane, script: str, python: str) -> None:
    (lane.directory / "elsewhere.py").touch()
    places = {"script": lane.script, "python": Path(sys.executable)}
    script_path, python_path = (places.get(name, lane.directory / name) for name in (script, python))
    keep(lane, "init", content=belonging_to(script_path, TEXT, str(python_path)))

    assert lane.misses("init", "bash")


@pytest.mark.parametrize("place", ["", "elsewhere"])
def test_a_text_of_other_settings_is_a_miss(lane: Lane, place: str) -> None:
    folder = Path(lane.environment["HOME"], place or ".config")
    if place:
        lane.environment["XDG_CONFIG_HOME"] = str(folder)
    settings = folder / "shellvault" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("production = []\n")
    keep(lane, "init")
    assert lane.misses("init", "bash")
    stamp = " ".join(map(str, files.stamp(str(settings)) or ())).encode()
    keep(lane, "init", content=belonging_to(lane.script, TEXT, settings=stamp))
    assert lane.run("init", "bash").stdout == TEXT
    files.replace(settings, b"production = []\n", 0o600)
    assert lane.misses("init", "bash")
    settings.unlink()
    assert lane.misses("init", "bash")


@pytest.mark.parametrize("content", [b"", TEXT, b"\0\0" + TEXT, b"\0\0\0" + TEXT, b"a\0" + TEXT])
def test_a_text_that_says_of_no_installation_is_a_miss(lane: Lane, content: bytes) -> None:
    keep(lane, "init", content=content)

    assert lane.misses("init", "bash")


def test_a_missing_hook_is_a_miss(lane: Lane, agent: StandIn) -> None:
    Path(
        lane.environment["HOME"],
        ".local",
        "state",
        "shellvault",
        "hook",
        kept_name("bash", str(lane.script), []),
    ).unlink()

    assert lane.misses("env", "work", "--shell", "bash")


def test_leaving_prints_the_kept_text(lane: Lane) -> None:
    keep(lane, "leave")

    assert lane.run("env", "--leave", "--shell", "bash").stdout == TEXT
    assert lane.misses("env", "--leave", "--shell", "bash", "work")
    assert lane.misses("env", "--leave", "--shell", "zsh")


def test_the_text_of_another_version_is_not_printed(lane: Lane) -> None:
    keep(lane, "init", version="0")
    assert lane.misses("init", "bash")


def test_options_change_the_text(lane: Lane) -> None:
    keep(lane, "init")
    assert lane.misses("init", "bash", "--no-prompt")
    keep(lane, "init", options=" --no-prompt --wrap terraform")
    assert lane.run("init", "bash", "--no-prompt", "--wrap", "terraform").stdout == TEXT


def test_no_option_leads_out_of_the_folder(lane: Lane) -> None:
    keep(lane, "hook", options=" x")
    keep(lane, "init", options=" ").unlink()
    assert lane.misses("init", "bash", f"/../../hook/bash-{__version__}", "x")


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_text_that_others_may_have_written_is_not_printed(lane: Lane, mode: int) -> None:
    keep(lane, "init").chmod(mode)
    assert lane.misses("init", "bash")


def test_another_users_text_is_not_printed(lane: Lane) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to be two users")
    os.chown(keep(lane, "init"), 65534, 65534)
    assert lane.misses("init", "bash")


def test_a_folder_in_its_place_is_a_miss(lane: Lane) -> None:
    keep(lane, "init").unlink()
    Path(
        lane.environment["HOME"],
        ".local",
        "state",
        "shellvault",
        "init",
        kept_name("bash", str(lane.script), []),
    ).mkdir()
    assert lane.misses("init", "bash")
