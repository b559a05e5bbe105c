"""Stand-ins for the fast lane and for the agent's socket: they note what they are asked, and answer as told."""

import ast
import os
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shellvault.agent.shell_secret import with_secret
from shellvault.cli.main import command
from shellvault.shells import init, render
from shellvault.variables import Change

#: What the agent and the shells of these tests know each other by.
SECRET = "0123456789abcdef" * 2

#: What a plain `shellvault init SHELL` puts into a shell.
USUAL = init.InitOptions(completions=command)

#: Notes its arguments, prints the answer kept for its first argument, and ends with the status kept for it.
#: `exec NAME -- PROGRAM …` and `wrap PROGRAM …` become the program, as the real ones do.
_FAST_LANE = """
import os, sys
folder = os.path.dirname(os.path.abspath(__file__))
with open(folder + "/calls", "a") as calls:
    calls.write(repr(sys.argv[1:]) + "\\n")
verb = sys.argv[1] if len(sys.argv) > 1 else ""
if verb == "exec":
    program = sys.argv[sys.argv.index("--") + 1:]
    os.execvp(program[0], program)
if verb == "wrap":
    program = sys.argv[4:] if sys.argv[2] == "--default" else sys.argv[2:]
    path = os.environ["PATH"].split(os.pathsep)
    files = [os.path.join(place, program[0]) for place in path]
    real = [file for file in files if os.path.exists(file) and b"shellvault shim" not in open(file, "rb").read(40)]
    os.execv(real[0], program)
if verb == "show":
    os.execvp("show-arguments", sys.argv[1:])
for kept in (verb, verb + ".status"):
    try:
        with open(folder + "/" + kept, "rb") as answer:
            text = answer.read()
    except OSError:
        continue
    if kept == verb:
        sys.stdout.buffer.write(text)
    else:
        sys.exit(int(text))
"""


class FastLane:
    """A script in the place of `shellvault/__main__.py`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.script = folder / "__main__.py"
        self.script.write_text(_FAST_LANE)

    def answers(self, verb: str, text: str, status: int = 0) -> None:
        """From now on `verb` prints `text` and ends with `status`."""
        (self.folder / verb).write_text(text, "utf-8", "surrogateescape")
        (self.folder / f"{verb}.status").write_text(str(status))

    def calls(self) -> list[list[str]]:
        """The arguments of every call so far."""
        try:
            return [ast.literal_eval(line) for line in (self.folder / "calls").read_text().splitlines()]
        except FileNotFoundError:
            return []


class Agent:
    """A socket that answers like the agent's text protocol."""

    def __init__(self, path: Path) -> None:
        self.path, self.requests = path, list[str]()
        self.reply: bytes | Callable[[int], bytes] | None = b"miss\n"
        """What to say, or what to say to the nth request; None: accept and never answer."""
        path.parent.mkdir(parents=True, mode=0o700)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        self._kept: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return
            if self.reply is None:
                self._kept.append(channel)
                continue
            with channel:
                self.requests.append(channel.recv(65536).decode())
                reply = self.reply
                channel.sendall(reply if isinstance(reply, bytes) else reply(len(self.requests)))

    def close(self) -> None:
        """Stops listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def agent(path: Path) -> Iterator[Agent]:
    """An agent's socket at `path`."""
    running = Agent(path)
    try:
        yield running
    finally:
        running.close()


def session(
    profile: str = "work",
    *,
    key: str = "AKIAFIRST",
    refresh_at: int = 0,
    expires_at: int | None = None,
    needs_you_at: int | str | None = None,
    narrowed: str = "",
    options: str = "",
) -> Change:
    """What a session of `profile` changes, with times in epoch seconds."""
    values = {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": "secret/of+it",
        "AWS_VAULT": profile,
        "SHELLVAULT_REQUEST": f"work config=/nowhere home=/nowhere{options}",
        "SHELLVAULT_REFRESH_AT": str(refresh_at),
    }
    if narrowed:
        values["SHELLVAULT_NARROWED"] = narrowed
    if expires_at is not None:
        values["SHELLVAULT_EXPIRES_AT"] = str(expires_at)
    if needs_you_at is not None:
        values["SHELLVAULT_NEEDS_YOU_AT"] = str(needs_you_at)
    return Change(values, ("AWS_PROFILE", *(() if narrowed else ("SHELLVAULT_NARROWED",))))


def refresh(shell: str, change: Change) -> str:
    """The snippet that renews a session."""
    return render.refresh_snippet(shell, change)


def env(shell: str, change: Change, secret: str = SECRET) -> str:
    """The snippet that puts a session into the shell, as it comes from an agent: with the shell's secret."""
    return with_secret(render.env_snippet(shell, change), f"env.{shell}", secret)


def proven(reply: str | bytes, secret: str = SECRET) -> bytes:
    """A direct reply to a shell that has this secret."""
    return secret.encode() + b" " + (reply if isinstance(reply, bytes) else reply.encode())


def write_program(path: Path, text: str) -> Path:
    """An executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def show_arguments(folder: Path, name: str) -> Path:
    """A program that adds to the file `$SHOWN`: its arguments, its input, AWS_VAULT; then it ends with 7."""
    return write_program(
        folder / name,
        f"#!{sys.executable} -IS\nimport os, sys\n"
        "words = b'\\0'.join(os.fsencode(word) for word in sys.argv[1:])\n"
        "given = b'' if os.isatty(0) else sys.stdin.buffer.read()\n"
        "vault = os.environ.get('AWS_VAULT', '').encode()\n"
        "with open(os.environ['SHOWN'], 'ab') as shown:\n"
        "    shown.write(b'\\1'.join((words, given, vault)) + b'\\2')\n"
        "sys.exit(7)\n",
    )


def path_with(folder: Path) -> str:
    """PATH with `folder` first."""
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
