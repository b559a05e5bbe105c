"""The fast lane: a warm `env`, `exec`, `export --format json`, `refresh` or `init` for a bare start's price.

Its output equals the full command line's, byte for byte. Whatever it does not know (an option, a reply, no agent,
another user's agent) is a miss: the full command line then runs, with the same arguments. It imports no re, os,
struct or socket: each costs more than everything here. The agent: docs/protocol.md.
"""

import posix
import sys

from shellvault import __version__
from shellvault.fastlane import connection
from shellvault.fastlane.connection import read

#: Seconds that a command waits for what the agent has, and for what its worker must ask AWS for.
PEEK_PATIENCE, GET_PATIENCE = 1.0, 30.0
#: GET_PATIENCE where a person watches the terminal.
SHORT_PATIENCE = 0.7
#: Seconds that a prompt hook waits; with the interpreter's start it stays within 0.3.
HOOK_PATIENCE = 0.25

#: Bytes; no policy is longer, however it is laid out.
POLICY_FILE_LIMIT = 65536

#: The folder that holds the package.
FOLDER = __file__.rpartition("/shellvault/")[0]

#: Exit statuses of `refresh` (sysexits.h: EX_TEMPFAIL, EX_NOPERM).
NOT_READY, NEEDS_YOU = 75, 77

#: A shell's executable, and what we call the shell. A test holds these against the records of `shells`.
EXECUTABLES = {"bash": "bash", "dash": "sh", "fish": "fish", "pwsh": "powershell", "zsh": "zsh"}
SHELLS = ("bash", "fish", "powershell", "sh", "zsh")
#: Those with a hook.
HOOKED = ("bash", "fish", "powershell", "zsh")

#: PF_FORKNOEXEC in the kernel's sched.h: a copy of its parent that still runs the same program.
FORKED_ONLY = 0x40

VALUE_OPTIONS = {
    "-d": "duration",
    "--backend": "backend",
    "--duration": "duration",
    "--format": "format",
    "--min-remaining": "min-remaining",
    "--policy": "policy",
    "--policy-arn": "policy-arns",
    "--prompt": "prompt",
    "--region": "region",
    "--shell": "shell",
}
FLAGS = {
    "-n": "no-session",
    "--leave": "leave",
    "--no-hook": "no-hook",
    "--no-session": "no-session",
    "--read-only": "read-only",
}
#: What a command understands besides request.OPTIONS.
OWN_OPTIONS: dict[str, tuple[str, ...]] = {
    "env": ("leave", "no-hook", "shell"),
    "exec": (),
    "export": ("format", "prompt"),
}

#: `variables.PASSPHRASE_VARIABLES`. A test holds the two together.
PASSPHRASE_VARIABLES = ("SHELLVAULT_FILE_PASSPHRASE", "AWS_VAULT_FILE_PASSPHRASE")

Environment = dict[str, str]


def main() -> int | None:
    """Answers the command line in `sys.argv` and ends the process.

    Returns the exit status of what has failed; None on a miss, nothing written.
    """
    forget_coerced_locale()
    encoding = sys.getfilesystemencoding()
    environment = {
        name.decode(encoding, "surrogateescape"): value.decode(encoding, "surrogateescape")
        for name, value in posix.environ.items()
    }
    try:
        status = answer(sys.argv[1:], environment)
    except KeyboardInterrupt:
        posix.write(2, b"\n")
        status = 130
    if status == 0:
        # Nothing of ours is buffered, so we skip the interpreter's shutdown (0.1 F).
        posix._exit(status)
    return status


def answer(arguments: list[str], environment: Environment) -> int | None:
    """Does what the command line asks for. Returns the exit status, None on a miss; `exec` never returns."""
    command, *rest = arguments or [""]
    if command == "refresh":
        return refresh(rest, environment)
    if command == "wrap":
        return wrap(rest, environment)
    if command == "init":
        return show(kept("init", rest[0], environment, rest[1:])) if rest and rest[0] in HOOKED else None
    if arguments in (["--version"], ["-v"], ["version"]):
        return show(f"shellvault, version {__version__}\n".encode())
    if arguments[-1:] in (["--help"], ["-h"]) or command == "help":
        return show(kept_help(arguments, environment))
    if command in OWN_OPTIONS and _may_ask(environment):
        return serve(command, rest, environment)
    return None


def serve(command: str, arguments: list[str], environment: Environment) -> int | None:
    """`env`, `exec` and `export`, from the agent."""
    parsed = parse(command, arguments)
    if parsed is None:
        return None
    name, options, program = parsed
    if "policy" in options:
        policy = policy_of(options["policy"])
        if policy is None:
            return None
        options["policy"] = policy
    if command == "env":
        if posix.isatty(1):
            # The secrets would show on the terminal: the full command line says so.
            return None
        pid = shell_pid()
        shell = options.pop("shell", "") or shell_name(pid)
        if shell not in SHELLS:
            return None
        # What the agent keeps is without the hook in any case.
        brings_hook = not options.pop("no-hook", "") and shell in HOOKED
        hook = kept("hook", shell, environment) if brings_hook else b""
        if options.pop("leave", ""):
            # What is on a lease is given back, which takes the full command line.
            is_more = name or options or environment.get("SHELLVAULT_LEASED")
            return None if is_more else show(kept("leave", shell, environment))
        text = session(name, options, f"env.{shell}", pid, environment) if hook is not None else None
        text = None if text is None or hook is None else text + hook
    elif command == "export":
        form = options.pop("format", "")
        # The agent answers without a person; the full command line decides what else to ask.
        if options.pop("prompt", "none") != "none":
            return None
        text = session(name, options, form, None, environment) if form == "json" else None
    elif environment.get("SHELLVAULT_PROFILE_ENV") or environment.get("AWS_VAULT_PROFILE_ENV"):
        return None
    else:
        text = session(name, options, "exec", None, environment) if program else None
    if text is None:
        return None
    if command != "exec":
        return show(text)
    from shellvault.fastlane.program import become, changed, find, parse_change

    file, change = find(program[0], environment.get("PATH", "")), parse_change(text)
    if file is not None and change is not None:
        become(program, file, changed(environment, *change))
    return None


def wrap(arguments: list[str], environment: Environment) -> int | None:
    """`wrap [--default NAME] PROGRAM…`, which wrappers and shims start: a program, with a session where one is ours."""
    from shellvault.fastlane import wrapping
    from shellvault.fastlane.program import become, beginning, find, parse_change

    program, default = wrapping.parse(arguments)
    file = find(program[0], environment.get("PATH", ""), passes_shims=True) if program else None
    if file is None:
        return None
    try:
        choice = wrapping.choose(program, beginning(file), default, environment, folder())
    except ValueError:
        return None
    if choice is None:
        become(program, file, environment)
        return None
    change: tuple[dict[str, str], list[str]] | None = None
    if choice.is_there:
        change = {}, []
    elif _may_ask(environment):
        text = session(choice.profile, choice.narrowing, "exec", None, environment)
        change = None if text is None else parse_change(text)
    if change is not None:
        become(choice.program, file, wrapping.given(choice, *change, environment))
    return None


def parse(command: str, arguments: list[str]) -> tuple[str, dict[str, str], list[str]] | None:
    """The profile's name ("" for none), the options, the program; None for what only click may judge."""
    # Here and not above: a refresh does without.
    from shellvault.fastlane.request import OPTIONS

    program: list[str] = []
    split = command == "exec" and "--" in arguments
    if split:
        border = arguments.index("--")
        arguments, program = arguments[:border], arguments[border + 1 :]
    name = ""
    options: dict[str, str] = {}
    index = 0
    while index < len(arguments):
        word = arguments[index]
        if word.startswith("-"):
            taken = option_at(arguments, index)
            if taken is None:
                return None
            option, value, index = taken
            if option in options or not (option in OPTIONS or option in OWN_OPTIONS[command]):
                return None
            options[option] = value
        elif not name:
            if not word:
                return None
            name, index = word, index + 1
        elif command == "exec" and not split:
            return name, options, arguments[index:]
        else:
            return None
    return name, options, program


def option_at(arguments: list[str], index: int) -> tuple[str, str, int] | None:
    """The option that stands at `index`, its value, and where the next word stands; None if unknown."""
    word = arguments[index]
    if word in FLAGS:
        return FLAGS[word], "1", index + 1
    if word in VALUE_OPTIONS and index + 1 < len(arguments):
        option, value, end = VALUE_OPTIONS[word], arguments[index + 1], index + 2
    elif word.startswith("--") and "=" in word:
        word, _, value = word.partition("=")
        option, end = VALUE_OPTIONS.get(word, ""), index + 1
    else:
        return None
    # An empty value, or one that looks like an option, is probably a mistake: the full command line says so.
    return (option, value, end) if option and value and not value.startswith("-") else None


def policy_of(path: str) -> str | None:
    """The policy of `--policy FILE` as a request has it; None for what only the full command line may read or judge."""
    from shellvault.fastlane.request import policy_text

    try:
        # S_IFREG, of stat.h. A pipe can be read once.
        is_regular = posix.stat(path).st_mode & 0o170000 == 0o100000
        return policy_text(read(path, limit=POLICY_FILE_LIMIT)) if is_regular else None
    except (OSError, ValueError):
        return None


def session(
    name: str, options: dict[str, str], form: str, pid: int | None, environment: Environment
) -> bytes | None:
    """A session as the agent has it, or as its worker gets it without a person; None on a miss."""
    from shellvault.fastlane.request import encode

    name = name or environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE") or ""
    if not name:
        return None
    try:
        key = encode(name, options, environment, folder())
    except ValueError:
        return None
    # Asked twice, to distinguish an agent that hangs from one whose worker is busy.
    status, text = connection.ask(environment, "peek", form, pid, key, PEEK_PATIENCE)
    if status == connection.ABSENT:
        from shellvault.fastlane import starting

        if not starting.start(environment) or has_passphrase(environment):
            # The full command line gives the passphrase to the agent, or says what is wrong with it.
            return None
        status = "wait"
    if status in ("miss", "wait"):
        # On a terminal the full command line joins the wait and shows its reason.
        patience = SHORT_PATIENCE if posix.isatty(2) else GET_PATIENCE
        status, text = connection.ask(environment, "get", form, pid, key, patience)
    return text if status == "ok" else None


def has_passphrase(environment: Environment) -> bool:
    """Whether the environment holds a passphrase for the vault."""
    return any(environment.get(name) for name in PASSPHRASE_VARIABLES)


def refresh(arguments: list[str], environment: Environment) -> int | None:
    """The prompt hook's question: SHELLVAULT_REQUEST again, for the shell with this pid. Always silent."""
    if len(arguments) != 2 or arguments[0] not in HOOKED or not arguments[1].isdecimal():
        return None
    shell, pid = arguments
    key = environment.get("SHELLVAULT_REQUEST", "")
    if not (key and key.isascii() and key.isprintable() and _may_ask(environment)):
        return NOT_READY
    status, text = connection.ask(environment, "peek", f"refresh.{shell}", int(pid), key, HOOK_PATIENCE)
    if status == "ok":
        return show(text)
    if status == connection.ABSENT:
        from shellvault.fastlane import starting

        # The hook asks again later.
        starting.begin(environment)
    return NEEDS_YOU if status == "needs-you" else NOT_READY


def folder() -> str:
    """The current folder, "" where it has been removed (as in `shellvault.here`)."""
    try:
        return posix.getcwd()
    except OSError:
        return ""


def _may_ask(environment: Environment) -> bool:
    """Whether an agent may be used, and is not itself waiting for this command."""
    return not environment.get("SHELLVAULT_RESOLVING") and connection.agent_allowed(environment)


def kept(what: str, shell: str, environment: Environment, options: list[str] | None = None) -> bytes | None:
    """The text that the full command line once rendered and kept for this version and place; None without it.

    `shells.init.keep` says what such a file is called and what is in it.
    """
    state = connection.state_directory(environment)
    door = f"{FOLDER}/shellvault/__main__.py"
    try:
        name = kept_name(shell, door, options or [])
        if not state or "/" in name:
            return None
        python, script, stamp, text = read(f"{state}/{what}/{name}", ours=True).split(b"\0", 3)
        # Another installation of this version names its own interpreter and files. We compare the files and not
        # their names: links and `..` give one many.
        ours = same_file(python, sys.executable) and same_file(script, door)
    except (OSError, ValueError):
        return None
    return text if ours and stamp == settings_stamp(environment) else None


def kept_help(arguments: list[str], environment: Environment) -> bytes | None:
    """The help that the full command line once wrote for a screen of this width; None without it."""
    from shellvault.fastlane import helping

    words = helping.words(arguments)
    if words is None or not (words or _has_files(environment)):
        return None
    return kept("help", str(helping.columns(environment)), environment, words)


def _has_files(environment: Environment) -> bool:
    """Whether there may be a profile: without one, help says how to get it."""
    from shellvault.fastlane.request import config_path

    try:
        paths = config_path(environment, folder()), connection.state_directory(environment) + "/names"
    except ValueError:
        return False
    for path in paths:
        try:
            if posix.stat(path).st_size:
                return True
        except OSError:
            continue
    return False


def kept_name(shell: str, script: str, options: list[str]) -> str:
    """The name of a kept text: each installation has its own, known by its script's inode. Raises OSError."""
    return " ".join([f"{shell}-{__version__}-{posix.stat(script).st_ino}", *options])


def settings_stamp(environment: Environment) -> bytes:
    """The stamp (`files.stamp`) of the settings (`locations.config_file`); nothing where there are none."""
    folder = environment.get("XDG_CONFIG_HOME", "")
    if not folder.startswith("/"):
        folder = environment.get("HOME", "") + "/.config"
    try:
        status = posix.stat(folder + "/shellvault/config.toml")
    except OSError:
        return b""
    return b"%d %d %d" % (status.st_mtime_ns, status.st_size, status.st_ino)


def same_file(one: bytes, other: str) -> bool:
    """Whether both paths lead to one file. Raises OSError when one leads nowhere, ValueError for no path."""
    first, second = posix.stat(one), posix.stat(other)
    return (first.st_ino, first.st_dev) == (second.st_ino, second.st_dev)


def shell_pid() -> int:
    """The process of the shell that asks: our parent, or the shell that our parent is a subshell of.

    In `$(f)` the parent of what `f` starts is a short-lived fork of the shell. Only Linux shows that; elsewhere the
    answer is the parent.
    """
    pid = posix.getppid()
    try:
        while True:
            # proc_pid_stat(5), behind the name: state, ppid, pgrp, session, tty, tpgid, flags.
            fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
            if not int(fields[6]) & FORKED_ONLY:
                return pid
            pid = int(fields[1])
    except OSError:
        return posix.getppid()


def shell_name(pid: int) -> str | None:
    """The shell that a process is, by its executable (as in `shells.detect`); None for another program."""
    try:
        executable = posix.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None
    return EXECUTABLES.get(executable.rpartition("/")[2])


def forget_coerced_locale() -> None:
    """Takes back the LC_CTYPE that Python itself puts into the environment when the locale is C (PEP 538)."""
    if posix.environ.get(b"LC_CTYPE") not in (b"C.UTF-8", b"C.utf8", b"UTF-8"):
        return
    try:
        given = b"\0" + read("/proc/self/environ")
    except OSError:
        return
    if b"\0LC_CTYPE=" not in given:
        del posix.environ[b"LC_CTYPE"]
        posix.unsetenv(b"LC_CTYPE")
        if "os" in sys.modules:
            sys.modules["os"].environ.pop("LC_CTYPE", None)


def show(text: bytes | None) -> int | None:
    """Writes the text to stdout; None when there is none, or none of it could be written."""
    if text is None:
        return None
    if sys.__stdout__ is None:
        # Closed, and by now perhaps another file.
        return None
    rest = text
    while rest:
        try:
            rest = rest[posix.write(1, rest) :]
        except BrokenPipeError:
            return 141
        except OSError:
            return None if rest is text else 1
    return 0
