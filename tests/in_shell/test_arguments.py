"""Wrappers, shims and the function pass on exactly what the program would have got."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from shellvault import locations
from shellvault.shells import init, shims
from tests.in_shell.conftest import Open, enter
from tests.in_shell.stand_in import FastLane, path_with, show_arguments, write_program

pytestmark = pytest.mark.real

#: Forms that each shell reads in its own way; what counts is that wrapper, function and program are given the same.
FORMS = (
    "s3 ls",
    "''",
    '""',
    "'' a '' b ''",
    "-- a b",
    "a -- b -- c",
    "-- --",
    "--query Reservations",
    "--query 'Reservations[].{A:B,C:D}'",
    "--filters Name=tag:x,Values=a,b",
    "a,b ,c",
    "-t:5 -t: 5",
    "012345 1.10 1e3 5kb 0x10 1_000 +1 .5",
    "'*' \"*\"",
    "*",
    "~ ~/x",
    "'~' '~/x'",
    "'@x' @x",
    "'a b' \"c d\"",
    '"it\'s" \'say "x"\'',
    "'back\\slash' '\\\\'",
    "'two\nlines'",
    "ünïcödé '日本' '🔑'",
    "-1 -0 -",
    "--a=b --c='d e' --f=",
    "'$HOME' \"$HOME\"",
    "'`x`' '$(touch touched)'",
    "'a;b' 'a|b' 'a&b' 'a>b'",
    "'#x' x#y",
    "'%s' '%%' '!!' 'x!y'",
    "-e -n -E --help",
    "-Debug -Verbose -ErrorAction Stop",
    "'\t' ' '",
    "--no-profile --profiles x --profile-name=y",
    "-- --profile not-an-option",
    "'smart ‘ quote'",
)


Shown = tuple[list[str], str, str]


def all_shown(path: Path, count: int) -> list[Shown]:
    """What `count` runs of the program were given: arguments, input, AWS_VAULT. Waits for them."""
    deadline = time.monotonic() + 20
    while not path.exists() or path.read_bytes().count(b"\2") < count:
        assert time.monotonic() < deadline, f"{count} runs of the program were not seen"
        time.sleep(0.02)
    records = [record.split("\1") for record in path.read_bytes().decode().split("\2")[:-1]]
    path.unlink()
    assert len(records) == count
    return [(arguments.split("\0"), given, vault) for arguments, given, vault in records]


def shown(path: Path) -> Shown:
    """What one run of the program was given."""
    return all_shown(path, 1)[0]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the program writes what it was given."""
    return tmp_path / "shown"


@pytest.mark.parametrize("profile", ["", "work"])
def test_every_form_reaches_the_program_unchanged(
    shell: str, opened: Open, place: Path, lane: FastLane, profile: str
) -> None:
    variables = {"AWS_PROFILE": profile} if profile else {}
    terminal = opened(shell, options=init.InitOptions(), **variables)
    # Smart quotes are quotes in PowerShell, and `@x` is the variable x.
    forms = [form for form in FORMS if shell != "powershell" or not ("\u2018" in form or "@x" in form)]
    script = terminal.home.parent / ("script.ps1" if shell == "powershell" else "script")
    (terminal.home / "a file").touch()
    empty = "" if shell == "powershell" else " </dev/null"
    lines = [
        f"{program} {form}{empty}"
        for form in forms
        for program in ("show-arguments", "aws", "shellvault show")
    ]
    script.write_text("\n".join(lines) + "\n")
    terminal.run(f". {script}")
    given = all_shown(place, len(lines))
    for form, direct, wrapper, function in zip(forms, given[0::3], given[1::3], given[2::3], strict=True):
        assert wrapper == direct, f"wrapper: {form}"
        assert function == direct, f"function: {form}"
    asked = sum(call[0] == "wrap" for call in lane.calls())
    # An alias cannot look at the command line, so PowerShell always asks.
    asks = [form for form in forms if profile or shell == "powershell" or "--prof" in form]
    assert asked == len(asks)


@pytest.mark.parametrize("is_there", [True, False], ids=["shellvault", "shellvault has gone"])
def test_every_form_passes_a_shim_unchanged(
    is_there: bool, tmp_path: Path, lane: FastLane, programs: Path, place: Path
) -> None:
    folder = tmp_path / "shims"
    folder.mkdir()
    shims.add(folder, "aws")
    if not is_there:
        lane.script.unlink()
    environment = {"PATH": f"{folder}:{path_with(programs)}", "SHOWN": str(place), "HOME": str(tmp_path)}
    lines = [f"{program} {form}" for form in FORMS for program in ("show-arguments", "aws")]
    script = tmp_path / "script"
    script.write_text("\n".join(lines) + "\n")
    subprocess.run(
        ["bash", str(script)],
        env=environment,
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
        check=False,
        timeout=60,
    )
    given = all_shown(place, len(lines))
    for form, direct, shim in zip(FORMS, given[0::2], given[1::2], strict=True):
        assert shim == direct, form


#: What follows `exec work -- show-arguments` in PowerShell, and what the program gets.
BEHIND_DASHES = (
    ("-o:json -p:80", ["-o:json", "-p:80"]),
    ("-o:$x -p:\"$x y\" -q:'it''s'", ["-o:a b", "-p:a b y", "-q:it's"]),
    ("-o:a,b -p: c -q:1.10", ["-o:a,b", "-p:", "c", "-q:1.10"]),
)


@pytest.mark.parametrize(("typed", "arguments"), BEHIND_DASHES)
def test_powershell_keeps_one_word_one_word_behind_dashes(
    opened: Open, place: Path, typed: str, arguments: list[str]
) -> None:
    terminal = opened("powershell", options=init.InitOptions())
    terminal.run(f"$x = 'a b'; shellvault exec work -- show-arguments {typed}")
    assert shown(place)[0] == arguments


def test_a_failure_is_a_status_in_powershell_and_no_exception(opened: Open, lane: FastLane) -> None:
    terminal = opened("powershell", options=init.InitOptions())
    for verb in ("env", "why"):
        lane.answers(verb, "", 3)
    for line in ("shellvault use work", "shellvault why work", "'x' | shellvault why work"):
        assert terminal.printed(f'{line}; "$? $LASTEXITCODE"') == "False 3", line
        assert terminal.printed(f"{line} && 'on'") == "", line
        assert terminal.printed(f"{line} || 'or'") == "or", line
    lane.answers("why", "", 0)
    assert terminal.printed('shellvault why work; "$? $LASTEXITCODE"') == "True 0"


#: What is typed, and whether shellvault is asked about it where nothing else names a profile.
QUESTIONS = (
    ("s3 ls", False),
    ("s3 ls --profile other x", True),
    ("s3 ls --profile=other x", True),
    ("--p other s3", True),
    ("--page-size 5 s3", False),
    ("", False),
    ("--profile", True),
)


def test_shellvault_is_asked_only_where_a_profile_is_in_play(
    shell: str, opened: Open, lane: FastLane, place: Path, now: int
) -> None:
    if shell == "powershell":
        pytest.skip("an alias cannot look at the command line")
    terminal = opened(shell, options=init.InitOptions())
    for typed, asked in QUESTIONS:
        before = len(lane.calls())
        terminal.run(f"aws {typed}")
        assert ["wrap" in call for call in lane.calls()[before:]] == [True] * asked, typed
        shown(place)
    enter(terminal, lane, refresh_at=now + 900, expires_at=now + 3000)
    before = len(lane.calls())
    terminal.run("aws s3")
    assert lane.calls()[before:] == []
    enter(terminal, lane, refresh_at=now + 900, expires_at=now - 1)
    terminal.run("aws s3")
    assert lane.calls()[-1] == ["wrap", "aws", "s3"]


def test_the_environment_reaches_the_program_unchanged(shell: str, opened: Open, tmp_path: Path) -> None:
    """Also variables that have the name of one that a wrapper might use."""
    names = ("argument", "given", "kept", "name", "program", "state", "status_", "value", "word", "words")
    typed = {name: f"mine-{name}" for name in names} | {"AWS_PROFILE": "work", "_SAME": "x"}
    terminal = opened(shell, options=init.InitOptions(), **typed)
    for program in ("aws", "show-environment"):
        write_program(
            tmp_path / "programs" / program, f'#!/bin/sh\nenv | grep -v ^_= | sort >"$HOME/{program}"\n'
        )
        terminal.run(f"{program} x")
    aws, itself = ((terminal.home / name).read_text() for name in ("aws", "show-environment"))
    assert "mine-program" in aws
    assert aws == itself


def test_a_program_that_is_not_there_is_the_shells_to_tell(shell: str, opened: Open, programs: Path) -> None:
    if shell == "powershell":
        pytest.skip("there the alias is found, and its script tells")
    (programs / "aws").unlink()
    terminal = opened(
        shell,
        options=init.InitOptions(),
        AWS_PROFILE="work",
        PATH=f"{programs}:/usr/bin:/bin",
    )
    terminal.run("aws x")
    assert "aws" in terminal.screen and "shellvault: error" not in terminal.screen


def test_status_and_input_pass_through(shell: str, opened: Open, place: Path) -> None:
    terminal = opened(shell, options=init.InitOptions())
    status = terminal.home / "status"
    if shell == "powershell":
        terminal.run(f"'some input' | aws x; [IO.File]::WriteAllText('{status}', $LASTEXITCODE)")
    else:
        terminal.run(f"echo some input | aws x; echo {'$status' if shell == 'fish' else '$?'} >{status}")
    assert shown(place)[:2] == (["x"], "some input\n")
    assert status.read_text().strip() == "7"


@pytest.mark.parametrize("is_there", [True, False], ids=["shellvault", "shellvault has gone"])
def test_a_shim_never_finds_itself(
    is_there: bool, tmp_path: Path, programs: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_there:
        monkeypatch.setattr(locations, "DOOR", tmp_path / "gone")
    first, second, third = tmp_path / "one", tmp_path / "two", tmp_path / "three"
    for folder in (first, second, third):
        folder.mkdir()
    path = shims.add(first, "aws")
    (second / "aws").symlink_to(path)
    (third / "aws").write_bytes(path.read_bytes())
    (third / "aws").chmod(0o755)
    environment = {
        "PATH": f"{first}::{second}:{third}:{path_with(programs)}",
        "SHOWN": str(place),
        "HOME": str(tmp_path),
    }
    for start in (first, second, third):
        subprocess.run(
            [str(start / "aws"), "x"],
            env=environment,
            stdin=subprocess.DEVNULL,
            cwd=first,
            check=False,
            timeout=20,
        )
        assert shown(place)[0] == ["x"]
    environment["PATH"] = f"{first}:{second}:{third}:/usr/bin:/bin"
    alone = subprocess.run(
        [str(path)], env=environment, capture_output=True, check=False, timeout=20, text=True
    )
    assert (alone.returncode, alone.stderr.count("\n")) == (127, 1)


def test_a_shim_names_its_own_profile(tmp_path: Path, lane: FastLane, programs: Path, place: Path) -> None:
    folder = tmp_path / "shims"
    folder.mkdir()
    profile = 'it\'s "mine" $(touch touched)'
    path = shims.add(folder, "aws", profile)
    subprocess.run(
        [str(path), "x"],
        env={"PATH": path_with(programs), "SHOWN": str(place), "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
        check=False,
        timeout=20,
    )
    assert lane.calls() == [["wrap", "--default", profile, "aws", "x"]]
    assert not (tmp_path / "touched").exists()


def test_a_signal_reaches_the_program_behind_a_shim(tmp_path: Path, lane: FastLane) -> None:
    folder, real = tmp_path / "shims", tmp_path / "real"
    folder.mkdir()
    show_arguments(real, "aws").write_text(
        "#!/bin/sh\ntrap 'exit 42' TERM\n: >\"$READY\"\nwhile :; do sleep 0.05; done\n"
    )
    path = shims.add(folder, "aws")
    ready = tmp_path / "ready"
    running = subprocess.Popen(
        [str(path)], env={"PATH": f"{folder}:{real}:{os.environ['PATH']}", "READY": str(ready)}
    )
    while not ready.exists():
        time.sleep(0.02)
    running.send_signal(signal.SIGTERM)
    assert running.wait(20) == 42


def test_only_names_of_programs_become_shims(tmp_path: Path) -> None:
    for name in ("../aws", "a b", "", "-x", "a/b", "a$(x)"):
        with pytest.raises(Exception, match="not the name of a program"):
            shims.add(tmp_path, name)
    (tmp_path / "aws").write_text("mine")
    with pytest.raises(Exception, match="not a shim of ours"):
        shims.add(tmp_path, "aws")
