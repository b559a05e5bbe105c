"""Helper programs of the user: what they get, what they may answer, and how they are bounded."""

import json
import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from shellvault.errors import SessionError
from shellvault.plan.steps import Process, SessionToken, WebIdentity
from shellvault.sessions import processes
from shellvault.sessions.model import Helper, HelperKind, Session

NOW = 1_000_000_000.0
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
GOOD = {"Version": 1, "AccessKeyId": "ASIA1", "SecretAccessKey": "secret"}


def _answer(reply: object) -> Session:
    command = shlex.join(["printf", "%s", reply if isinstance(reply, str) else json.dumps(reply)])
    return _run(command)


def _run(command: str) -> Session:
    step = Process("work", command=command)
    return processes.credential_process(step, _here, NOW)


def _here(kind: HelperKind, command: str, directory: str = "/", **environment: str) -> bytes:
    """Runs a helper program of profile `work` in this process."""
    return processes.run_helper(Helper(kind, "work", command), ENVIRONMENT | environment, directory)


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_process_may_give_a_session() -> None:
    reply = GOOD | {"SessionToken": "token", "Expiration": "2001-09-09T02:46:40Z"}
    assert _answer(reply) == Session("ASIA1", "secret", "token", int(NOW), 1_000_003_600)


def test_a_process_may_give_keys_that_do_not_expire() -> None:
    assert _answer(GOOD) == Session("ASIA1", "secret", None, int(NOW), None)


@pytest.mark.parametrize(
    "time",
    [
        "2001-09-09T04:46:40+02:00",
        "2001-09-09T02:46:40.5Z",
        "2001-09-09T02:46:40UTC",
        "2001-09-09 02:46:40 UTC",
        "Sun, 09 Sep 2001 02:46:40 GMT",
        "Sun, 09 Sep 2001 04:46:40 +0200",
    ],
)
def test_an_expiry_is_read_in_every_form_that_boto3_reads(time: str) -> None:
    from botocore.utils import parse_timestamp

    assert _answer(GOOD | {"Expiration": time}).expires_at == 1_000_003_600
    assert int(parse_timestamp(time).timestamp()) == 1_000_003_600


def test_an_empty_token_is_none_and_unknown_members_are_ignored() -> None:
    reply = GOOD | {"SessionToken": "", "Comment": ["x"]}
    assert _answer(reply) == Session("ASIA1", "secret", None, int(NOW), None)


def test_the_account_that_a_process_names_is_kept_if_valid() -> None:
    assert _answer(GOOD | {"AccountId": "123456789012"}).account_id == "123456789012"
    assert _answer(GOOD | {"AccountId": "mine"}).account_id is None


def test_a_program_runs_in_the_folder_of_the_command_that_asked(tmp_path: Path) -> None:
    (tmp_path / "helper").write_text('#!/bin/sh\nprintf %s "$PWD $1"\n')
    (tmp_path / "helper").chmod(0o755)
    assert _here("credential_process", "./helper a", str(tmp_path)) == f"{tmp_path} a".encode()
    assert _here("mfa_process", "./helper b", str(tmp_path)) == f"{tmp_path} b".encode()


def test_a_tilde_in_a_program_s_name_is_the_home(tmp_path: Path) -> None:
    (tmp_path / "helper").symlink_to("/bin/echo")
    assert _here("credential_process", "~/helper ~/x", HOME=str(tmp_path)) == b"~/x\n"


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "no json",
        "[]",
        "[" * 100_000,
        {"Version": 2},
        {"Version": 1},
        GOOD | {"Version": "1"},
        GOOD | {"AccessKeyId": "AKIA\n1"},
        GOOD | {"AccessKeyId": 1},
        GOOD | {"AccessKeyId": "A" * 200},
        GOOD | {"SecretAccessKey": ""},
        GOOD | {"SecretAccessKey": "ümlaut"},
        GOOD | {"SessionToken": "two words"},
        GOOD | {"Expiration": "2001-09-09T02:46:40"},
        GOOD | {"Expiration": "soon"},
        GOOD | {"Expiration": 1_000_003_600},
        GOOD | {"Expiration": "1999-01-01T00:00:00Z"},
    ],
    ids=lambda reply: str(reply)[:60],
)
def test_any_other_answer_is_one_line_without_secrets(reply: object) -> None:
    with pytest.raises(SessionError) as raised:
        _answer(reply)
    assert "profile work" in str(raised.value)
    assert str(raised.value).isprintable()
    assert "secret" not in str(raised.value).replace("secret access key", "")


def test_the_command_is_split_like_a_shells_without_a_shell() -> None:
    reply = GOOD | {"SecretAccessKey": "$HOME;id"}
    assert _answer(reply).secret_access_key == "$HOME;id"


@pytest.mark.parametrize("command", ["unbalanced '", "/does/not/exist", "", "/", "a\0b"])
def test_a_command_that_cannot_run_is_an_error(command: str) -> None:
    with pytest.raises(SessionError, match="correct"):
        _run(command)


def test_a_failure_shows_its_status_and_last_line() -> None:
    with pytest.raises(SessionError, match=r"failed with status 3, run it by hand: it is .x1b\[31mbroken"):
        _run(shlex.join(["sh", "-c", "echo first >&2; printf 'it is \\033[31mbroken\\n' >&2; exit 3"]))


def test_a_process_that_hangs_is_ended() -> None:
    start = time.monotonic()
    with pytest.raises(SessionError, match="did not end within 0 s"):
        processes.run(["sleep", "60"], "it", ENVIRONMENT, deadline=0.2)
    assert time.monotonic() - start < 5


def test_a_process_that_prints_without_end_is_ended() -> None:
    with pytest.raises(SessionError, match="printed more than 262144 bytes"):
        processes.run(["yes"], "it", ENVIRONMENT)


def test_a_child_that_a_process_leaves_behind_holds_nothing_up() -> None:
    start = time.monotonic()
    assert processes.run("sleep 4 & echo $! ; echo done", "it", ENVIRONMENT).endswith(b"done\n")
    assert time.monotonic() - start < 3.5


def test_a_process_reads_nothing_of_ours() -> None:
    assert processes.run(["cat"], "it", ENVIRONMENT) == b""


def test_a_token_is_read_from_a_file_and_trimmed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("  eyJ0.token\n")
    step = WebIdentity("web", duration=900, token_file=str(tmp_path / "token"))
    assert processes.web_identity_token(step, _here) == "eyJ0.token"


def test_a_token_is_read_from_a_shell_command_and_trimmed() -> None:
    step = WebIdentity("web", duration=900, token_process="echo eyJ0.$((1+1))")
    assert processes.web_identity_token(step, _here) == "eyJ0.2"


@pytest.mark.parametrize("content", ["", "abc", "two\nlines", "x" * 20_001, "ünicode"])
def test_a_file_without_a_token_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    step = WebIdentity("web", duration=900, token_file=str(tmp_path / "token"))
    with pytest.raises(SessionError, match="web_identity_token_file of profile web gave no token"):
        processes.web_identity_token(step, _here)


def test_a_missing_token_file_is_an_error(tmp_path: Path) -> None:
    step = WebIdentity("web", duration=900, token_file=str(tmp_path / "none"))
    with pytest.raises(SessionError, match=r"cannot read .*No such file"):
        processes.web_identity_token(step, _here)


def test_a_code_process_may_ask_on_the_terminal() -> None:
    pid, terminal = os.forkpty()
    if pid == 0:  # pragma: no cover - runs in the child
        step = SessionToken("work", duration=900, mfa_process="printf 'Touch: ' >&2; read code; echo $code")
        code = processes.mfa_code(step, _here)
        os._exit(0 if code == "123456" else 1)
    shown = b""
    while b"Touch: " not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, b"123456\n")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
