"""How command lines are read, and what a person is told when they are wrong."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from shellvault.cli import main
from shellvault.cli.commands.add import check_name
from shellvault.cli.commands.exec import command as exec_command
from shellvault.cli.program import apply
from shellvault.dialogue import prompters
from shellvault.display import printable
from shellvault.errors import UsageError
from shellvault.sessions.model import Challenge
from shellvault.shells import forms
from tests.support.home import Home


def parsed(arguments: list[str]) -> tuple[dict[str, object], list[str]]:
    context = exec_command.make_context("exec", arguments)
    return context.params, context.meta["program"]


@pytest.mark.parametrize(
    ("arguments", "name", "program"),
    [
        (["home", "--", "aws", "s3", "ls"], "home", ["aws", "s3", "ls"]),
        (["home", "aws", "s3", "ls", "--recursive"], "home", ["aws", "s3", "ls", "--recursive"]),
        (["-n", "home", "--", "aws"], "home", ["aws"]),
        (["home", "-n", "--", "aws"], "home", ["aws"]),
        (["--region", "eu-west-1", "home", "aws", "-n"], "home", ["aws", "-n"]),
        (["--region=eu-west-1", "home", "aws"], "home", ["aws"]),
        (["-d", "1h", "home", "-t", "123456", "aws"], "home", ["aws"]),
        (["--", "aws", "--", "x"], None, ["aws", "--", "x"]),
        (["home", "--", "--", "x"], "home", ["--", "x"]),
        (["home", "--", "-n"], "home", ["-n"]),
        (["home"], "home", []),
        (["home", "--", ""], "home", [""]),
    ],
)
def test_exec_tells_its_own_options_from_the_program(
    arguments: list[str], name: str | None, program: list[str]
) -> None:
    params, found = parsed(arguments)
    assert (params["name"], found) == (name, program)


def test_options_after_the_program_belong_to_the_program() -> None:
    params, program = parsed(["home", "aws", "--region", "us-east-1"])
    assert params["region"] is None
    assert program == ["aws", "--region", "us-east-1"]


def test_an_exec_answer_sets_unsets_and_withholds_the_passphrase() -> None:
    before = {
        "KEEP": "1",
        "AWS_PROFILE": "x",
        "SHELLVAULT_FILE_PASSPHRASE": "p",
        "AWS_VAULT_FILE_PASSPHRASE": "q",
    }
    change = forms.change("AWS_VAULT=a%20b%0Ac\n-AWS_PROFILE\n-NOT_THERE\n")
    assert apply(change, before) == {"KEEP": "1", "AWS_VAULT": "a b\nc"}


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["nosuch"], 2, "there is no command `shellvault nosuch`"),
        (["use", "work"], 2, "`use` is a word of the shell function"),
        (["exec", "work", "--nosuch", "--", "true"], 2, "`shellvault exec` has no option `--nosuch`"),
        (["env", "--shell", "tcsh", "work"], 2, "'tcsh' is not one of"),
        (["why", "--format", "xml", "work"], 2, "'xml' is not one of"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_two(
    arguments: list[str],
    status: int,
    told: str,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home.write_config("[profile work]\n")
    monkeypatch.setenv("HOME", str(home.path))
    assert main.run(arguments) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("shellvault: error: ")
    assert told in captured.err
    assert captured.err.count("\n") == 1


def test_an_unexpected_error_is_one_line_without_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def failing() -> None:
        raise RuntimeError("the secret is hunter2")

    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: failing)
    assert main.run(["anything"]) == 1
    told = capsys.readouterr().err
    assert "internal error: RuntimeError at test_command_line.py:" in told
    assert "hunter2" not in told
    assert "Traceback" not in told


def test_a_file_that_the_system_refuses_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def failing() -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/some\nwhere")

    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: failing)
    assert main.run(["anything"]) == 1
    said = capsys.readouterr().err
    assert said == "shellvault: error: cannot use '/some\\nwhere': Permission denied\n"


def test_control_characters_are_shown_not_obeyed() -> None:
    assert printable("a\x1b[31mb\nc\u202ed é 🙂") == "a\\x1b[31mb\\nc\\u202ed é 🙂"


def test_the_version_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from shellvault.cli.main import run\n"
        "status = run(['--version'])\n"
        "heavy = {'boto3', 'botocore', 'cryptography', 'jinja2', 'keyring', 'psutil', 'rich'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy or status else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("shellvault, version ")


def test_a_dialog_program_never_sees_the_passphrase_variables(tmp_path: Path) -> None:
    program = tmp_path / "zenity"
    program.write_text(
        '#!/bin/sh\nprintenv > "$0.environment"\nprintf "%s\\n" "$@" > "$0.arguments"\necho 123456\n'
    )
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SHELLVAULT_FILE_PASSPHRASE": "hunter2"}
    challenge = Challenge("mfa-code", "arn:aws:iam::1:mfa/me", "Enter MFA code for arn:aws:iam::1:mfa/me: ")

    assert prompters.choose("zenity", environment).ask(challenge) == "123456"
    assert "hunter2" not in (tmp_path / "zenity.environment").read_text()
    assert "--text=Enter MFA code for arn:aws:iam::1:mfa/me\n" in (tmp_path / "zenity.arguments").read_text()


def test_a_prompt_driver_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"needs the program kdialog on PATH.*there \(terminal, none\)"):
        prompters.choose("kdialog", {"PATH": "/nowhere"})
    with pytest.raises(UsageError, match=r"needs the program powershell\.exe on PATH"):
        prompters.choose("wincredui", {"PATH": "/nowhere"})
    with pytest.raises(UsageError, match="no prompt driver 'pigeon'"):
        prompters.choose("pigeon", {})


@pytest.mark.parametrize("name", ["", " ", " a", "a ", "a]b", "a\nb", "a\x1b[31m", "x" * 257])
def test_a_name_that_no_config_file_can_hold_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        check_name(name)


def test_a_reader_that_has_gone_ends_the_command_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "shellvault", "list", "--backends"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=30)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
