"""What a failed command gives to the shell that evaluates its output: a text that fails.

An empty text would succeed (POSIX.1-2017, eval), and the command after `&&` would run with the previous session. This
module is imported when a command has failed, and imports only what is always there.
"""

import posix
import sys

#: Fails in every shell but PowerShell, and prints nothing.
FAILURE = b"false\n"

#: In PowerShell a pipeline fails by its command; the text that Invoke-Expression has as an argument must itself fail.
#: No public interface makes it fail without a message.
POWERSHELL_FAILURE = b"""\
$global:LASTEXITCODE = 1; $__shellvault_part = $ExecutionContext
$__shellvault_names = '_context', 'CurrentCommandProcessor', 'CommandRuntime', 'PipelineProcessor', 'ExecutionFailed'
$__shellvault_flags = [Reflection.BindingFlags]'Instance, NonPublic, Public'
foreach ($__shellvault_name in $__shellvault_names) {
    $__shellvault_whole = $__shellvault_part
    $__shellvault_member = @($__shellvault_whole.GetType().GetMember($__shellvault_name, $__shellvault_flags))[0]
    if ($null -eq $__shellvault_member) { break }
    $__shellvault_part = $__shellvault_member.GetValue($__shellvault_whole)
}
if ($null -ne $__shellvault_member) { $__shellvault_member.SetValue($__shellvault_whole, $true) }
"""

#: The commands whose output is for a shell to evaluate; the function's words too, which may be typed without it.
EVALUATED = ("env", "init", "leave", "refresh", "use")

#: All others (`cli.main.COMMANDS`, `ALIASES`, `INTERNAL`). Their output stays as it is.
OTHERS = (
    *(
        "add",
        "agent",
        "approve",
        "clear",
        "config",
        "configure",
        "console",
        "deny",
        "doctor",
        "exec",
        "export",
        "help",
        "history",
        "import",
    ),
    *("install-process", "leases", "list", "lock", "login", "ls", "migrate-backend", "passphrase", "proxy"),
    *("remove", "requests", "revoke", "rm", "rotate"),
    *("server", "shim", "signin", "signout", "sso", "status", "unlock", "version", "whoami", "why", "wrap"),
)

#: Options that stand for commands.
ABOUT = ("-h", "--help", "-v", "--version")

#: As in `fastlane.commands`, which may be what is damaged.
SHELLS = ("bash", "fish", "powershell", "sh", "zsh")

#: How many processes are looked at for the shell.
ANCESTORS = 12

#: The formats of `export` that a shell evaluates.
EVALUATED_FORMATS = ("export-env", "fish", "powershell")


def write(arguments: list[str]) -> None:
    """Writes the text that fails to stdout, where a shell may evaluate what this command line printed."""
    try:
        # No shell evaluates a terminal's output, and a closed stdout may be another file by now.
        if sys.__stdout__ is None or posix.isatty(1) or not is_evaluated(arguments):
            return
        posix.write(1, POWERSHELL_FAILURE if _asked_by_powershell(arguments) else FAILURE)
    except OSError:
        return


def is_evaluated(arguments: list[str]) -> bool:
    """Whether a shell may evaluate the output: by the command, or by a word in its place that is none."""
    before = ""
    for word in arguments:
        if word == "export":
            return any(word.removeprefix("--format=") in EVALUATED_FORMATS for word in arguments)
        if word in (*OTHERS, *ABOUT):
            return False
        # What follows an option may be its value.
        if word in EVALUATED or not (word.startswith("-") or before.startswith("-")):
            return True
        before = word
    # Without a word the help is shown, and there is nothing to evaluate.
    return bool(arguments)


def _asked_by_powershell(arguments: list[str]) -> bool:
    """Whether the text is for PowerShell: by name, or since the nearest shell above this process is one (on Linux)."""
    named = [word.removeprefix("--shell=") for word in arguments]
    if any(name in SHELLS for name in named):
        return "powershell" in named
    pid = posix.getppid()
    for _ in range(ANCESTORS):
        try:
            name = posix.readlink(f"/proc/{pid}/exe").rpartition("/")[2]
            if name in ("bash", "fish", "pwsh", "zsh"):
                return name == "pwsh"
            # proc_pid_stat(5): behind the name in brackets stand state and ppid.
            with open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123 - pathlib is not for the fast lane
                pid = int(stat.read().rpartition(b")")[2].split()[1])
        except OSError:
            return False
    return False
