"""Scripts for the four real shells: the same steps, each in its own language."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shellvault.shells import HOOKED, SHELLS
from shellvault.shells.quote import quote
from shellvault.variables import MANAGED_VARIABLES, Change

PROGRAMS = {
    "bash": ("bash", "--norc", "--noprofile"),
    "zsh": ("zsh", "-f"),
    "fish": ("fish",),
    "powershell": ("pwsh", "-NoProfile", "-File"),
    "sh": ("sh",),
}

#: Prints how a variable is declared, and succeeds.
_DECLARATION = {
    "bash": "builtin declare -p {} 2>/dev/null || :",
    "zsh": "builtin typeset -p {} 2>/dev/null || :",
    "fish": "set --show {}",
    "powershell": "\"{} $([Environment]::GetEnvironmentVariable('{}'))\"",
    "sh": "command printf '%s\\n' \"{} ${{}-unset}\"",
}

#: Prints what else a snippet might leave behind: variables, options, functions.
_NOTES = {
    "bash": "compgen -v __shellvault || :\nbuiltin set +o\nshopt -p || :\nbuiltin declare -F",
    "zsh": "builtin typeset -m '__shellvault*'\nbuiltin set -o\nbuiltin print -l ${(ok)functions}",
    "fish": "set --names | string match '__shellvault*'\nfunctions --names --all\ntrue",
    "powershell": "foreach ($it in '__shellvault', 'session') { if (Test-Path Variable:$it) { $it } }",
    "sh": "set | grep ^__shellvault || :\necho $-",
}


def real_shell(shell: str, *values: object) -> object:
    """A test parameter: the shell, skipped by name where its program is not on PATH."""
    program = PROGRAMS[shell][0]
    missing = pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}")
    return pytest.param(shell, *values, marks=[pytest.mark.real, missing])


REAL_SHELLS = [real_shell(shell) for shell in SHELLS]
HOOKED_SHELLS = [real_shell(shell) for shell in HOOKED]


@dataclass
class Script:
    """Steps for one shell, run in one process; what was dumped on the way is read afterwards."""

    shell: str
    folder: Path
    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Adds a line in the shell's own language."""
        self.lines.append(line)

    def evaluate(self, snippet: str) -> None:
        """Evaluates a snippet the documented way, from the standard output of a command."""
        path = self._file(snippet)
        forms = {"fish": f"cat {path} | source", "powershell": f"cat {path} | Out-String | Invoke-Expression"}
        self.add(forms.get(self.shell, f'eval "$(cat {path})"'))

    def source(self, snippet: str) -> None:
        """Evaluates a snippet without making it a word of a command, which xtrace would print."""
        self.add(f". {self._file(snippet)}")

    def export(self, name: str, value: str) -> None:
        forms = {"fish": "set -gx {} {}", "powershell": "$env:{} = {}"}
        self.add(forms.get(self.shell, "export {}={}").format(name, quote(self.shell, value)))

    def assign(self, name: str, value: str) -> None:
        """Sets a variable that no child sees; in PowerShell, where there is no such thing, does nothing."""
        if self.shell != "powershell":
            form = "set -gu {} {}" if self.shell == "fish" else "{}={}"
            self.add(form.format(name, quote(self.shell, value)))

    def unset(self, name: str) -> None:
        forms = {"fish": "set -e {}", "powershell": "$env:{} = $null"}
        self.add(forms.get(self.shell, "unset {}").format(name))

    def dump(self, label: str) -> None:
        """Keeps the environment that a child gets at this point."""
        command = f"env -0 >{self._dump(label)}"
        self.add(f"sh -c '{command}'" if self.shell == "powershell" else command)

    def dump_state(self, label: str) -> None:
        """Keeps what only the shell knows: how each variable is declared, its options, and notes of ours."""
        lines = "\n".join(_DECLARATION[self.shell].replace("{}", name) for name in MANAGED_VARIABLES)
        forms = {"fish": "begin\n{}\nend >{}", "powershell": "& {{\n{}\n}} | Out-File -Encoding utf8 {}"}
        form = forms.get(self.shell, "{{\n{}\n}} >{}")
        self.add(form.format(f"{lines}\n{_NOTES[self.shell]}", self._dump(label)))

    def wrap_in_function(self) -> None:
        """Puts all the steps so far into a function, and calls it."""
        body = "\n".join(self.lines)
        forms = {"fish": "function steps\n{}\nend\nsteps", "powershell": "function steps {{\n{}\n}}\nsteps"}
        self.lines = [forms.get(self.shell, "steps() {{\n{}\n}}\nsteps").format(body)]

    def run(self, inherited: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs the steps with `inherited` in an otherwise bare environment."""
        path = self.folder / f"steps{'.ps1' if self.shell == 'powershell' else ''}"
        path.write_text("\n".join(self.lines) + "\n", encoding="utf-8", errors="surrogateescape")
        home = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            [*PROGRAMS[self.shell], str(path)],
            env={**home, **(inherited or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=60,
        )

    def environment(self, label: str) -> dict[str, str]:
        """The environment dumped as `label`, without what a shell changes with every command."""
        entries = self._dump(label).read_bytes().decode("utf-8", "surrogateescape").split("\0")
        pairs = dict(entry.split("=", 1) for entry in entries if entry)
        return {name: value for name, value in pairs.items() if name not in ("_", "PWD", "OLDPWD", "SHLVL")}

    def state(self, label: str) -> str:
        """The state dumped as `label`."""
        return self._dump(label).read_text(encoding="utf-8", errors="surrogateescape")

    def _dump(self, label: str) -> Path:
        return self.folder / f"{label.replace(' ', '-')}.dump"

    def _file(self, snippet: str) -> Path:
        suffix = {"powershell": ".ps1"}.get(self.shell, "")
        path = self.folder / f"snippet-{len(self.lines)}{suffix}"
        path.write_text(snippet, encoding="utf-8", errors="surrogateescape")
        return path


def session(profile: str, serial: int = 1, without: Iterable[str] = (), **settings: str) -> Change:
    """The change that a session of `profile` makes; `serial` tells its renewals apart."""
    values = {
        "AWS_ACCESS_KEY_ID": f"ASIA{profile.upper()}{serial}",
        "AWS_SECRET_ACCESS_KEY": f"secret/{profile}+{serial}",
        "AWS_SESSION_TOKEN": f"token/{profile}/{serial}==",
        "AWS_CREDENTIAL_EXPIRATION": f"2030-01-01T00:00:0{serial}Z",
        "AWS_SESSION_EXPIRATION": f"2030-01-01T00:00:0{serial}Z",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_VAULT": profile,
        "SHELLVAULT_EXPIRES_AT": str(1893456000 + serial),
        "SHELLVAULT_REFRESH_AT": str(1893455000 + serial),
        "SHELLVAULT_REQUEST": f"{profile} config=/home/me/.aws/config",
        "SHELLVAULT_REGION": "eu-central-1",
        **settings,
    }
    for name in without:
        del values[name]
    return Change(values, tuple(name for name in MANAGED_VARIABLES if name not in values))


def applied(change: Change, environment: dict[str, str]) -> dict[str, str]:
    """What `change` makes of `environment`."""
    kept = {name: value for name, value in environment.items() if name not in change.unset}
    return {**kept, **change.set}


def outcome(result: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a run."""
    return result.returncode, result.stdout, result.stderr


#: The outcome of what succeeds and prints nothing at all.
QUIET = (0, "", "")
