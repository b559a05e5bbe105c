"""Wrappers, shims and the function pass on exactly what the program would have got."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from shellvault.shells import init, shims
from tests.in_shell.conftest import Open, enter
from tests.in_shell.stand_in import FastLane, path_with, show_arguments

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


def test_every_form_reaches_the_program_unchanged(shell: str, opened: Open, place: Path) -> None:
    terminal = opened(shell, options=init.InitOptions(completions=False))
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


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["live", "expired", "absent"])
def test_every_form_passes_a_shim_unchanged(
    form: str, kind: str, tmp_path: Path, lane: FastLane, programs: Path, place: Path
) -> None:
    folder = tmp_path / "shims"
    folder.mkdir()
    shims.add(folder, "aws")
    times = {"live": int(time.time()) + 900, "expired": 5}
    environment = {"PATH": f"{folder}:{path_with(programs)}", "SHOWN": str(place), "HOME": str(tmp_path)}
    if kind in times:
        environment |= {
            "SHELLVAULT_REQUEST": "work x=y",
            "AWS_VAULT": "work",
            "SHELLVAULT_EXPIRES_AT": str(times[kind]),
        }
    script = f"PROGRAM {form}\n"
    results = []
    for program in ("show-arguments", "aws"):
        subprocess.run(
            ["bash", "-c", script.replace("PROGRAM", program)],
            env=environment,
            stdin=subprocess.DEVNULL,
            cwd=tmp_path,
            check=False,
        )
        results.append(shown(place))
    assert results[0] == results[1]


@pytest.fixture
def known(tmp_path: Path) -> dict[str, str]:
    """An AWS config with profiles that shellvault knows, and one whose keys are the AWS CLI's own."""
    (tmp_path / "config").write_text(
        '[default]\n[profile other]\nregion = x\n[profile "a b"]\n[profile legacy]\n[profile -n]\n'
    )
    (tmp_path / "credentials").write_text("[legacy]\naws_access_key_id = AKIALEGACY\n")
    return {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }


#: What is typed, and what runs: the profile that `exec` is asked for (None: the program itself), and its arguments.
CHOICES = (
    ("s3 ls --profile other x", "other", ["s3", "ls", "x"]),
    ("s3 ls --profile=other x", "other", ["s3", "ls", "x"]),
    ("--profile 'a b' s3", "a b", ["s3"]),
    ("--profile other other other", "other", ["other", "other"]),
    ("--profile other -- --profile other", "other", ["--", "--profile", "other"]),
    ("s3 -- --profile other", None, ["s3", "--", "--profile", "other"]),
    ("--profile nobody s3", None, ["--profile", "nobody", "s3"]),
    ("--profile=nobody s3", None, ["--profile=nobody", "s3"]),
    ("--profile legacy s3", None, ["--profile", "legacy", "s3"]),
    ("--profile '' s3", None, ["--profile", "", "s3"]),
    ("--profile -n s3", None, ["--profile", "-n", "s3"]),
    ("s3 --profile", None, ["s3", "--profile"]),
    ("--profile nobody --profile other s3", "other", ["s3"]),
)


def test_a_named_profile_is_used_and_taken_out_of_the_arguments(
    shell: str, opened: Open, lane: FastLane, place: Path, known: dict[str, str]
) -> None:
    terminal = opened(shell, options=init.InitOptions(completions=False), **known)
    for typed, profile, arguments in CHOICES:
        before = len(lane.calls())
        terminal.run(f"aws {typed}")
        assert shown(place)[0] == arguments, typed
        calls = [call for call in lane.calls()[before:] if call[0] == "exec"]
        assert [call[1] for call in calls] == ([] if profile is None else [profile]), typed


def test_a_live_session_is_used_as_it_is_unless_another_profile_is_named(
    shell: str, opened: Open, lane: FastLane, place: Path, known: dict[str, str], now: int
) -> None:
    terminal = opened(shell, options=init.InitOptions(completions=False), **known)
    enter(terminal, lane, refresh_at=now + 900, expires_at=now + 3000)
    before = len(lane.calls())
    terminal.run("aws s3")
    assert shown(place)[0] == ["s3"]
    terminal.run("aws --profile work s3")
    assert shown(place)[0] == ["s3"]
    assert lane.calls()[before:] == []
    terminal.run("aws --profile other s3")
    assert shown(place)[0] == ["s3"]
    assert [call[:2] for call in lane.calls()[before:]] == [["exec", "other"]]


def test_without_a_session_a_known_aws_profile_is_used(
    shell: str, opened: Open, lane: FastLane, place: Path, known: dict[str, str]
) -> None:
    terminal = opened(shell, options=init.InitOptions(completions=False), AWS_PROFILE="other", **known)
    terminal.run("aws s3")
    assert shown(place)[0] == ["s3"]
    assert [call[1] for call in lane.calls() if call[0] == "exec"] == ["other"]


def test_status_and_input_pass_through(shell: str, opened: Open, place: Path) -> None:
    terminal = opened(shell, options=init.InitOptions(completions=False))
    status = terminal.home / "status"
    if shell == "powershell":
        terminal.run(f"'some input' | aws x; [IO.File]::WriteAllText('{status}', $LASTEXITCODE)")
    else:
        terminal.run(f"echo some input | aws x; echo {'$status' if shell == 'fish' else '$?'} >{status}")
    assert shown(place)[:2] == (["x"], "some input\n")
    assert status.read_text().strip() == "7"


def test_a_shim_never_finds_itself(tmp_path: Path, lane: FastLane, programs: Path, place: Path) -> None:
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


def test_a_shim_takes_the_profile_of_the_environment_before_its_own(
    tmp_path: Path, lane: FastLane, programs: Path, place: Path, known: dict[str, str]
) -> None:
    folder = tmp_path / "shims"
    folder.mkdir()
    path = shims.add(folder, "aws", 'it\'s "mine" $(touch touched)')
    base = {"PATH": f"{folder}:{path_with(programs)}", "SHOWN": str(place), "HOME": str(tmp_path), **known}
    for more, profile in (
        ({}, 'it\'s "mine" $(touch touched)'),
        ({"AWS_PROFILE": "other", "AWS_DEFAULT_PROFILE": "default"}, "other"),
        ({"AWS_DEFAULT_PROFILE": "a b"}, "a b"),
        ({"AWS_PROFILE": "nobody"}, None),
        ({"AWS_ACCESS_KEY_ID": "AKIAMINE"}, None),
    ):
        before = len(lane.calls())
        subprocess.run(
            [str(path), "x"], env=base | more, stdin=subprocess.DEVNULL, cwd=tmp_path, check=False, timeout=20
        )
        assert shown(place)[0] == ["x"]
        assert [call[1] for call in lane.calls()[before:]] == ([] if profile is None else [profile])
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
