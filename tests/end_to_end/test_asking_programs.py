"""A program that asks by itself finds the terminal of the command that it runs for."""

import ast
import os
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

import shellvault
from shellvault import callers_terminal
from shellvault.dialogue.prompters import ProgramPrompter
from shellvault.errors import ShellvaultError
from shellvault.importing import stores
from shellvault.sessions.model import Challenge, Helper
from shellvault.sessions.processes import run_helper
from shellvault.variables import for_agent
from shellvault.vault.password_store import PasswordStoreKeyring
from tests.real_password_store import password_store
from tests.support.home import Home

#: Every function that starts a program: whether a person is asked, and by what, or why not.
STARTS = {
    ("vault/password_store.py", "_ran"): "asks",
    ("sessions/processes.py", "run"): "asks",
    ("dialogue/pinentry.py", "ask"): "asks",
    ("importing/stores.py", "_printed"): "asks",
    ("dialogue/picker.py", "_by_fzf"): "it is given the terminal itself",
    ("browser/opener.py", "_ran"): "it is kept from the terminal",
    ("dialogue/picker.py", "_can_rank"): "fzf, asked for its version",
    ("cli/program.py", "replace"): "the user's command, whose environment is its own",
    ("client/starting.py", "_spawn"): "the agent",
    ("client/starting.py", "become_agent"): "the agent",
    ("agent/approvals.py", "notify"): "notify-send, which shows a line",
    ("agent/dialogs.py", "__init__"): "a dialog on the person's own display",
    ("agent/spawning.py", "spawn"): "the worker, which gets each command's environment",
    ("agent/restart.py", "begin"): "the agent",
    ("cli/child.py", "run"): "the user's command, whose environment is its own",
    ("fastlane/starting.py", "_spawn"): "the agent",
    ("fastlane/program.py", "become"): "the user's command, whose environment is its own",
    ("servers/address.py", "_change"): "ip and ifconfig, which ask nothing",
}

_STARTERS = {
    "run",
    "Popen",
    "call",
    "check_output",
    "posix_spawn",
    "posix_spawnp",
    "execve",
    "execv",
    "execvpe",
}


def starts() -> set[tuple[str, str]]:
    """The functions of the package that start a program."""
    root = Path(shellvault.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                found |= {
                    (str(path.relative_to(root)), function.name)
                    for call in ast.walk(function)
                    if isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Attribute)
                    and call.func.attr in _STARTERS
                    and isinstance(call.func.value, ast.Name)
                    and call.func.value.id in ("subprocess", "os", "posix")
                }
    return found


def test_every_start_of_a_program_is_on_the_list() -> None:
    assert starts() == set(STARTS)


def test_the_list_of_prompt_drivers_is_tried() -> None:
    assert {place for place, how in STARTS.items() if how == "asks"} == {
        place for place, _ in ASKING.values()
    }


def _helper(kind: str) -> Callable[[dict[str, str]], object]:
    return lambda environment: run_helper(
        Helper(kind, "work", "pass show it", "", ()),  # type: ignore[arg-type]
        environment,
        "/",
    )


def _import(environment: dict[str, str]) -> object:
    folder = Path(environment["HOME"], "theirs")
    folder.mkdir()
    (folder / "it.gpg").touch()
    environment = environment | {"AWS_VAULT_PASS_PASSWORD_STORE_DIR": str(folder)}
    (found,) = stores.look_around(environment, folder / "config", ["it"], "aws-vault").found
    return found.load(lambda *_: "")


def _store(environment: dict[str, str]) -> object:
    folder = Path(environment["HOME"], "store", "shellvault")
    folder.mkdir(parents=True)
    (folder / "it.gpg").touch()
    return PasswordStoreKeyring(
        "pass", environment | {"PASSWORD_STORE_DIR": str(folder.parent)}
    ).get_password("shellvault", "it")


def _dialog(driver: str) -> Callable[[dict[str, str]], object]:
    challenge = Challenge("mfa-code", "work", "Code: ", hidden=False)
    return lambda environment: ProgramPrompter(environment, driver).ask(challenge)


#: What asks: the function that starts it, and how it is brought to do so.
ASKING: dict[str, tuple[tuple[str, str], Callable[[dict[str, str]], object]]] = {
    "pass": (("vault/password_store.py", "_ran"), _store),
    "pass of another tool": (("importing/stores.py", "_printed"), _import),
    "credential_process": (("sessions/processes.py", "run"), _helper("credential_process")),
    "mfa_process": (("sessions/processes.py", "run"), _helper("mfa_process")),
    "web_identity_token_process": (("sessions/processes.py", "run"), _helper("web_identity_token_process")),
    "pinentry": (("dialogue/pinentry.py", "ask"), _dialog("pinentry")),
    "zenity": (("sessions/processes.py", "run"), _dialog("zenity")),
}


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("given", [None, "not a tty", "/nowhere"])
def test_a_prompt_driver_finds_the_commands_terminal(
    name: str, given: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("pass", "pinentry", "zenity"):
        (programs / program).write_text(f'#!/bin/sh\nprintf %s "$GPG_TTY" >{tmp_path}/seen\necho 123456\n')
        (programs / program).chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr(callers_terminal, "name", lambda: "/dev/pts/77")
    environment = {"HOME": str(tmp_path), "PATH": path, **({"GPG_TTY": given} if given else {})}
    try:
        ASKING[name][1](environment)
    except ShellvaultError:
        assert name in ("pinentry", "pass of another tool")  # it prints neither Assuan nor an item
    assert (tmp_path / "seen").read_text() == "/dev/pts/77"


def test_a_named_terminal_stays_and_reaches_the_agent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callers_terminal, "name", lambda: "/dev/pts/77")
    assert for_agent({})["GPG_TTY"] == "/dev/pts/77"
    controller, terminal = os.openpty()
    with os.fdopen(controller), os.fdopen(terminal):
        assert for_agent({"GPG_TTY": os.ttyname(terminal)})["GPG_TTY"] == os.ttyname(terminal)


@pytest.mark.real
@pytest.mark.parametrize("agent", ["alone", "agent"])
def test_pass_asks_in_the_terminal_where_gpg_tty_is_not_set(home: Home, tmp_path: Path, agent: str) -> None:
    if agent == "agent":
        del home.environment["SHELLVAULT_NO_AGENT"]
    del home.environment["SHELLVAULT_FILE_PASSPHRASE"]
    home.write_config("[profile work]\nregion = eu-central-1\n")
    with password_store(home.environment, tmp_path, passphrase="open sesame") as there:
        home.environment.update(there, SHELLVAULT_BACKEND="pass")
        assert "GPG_TTY" not in home.environment
        keys = {"AWS_ACCESS_KEY_ID": "AKIAWORKAKIAWORKAKIA", "AWS_SECRET_ACCESS_KEY": "s" * 40}
        added = home.run("shellvault", "add", "--env", "--no-check", "work", **keys)
        assert added.returncode == 0, added.stderr
        settings = Path(there["GNUPGHOME"], "gpg-agent.conf")
        settings.write_text("pinentry-program /usr/bin/pinentry-curses\n")
        home.run("gpgconf", "--kill", "gpg-agent")
        # Neither its input nor its output is the terminal: only the session has one.
        command = "shellvault exec --no-session work -- printenv AWS_ACCESS_KEY_ID </dev/null 2>&1 | cat >out"
        shell = pexpect.spawn(
            "sh", ["-c", command], env=home.environment, cwd=str(home.path), dimensions=(24, 80), timeout=40
        )
        shell.expect("assphrase")
        shell.send("open sesame\r")
        shell.expect(pexpect.EOF)
        shell.close()
        assert (home.path / "out").read_text() == "AKIAWORKAKIAWORKAKIA\n"
