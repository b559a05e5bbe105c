"""However a command fails whose output a shell evaluates, nothing behind `&&` runs with the session from before."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shellvault.cli import main
from shellvault.fastlane import failing
from shellvault.fastlane.request import encode
from tests.shells.running import PROGRAMS
from tests.support.home import Home
from tests.support.installation import Installation

#: How a user of each shell evaluates what a command prints, and then deploys.
FORMS = {
    "bash": ('eval "$({})" && deploy {}',),
    "zsh": ('eval "$({})" && deploy {}',),
    "sh": ('eval "$({})" && deploy {}',),
    "fish": ("{} | source; and deploy {}",),
    "powershell": (
        "{} | Out-String | Invoke-Expression && deploy {}",
        "Invoke-Expression (& {} | Out-String) && deploy {}",
    ),
}
SHELLS = {**PROGRAMS, "sh": ("sh",)}

#: Command lines that fail whatever the home is like. `work` has no keys there.
COMMAND_LINES = [
    "env --bogus work",
    "env work extra",
    "env work --region",
    "env --shell tcsh work",
    "env --duration never work",
    "env nowhere",
    "env work --policy /nowhere",
    "env -s work --no-agent",
    "envv work",
    "--bogus env work",
    "use work",
    "leave extra",
    "init --bogus",
    "init tcsh",
    "init --install --uninstall",
    "init --cmd=a;b",
    "--completion-script-tcsh",
    "refresh",
    "refresh SHELL 1",
    "export --format export-env nowhere",
    "export nowhere --format=fish",
]


#: Each shell both ways if asked for; else one shell both ways, since what differs comes before the shell.
ALL = os.environ.get("SHELLVAULT_TESTS_ALL_FAILURES") == "1"


def ways(usual: str) -> pytest.MarkDecorator:
    """Runs a test in each shell, by the agent and alone, or as `usual`."""
    both = [
        (way, shell)
        for way in ("alone", "agent")
        for shell in FORMS
        if ALL or shell == "bash" or way == usual
    ]
    return pytest.mark.parametrize(("failing_home", "shell"), both, indirect=["failing_home"])


@pytest.fixture
def failing_home(home: Home, request: pytest.FixtureRequest) -> Iterator[Home]:
    """A home with a profile that has no keys, a `deploy`, and a session from before in the environment."""
    home.write_config("[profile work]\nregion = eu-central-1\n[profile slow]\ncredential_process = sleep 3\n")
    programs = home.path / "programs"
    programs.mkdir()
    (programs / "deploy").write_text('#!/bin/sh\necho "deployed after $*"\n')
    (programs / "deploy").chmod(0o755)
    home.environment.update(
        {
            "PATH": f"{programs}:{home.environment['PATH']}",
            "AWS_ACCESS_KEY_ID": "ASIABEFORE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_VAULT": "before",
        }
    )
    if request.param == "agent":
        del home.environment["SHELLVAULT_NO_AGENT"]
    yield home


def deployed(home: Home, shell: str, *commands: str, extra: str = "") -> list[str]:
    """What was deployed after these commands, evaluated one after another by `shell`, and after the `extra` lines."""
    lines = [
        form.format(command.replace("SHELL", shell), f"'{command}'")
        for command in commands
        for form in FORMS[shell]
    ]
    file = home.path / f"steps{'.ps1' if shell == 'powershell' else ''}"
    file.write_text("\n".join([*lines, extra]) + "\n")
    done = home.run(*SHELLS[shell], str(file), timeout=110)
    return [line for line in done.stdout.splitlines() if line.startswith("deployed")]


def need(shell: str) -> None:
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"needs {SHELLS[shell][0]}")


@pytest.mark.real
@ways("alone")
def test_nothing_is_deployed_after_a_wrong_command_line(failing_home: Home, shell: str) -> None:
    need(shell)
    commands = [f"shellvault {line}" for line in COMMAND_LINES if ";" not in line or shell != "powershell"]
    commands = [command.replace("a;b", "'a;b'") for command in commands]
    assert deployed(failing_home, shell, *commands) == []


@pytest.mark.real
@ways("agent")
def test_nothing_is_deployed_where_the_place_is_at_fault(failing_home: Home, shell: str) -> None:
    need(shell)
    bad = failing_home.path / "bad"
    bad.mkdir()
    gone = failing_home.path / "gone"
    (bad / "config").write_text("[profile work\n")
    around = {
        "removed": f'mkdir {gone}; cd {gone}; rmdir {gone}; exec "$@"',
        "closed-stderr": 'exec "$@" 2>&-',
        "full-stderr": 'exec "$@" 2>/dev/full',
        "gone-reader": '{ sleep 0.1; "$@"; } 2>&1 >&3 | true',
        "no-config": f'AWS_CONFIG_FILE={bad}/config exec "$@"',
        "no-settings": f'XDG_CONFIG_HOME={bad} exec "$@"',
        "no-home": 'HOME=/nowhere XDG_STATE_HOME=/dev/full exec "$@"',
        "locked": 'env -u SHELLVAULT_FILE_PASSPHRASE "$@"',
        "ended": 'timeout 1 "$@"',
        "hung-up": 'timeout --signal=HUP 1 "$@"',
        "interrupted": 'timeout --signal=INT 1 "$@"',
        "killed-agent": '{ sleep 1; shellvault agent stop; } >/dev/null 2>&1 & exec "$@"',
    }
    (bad / "shellvault").mkdir()
    (bad / "shellvault" / "config.toml").write_text("[[[")
    commands = []
    for name, text in around.items():
        script = failing_home.path / "programs" / name
        # Behind a program that is no shell, as `timeout` is.
        script.write_text(f"#!/bin/sh\n{'exec 3>&1; ' if '>&3' in text else ''}{text}\n")
        script.chmod(0o755)
        profile = "slow" if "timeout" in text or "agent" in text else "work"
        commands += [f"{name} shellvault env --shell {'bash' if shell == 'sh' else shell} {profile}"]
        commands += [f"{name} shellvault envv work"]
    assert deployed(failing_home, shell, *commands) == []


#: How the function is set up and used, and what is deployed after it.
FUNCTION = {
    "bash": 'eval "$(shellvault init bash)"\nshellvault use killed && deploy use',
    "zsh": 'eval "$(shellvault init zsh)"\nshellvault use killed && deploy use',
    "fish": "shellvault init fish | source\nshellvault use killed; and deploy use",
    "powershell": (
        "Invoke-Expression (& shellvault init powershell | Out-String)\nshellvault use killed && deploy use"
    ),
    "sh": "",
}
#: A `credential_process` during which the agent's worker is killed, or without an agent the command itself.
KILLER = """\
import os, signal, sys
def parent(pid):
    return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
def words(pid):
    return open(f"/proc/{pid}/cmdline").read().split(chr(0))
ours = [int(pid) for pid in os.listdir("/proc") if pid.isdecimal() and os.stat("/proc/" + pid).st_uid == os.getuid()]
def children(pid):
    return [each for each in ours if os.path.exists(f"/proc/{each}/stat") and parent(each) == pid]
victims = []
for pid in ours:
    try:
        if any(word.startswith(os.environ["XDG_RUNTIME_DIR"]) for word in words(pid)):
            victims += children(pid)
    except OSError:
        pass
if sys.argv[2] == "alone":
    victims = [os.getppid()]
    while not any(word.endswith("__main__.py") for word in words(victims[0])):
        victims = [parent(victims[0])]
with open(sys.argv[1], "a") as killed:
    print(*victims, file=killed)
for pid in victims:
    os.kill(pid, signal.SIGKILL)
sys.exit(1)
"""


@pytest.mark.real
@ways("agent")
def test_nothing_is_deployed_where_a_worker_is_killed(failing_home: Home, shell: str) -> None:
    need(shell)
    home = failing_home
    has_agent = "SHELLVAULT_NO_AGENT" not in home.environment
    (home.path / "killer.py").write_text(KILLER)
    mode = "agent" if has_agent else "alone"
    program = f"{sys.executable} -I {home.path}/killer.py {home.path}/killed {mode}"
    home.write_config(f"[profile killed]\ncredential_process = {program}\n")
    home.environment["SHELLVAULT_REQUEST"] = encode("killed", {}, home.environment, str(home.path))
    # A command that is itself killed prints nothing, which only the function notices.
    commands = ["shellvault env killed"] if has_agent else []
    assert deployed(home, shell, *commands, "shellvault refresh SHELL 1", extra=FUNCTION[shell]) == []
    if commands or FUNCTION[shell]:
        assert any(line.strip() for line in (home.path / "killed").read_text().splitlines())


DAMAGE = {
    "no package": ["sh", "-c", 'rm -r "$(readlink package)"'],
    "no fast lane": ["rm", "-r", "package/fastlane"],
    "no command line": ["rm", "-r", "package/cli"],
    "an empty door": ["truncate", "-s", "0", "package/__main__.py"],
    "half a module": ["sh", "-c", "echo 'def (' >package/fastlane/connection.py"],
    "another half": ["sh", "-c", "echo 'raise ValueError(1)' >package/cli/commands/env.py"],
    "no library": ["sh", "-c", "echo 'raise ImportError(1)' >package/errors.py"],
    "no interpreter": ["sh", "-c", "rm bin/python*"],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_nothing_is_deployed_by_a_damaged_installation(
    home: Home, installation: Installation, tmp_path: Path, damage: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(installation.environment, copy, symlinks=True)
    (copy / "package").symlink_to(copy / installation.package.relative_to(installation.environment))
    subprocess.run(DAMAGE[damage], cwd=copy, check=True)
    command = copy / "bin" / "shellvault"
    for line in ("env work", "init bash"):
        for shell in ("bash", "sh"):
            done = home.run(shell, "-c", f'eval "$({command} {line})" && echo deployed')
            assert (done.stdout, done.returncode != 0) == ("", True), (line, shell, done.stderr)
            assert "Traceback" not in done.stderr
    listed = home.run(command, "list")
    assert (listed.stdout, listed.returncode != 0) == ("", True) or damage in ("another half",)


def test_every_command_is_known_to_be_evaluated_or_not() -> None:
    commands = {*main.COMMANDS, *main.ALIASES, *main.INTERNAL, *main.FUNCTION_WORDS, "refresh"}
    assert {*failing.OTHERS, *failing.EVALUATED} == commands
    assert not {*failing.OTHERS} & {*failing.EVALUATED}


def test_the_launcher_knows_the_same_commands(tmp_path: Path) -> None:
    launcher = Path(__file__).parents[2] / "launcher" / "shellvault"
    copy = tmp_path / "bin" / "shellvault"
    copy.parent.mkdir()
    shutil.copy(launcher, copy)
    for word in (*failing.OTHERS, *failing.EVALUATED, "envv"):
        done = subprocess.run([copy, word], capture_output=True, text=True)
        assert done.stdout == ("" if word in failing.OTHERS else "false\n"), word


@pytest.mark.parametrize(
    ("line", "is_evaluated"),
    [
        ("env --bogus work", True),
        ("envv list", True),
        ("--backend file env", True),
        ("--backend file list --bogus", False),
        ("exec work -- env", False),
        ("export work --format json", False),
        ("export work --format export-env", True),
        ("", False),
        ("--backend file", True),
        ("--version", False),
    ],
)
def test_what_may_be_evaluated(line: str, is_evaluated: bool) -> None:
    assert failing.is_evaluated(line.split()) is is_evaluated


def test_a_terminal_is_shown_no_text_that_fails(home: Home) -> None:
    import pexpect

    run = pexpect.spawn(
        sys.executable,
        ["-I", str(_door()), "env", "--bogus"],
        env=home.environment,
        timeout=20,  # type: ignore[arg-type]
    )
    run.expect(pexpect.EOF)
    assert b"false" not in run.before


def _door() -> Path:
    from shellvault import locations

    return locations.DOOR


#: Lines that fail in a PowerShell with our function, and what is said of each.
REFUSED_IN_POWERSHELL = {
    "shellvault use nowhere": "nowhere",
    "shellvault exec nowhere -- env": "nowhere",
    "shellvault list --bogus": "--bogus",
    "shellvault envv work": "envv",
    "shellvault why nowhere": "nowhere",
    "'x' | shellvault remove nowhere": "nowhere",
}


@pytest.mark.real
def test_powershell_adds_no_error_of_its_own(home: Home) -> None:
    need("powershell")
    home.write_config("[profile work]\nregion = eu-central-1\n")
    lines = [
        "Invoke-Expression (& shellvault init powershell | Out-String)",
        "$PSNativeCommandUseErrorActionPreference = $true",
        "$ErrorActionPreference = 'Stop'",
        "try { & sh -c 'exit 3' } catch { 'the preference is on' }",
    ]
    for line in REFUSED_IN_POWERSHELL:
        lines += [
            f"[Console]::Error.WriteLine('=')\ntry {{ {line} }} catch {{ 'thrown' }}",
            '"status $global:LASTEXITCODE"',
        ]
    lines += ["$null = __shellvault_profiles\nprompt | Out-Null\n'done'"]
    file = home.path / "steps.ps1"
    file.write_text("\n".join(lines) + "\n")
    done = home.run(*SHELLS["powershell"], str(file), timeout=110)
    said = [part.splitlines()[1:] for part in done.stderr.split("=")]
    printed = done.stdout.splitlines()
    assert (printed[0], printed[-1]) == ("the preference is on", "done"), done
    assert "thrown" not in printed
    statuses = [line for line in printed if line.startswith("status ")]
    assert (len(statuses), "status 0" in statuses) == (len(REFUSED_IN_POWERSHELL), False)
    for words, what in zip(REFUSED_IN_POWERSHELL.values(), said[1:], strict=True):
        assert len(what) == 1 and words in what[0], what
