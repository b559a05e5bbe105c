"""`shellvault config`: each setting, its value, and where that comes from."""

import json
import os
from pathlib import Path

import pytest

from shellvault.cli import main

CONFIG = """\
[default]
region = eu-central-1
[profile work]
mfa_serial = arn:aws:iam::123456789012:mfa/me
shellvault_duration = 2h
shellvault_brwoser = firefox
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a config file, and an environment of its own."""
    monkeypatch.setattr(os, "environ", {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "TERM": "dumb"})
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    (tmp_path / ".config" / "shellvault").mkdir(parents=True)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, tuple[str, str]]:
    assert main.run(["config", "--json", *arguments]) == 0
    return {row["setting"]: (row["value"], row["comes_from"]) for row in json.loads(capsys.readouterr().out)}


def test_what_is_not_set_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(capsys)
    assert found["confirm"][1] == found["prompt"][1] == found["export_token"][1] == "default"


def test_a_variable_beats_the_file_and_the_file_the_default(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / ".config" / "shellvault" / "config.toml"
    file.write_text(
        'backend = "file"\nsession_backend = "agent"\nlock_on = ["suspend"]\nprompt = "zenity"\n'
        'confirm = "always"\ndevice_code = true\nexport_token = false\n'
        'browser = "firefox"\nproduction = ["live-*", "*-core"]\n[browsers]\ncorp = "chromium"\n'
        '[callers]\ncoding-agent = "read-only"\n'
    )
    os.environ["AWS_VAULT_PROMPT"] = "ykman"
    os.environ["SHELLVAULT_BROWSER"] = "none"
    os.environ["SHELLVAULT_UNLOCK_TTL"] = "30m"
    assert shown(capsys) == {
        "backend": ("file", str(file)),
        "confirm": ("always", str(file)),
        "session_backend": ("agent", str(file)),
        "prompt": ("ykman", "AWS_VAULT_PROMPT"),
        "browser": ("none", "SHELLVAULT_BROWSER"),
        "device_code": ("true", str(file)),
        "export_token": ("false", str(file)),
        "insecure_endpoint": ("false", "default"),
        "unlock_ttl": ("30m", "SHELLVAULT_UNLOCK_TTL"),
        "lock_on": ("suspend", str(file)),
        "quiet": ("false", "default"),
        "notice": ("none", "default"),
        "production": ("live-*,*-core", str(file)),
        "callers": ("coding-agent=read-only", str(file)),
        "coding_agents": ("the known ones", "default"),
        "marks": (
            "name {user}+{program}+{run}, SourceIdentity {user}, tags actor program reason",
            "default",
        ),
        "secrets": ("the known ones", "default"),
        "dialogs": ("true", "default"),
        "history": ("true", "default"),
        "browsers.corp": ("chromium", str(file)),
    }


def test_the_variable_beats_the_patterns_of_the_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys)["production"] == ("a word prod or production in the name", "default")
    file = home / ".config" / "shellvault" / "config.toml"
    file.write_text("production = []\n")
    assert shown(capsys)["production"] == ("none", str(file))
    os.environ["SHELLVAULT_PRODUCTION"] = "live-*"
    assert shown(capsys)["production"] == ("live-*", "SHELLVAULT_PRODUCTION")


def test_keys_of_another_version_are_noted_once_and_stop_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / ".config" / "shellvault" / "config.toml"

    def said() -> list[str]:
        assert main.run(["list"]) == 0
        told = capsys.readouterr().err.splitlines()
        return [line for line in told if "config.toml" in line and "is no setting" in line]

    os.environ["SHELLVAULT_NO_AGENT"] = "1"
    file.write_text('backend = "file"\ncolour = "\\u001b[2J"\n"\\u001b[2Jx" = 1\n[future]\nkey = 1\n')
    first = said()
    assert [line.partition(" is no setting")[0] for line in first] == [
        f"shellvault: {file}: colour",
        f"shellvault: {file}: \\x1b[2Jx",
        f"shellvault: {file}: future",
    ]
    assert said() == []
    # What is known counts all the same.
    assert shown(capsys)["backend"] == ("file", str(file))
    file.write_text('backend = "file"\nfuture = 2\n')
    assert len(said()) == 1
    assert said() == []


def test_config_shows_unknown_settings_each_time(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".config" / "shellvault" / "config.toml").write_text("future = 2\n")
    for command in (["config"], ["config"], ["doctor", "--offline"]):
        main.run(command)
        printed = capsys.readouterr()
        assert "future is no setting of this shellvault" in printed.err + printed.out


def test_a_profile_names_file_and_line_or_the_variable(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shown(capsys, "work")
    config = home / ".aws" / "config"
    assert found["region"] == ("eu-central-1", f"{config}:2")
    assert found["shellvault_duration"] == ("2h", f"{config}:5")
    os.environ["SHELLVAULT_DURATION"] = "3h"
    assert shown(capsys, "work")["shellvault_duration"] == ("3h", "SHELLVAULT_DURATION")


def test_a_profile_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["config", "wrok"]) == 2
    assert "did you mean work?" in capsys.readouterr().err


def test_a_driver_of_the_settings_asks(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".config" / "shellvault" / "config.toml").write_text('backend = "file"\nprompt = "pigeon"\n')
    assert main.run(["list"]) == 2
    assert "no prompt driver 'pigeon'" in capsys.readouterr().err
