"""What `init` prints: every shell's own checker passes it, and it does nothing where nobody is at a prompt."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shellvault.cli import main
from shellvault.errors import ConfigError, UsageError
from shellvault.fastlane.commands import kept
from shellvault.shells import init, shims, start
from tests.in_shell.stand_in import USUAL, FastLane
from tests.support.terminal import SHELLS, program

pytestmark = pytest.mark.real

OPTIONS = (
    USUAL,
    init.InitOptions(prompt=False, wrap=()),
    init.InitOptions(completions=main.command, wrap=("aws", "terraform", "cdk"), command="sv"),
)

#: Patterns that are no patterns but text of a shell.
HOSTILE = (
    "'; touch pwned; ',\"$(touch pwned)\",`touch pwned`,a\nb,\\',${x},(touch pwned),%{$(touch pwned)%},"
    "‘; touch pwned; ’"
)

_POWERSHELL_CHECK = (
    "$errors = $null; $null = [Management.Automation.Language.Parser]::ParseFile($args[0], [ref]$null, [ref]$errors); "
    "$errors; exit $errors.Count"
)

#: What shellcheck would have otherwise, and why it is meant:
#: an array or a string in PROMPT_COMMAND (2178, 2128), word lists split on purpose (2086, 2207), `~` as a character
#: (2088), text for a person in backquotes (2016), functions that a prompt or a wrapper calls (2329, 2317), what stands
#: in quoted patterns (1003, 1112), a pattern in a variable (2053), a variable for the user's prompt (2034).
_MEANT = "SC2178,SC2128,SC2086,SC2207,SC2088,SC2016,SC2329,SC2317,SC2206,SC1003,SC1112,SC2053,SC2034"


def _check(shell: str, path: Path) -> None:
    commands = {
        "bash": [
            ["bash", "-n"],
            [str(Path(sys.executable).with_name("shellcheck")), "-s", "bash", "-e", _MEANT],
        ],
        "zsh": [["zsh", "-n"]],
        "fish": [["fish", "--no-execute"]],
        "powershell": [["pwsh", "-NoProfile", "-File", str(path.with_name("check.ps1"))]],
    }[shell]
    path.with_name("check.ps1").write_text(_POWERSHELL_CHECK)
    for command in commands:
        checked = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, ""), command


@pytest.mark.parametrize("options", OPTIONS, ids=("default", "bare", "more"))
def test_the_text_passes_the_shells_own_check(shell: str, options: init.InitOptions, tmp_path: Path) -> None:
    path = tmp_path / ("text.ps1" if shell == "powershell" else "text")
    path.write_text(init.render_init(shell, options, tmp_path))
    _check(shell, path)


@pytest.mark.parametrize("patterns", ["", "live-*", HOSTILE], ids=("none", "one", "hostile"))
def test_the_text_with_patterns_passes_the_shells_own_check(
    shell: str, patterns: str, tmp_path: Path
) -> None:
    path = tmp_path / ("text.ps1" if shell == "powershell" else "text")
    path.write_text(init.render_init(shell, USUAL, tmp_path, patterns))
    _check(shell, path)


def test_the_hook_alone_passes_the_shells_own_check(shell: str, tmp_path: Path) -> None:
    path = tmp_path / ("text.ps1" if shell == "powershell" else "text")
    path.write_text(init.hook_text(shell))
    _check(shell, path)


def test_a_shim_passes_the_check_of_a_posix_shell(tmp_path: Path) -> None:
    path = shims.add(tmp_path, "aws", "it's mine")
    shellcheck = str(Path(sys.executable).with_name("shellcheck"))
    for command in (["dash", "-n"], ["sh", "-n"], [shellcheck, "-s", "sh", "-e", "SC2209,SC2088"]):
        if shutil.which(command[0]):
            checked = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
            assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("shell", "strict"),
    [
        *((shell, "") for shell in SHELLS),
        ("bash", "set -eu"),
        ("bash", "set -eu; set -o posix"),
        ("zsh", "set -eu"),
    ],
    indirect=["shell"],
)
def test_a_script_may_evaluate_it_in_an_empty_environment(
    shell: str, strict: str, lane: FastLane, tmp_path: Path
) -> None:
    text = init.render_init(shell, USUAL, tmp_path) + "\n" + init.hook_text(shell)
    path = tmp_path / ("text.ps1" if shell == "powershell" else "text")
    path.write_text(f"{strict}\n{text}\necho 'the end'\n")
    ran = subprocess.run(
        [
            "env",
            "-i",
            str(program(shell)),
            *(["-NoProfile", "-File"] if shell == "powershell" else []),
            str(path),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "the end\n", "")


@pytest.mark.parametrize("options", [USUAL, init.InitOptions(False, None, ("aws", "cdk"), "sv")])
def test_the_text_is_kept_where_the_fast_lane_looks(
    shell: str, options: init.InitOptions, tmp_path: Path
) -> None:
    environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    text = init.init_text(shell, options, environment)

    assert kept("init", shell, environment, init.init_words(options)) == text.encode()


def test_the_hook_is_kept_where_the_fast_lane_looks(shell: str, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    assert init.kept_hook_text(shell, environment) == init.hook_text(shell)
    assert kept("hook", shell, environment) == init.hook_text(shell).encode()


def test_a_settings_change_replaces_what_is_kept(shell: str, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    settings = tmp_path / ".config" / "shellvault" / "config.toml"
    settings.parent.mkdir(parents=True)
    init.init_text(shell, USUAL, environment)
    init.kept_hook_text(shell, environment)
    init.kept_leave_text(shell, environment)
    for patterns in ('["live-*"]', "[]"):
        settings.write_text(f"production = {patterns}\n")
        for what, make in (
            ("init", lambda: init.init_text(shell, USUAL, environment)),
            ("hook", lambda: init.kept_hook_text(shell, environment)),
            ("leave", lambda: init.kept_leave_text(shell, environment)),
        ):
            words = init.init_words(USUAL) if what == "init" else []
            assert kept(what, shell, environment, words) is None
            text = make()
            assert kept(what, shell, environment, words) == text.encode()
            assert what == "leave" or ("live-*" in text) == ("live" in patterns)


#: Every text that is kept, by the folder that it is kept in.
KEPT = {
    "init": lambda shell, environment: init.init_text(shell, USUAL, environment),
    "hook": init.kept_hook_text,
    "leave": init.kept_leave_text,
    "help": lambda shell, environment: init.keep_help(80, [shell], "text", environment),
    "start": lambda shell, environment: start.start_text(shell, USUAL, sys.executable, environment),
}


@pytest.mark.parametrize("what", KEPT)
def test_old_texts_are_removed_some_day(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (init, start):
        monkeypatch.setattr(module, "MOST_KEPT", 3)
    environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    folder = tmp_path / "state" / "shellvault" / what
    KEPT[what]("zsh", environment)
    (first,) = folder.iterdir()
    for number in range(5):
        (folder / f"old-{number}").write_text("")
    KEPT[what]("bash", environment)
    left = {path.name for path in folder.iterdir()}
    assert len(left) == 3
    assert {"old-3", "old-4"} < left
    assert first.name not in left


def test_every_folder_of_kept_texts_is_held_to_that() -> None:
    fastlane = Path(init.__file__).parents[1] / "fastlane" / "commands.py"
    assert {*re.findall(r'kept\("(\w+)"', fastlane.read_text("utf-8")), start.FOLDER} == set(KEPT)


def test_unreadable_settings_are_reported(tmp_path: Path) -> None:
    settings = tmp_path / ".config" / "shellvault" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("production = 3\n")
    with pytest.raises(ConfigError, match="production must be patterns"):
        init.init_text("bash", USUAL, {"HOME": str(tmp_path)})


def test_the_text_holds_neither_times_nor_secrets(shell: str, tmp_path: Path) -> None:
    assert init.render_init(shell, USUAL, tmp_path) == init.render_init(shell, USUAL, tmp_path)


@pytest.mark.parametrize("name", ["", "a b", "$(x)", "a;b", "-x", "a\nb", "a/b", "'"])
def test_only_names_become_functions(name: str, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    with pytest.raises(UsageError, match="cannot be a function's name"):
        init.init_text("bash", init.InitOptions(command=name), environment)
    with pytest.raises(UsageError, match="cannot be a function's name"):
        init.init_text("bash", init.InitOptions(wrap=(name,)), environment)
