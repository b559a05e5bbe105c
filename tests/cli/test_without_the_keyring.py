"""What is known without the keyring is shown where it is locked, silent or not there, with one line that says so."""

import json
from pathlib import Path

import pytest

from shellvault.cli import main, provider
from shellvault.client import agent
from shellvault.errors import NeedsPersonError, ShellvaultError, VaultError
from shellvault.protocol import Message

IN_ONE_HOUR = 2**31 - 1
CONFIG = """\
[profile work]
region = eu-central-1

[profile role]
source_profile = work
role_arn = arn:aws:iam::123456789012:role/x
"""


@pytest.fixture(params=[VaultError("the keyring is locked"), NeedsPersonError("the passphrase is needed")])
def problem(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> ShellvaultError:
    """Why the vault of a home with a profile, stored keys and a session in the agent cannot be read."""

    def operate(operation: Message) -> Message:
        raise request.param

    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("AWS_CONFIG_FILE", "SHELLVAULT_NO_AGENT", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text(CONFIG)
    (tmp_path / "shellvault").mkdir()
    (tmp_path / "shellvault/names").write_text("work\nother\n")
    session = {"profile": "role", "expires_at": IN_ONE_HOUR, "users": []}
    monkeypatch.setattr(agent, "status", lambda _: {"sessions": [session], "steps": {}})
    monkeypatch.setattr(provider, "vault_operations", lambda *_, **__: operate)
    error: ShellvaultError = request.param
    return error


#: Each command that shows something of the vault, and what it shows without it.
SHOWN = {
    "list": ("work", "other", "role", "unknown", "agent"),
    "list --json": ('"work"', '"other"', '"role"', '"agent"'),
    "list --credentials": ("work\nother\n",),
    "list --sessions": ("role\n",),
    "why role": ("assume-role", "the agent holds the session"),
    "why role --format json": ('"agent"',),
}


@pytest.mark.parametrize("command", SHOWN)
def test_what_is_known_is_shown_and_one_line_says_what_is_not(
    problem: ShellvaultError, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(command.split()) == 1
    shown = capsys.readouterr()
    assert shown.err == f"shellvault: error: {problem}\n"
    assert not [part for part in SHOWN[command] if part not in shown.out], shown.out


def test_unknown_keys_differ_from_none(problem: ShellvaultError, capsys: pytest.CaptureFixture[str]) -> None:
    main.run(["list", "--json"])
    rows = {row["name"]: row["access_key_id"] for row in json.loads(capsys.readouterr().out)}
    assert rows == {"work": "", "role": None, "other": ""}
