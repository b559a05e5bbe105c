"""What `init --install` leaves in a start-up file: no process at a shell's start, and never another user's text."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.measuring import interleaved, program
from shellvault.shells import SET_UP
from tests.support.home import Home
from tests.support.installation import Installation
from tests.support.terminal import PROGRAMS, SHELLS, need

pytestmark = pytest.mark.real

INTERACTIVE = {"bash": ["-i", "-c"], "zsh": ["-i", "-c"], "fish": ["-i", "-c"], "powershell": ["-Command"]}
#: A shell without start-up files.
BARE = {
    "bash": ["--norc", "-i", "-c", "exit"],
    "zsh": ["-f", "-i", "-c", "exit"],
    "fish": ["--no-config", "-i", "-c", "exit"],
    "powershell": ["-NoProfile", "-Command", "exit"],
}
#: Whether the function is there.
ASK = {
    "bash": "declare -F shellvault >/dev/null && echo is there",
    "zsh": "(( $+functions[shellvault] )) && echo is there",
    "fish": "functions -q shellvault; and echo is there",
    "powershell": "if (Test-Path function:shellvault) { 'is there' }",
}


class Start:
    """A shell of one person's, as `init --install` has set it up."""

    def __init__(self, home: Home, copy: Installation, shell: str) -> None:
        self.home, self.copy, self.shell = home, copy, shell
        home.environment["PATH"] = f"{copy.programs}:{os.environ['PATH']}"
        home.environment.pop("ZDOTDIR", None)
        self.file = SET_UP[shell].start_up_file(home.environment)
        self.folder = home.path / ".local/state/shellvault/start"

    def install(self, *options: str) -> str:
        return self.home.run("shellvault", "init", self.shell, "--install", *options).stderr

    @property
    def kept(self) -> Path:
        (kept,) = self.folder.iterdir()
        return kept

    def open(self, code: str = "", trace: Path | None = None) -> tuple[str, str]:
        """What a new shell prints, and says, after its start."""
        under = ["strace", "-f", "-qq", "-e", "trace=execve,openat", "-o", str(trace)] if trace else []
        done = subprocess.run(
            [*under, str(need(PROGRAMS[self.shell])), *INTERACTIVE[self.shell], code or ASK[self.shell]],
            env=self.home.environment,
            cwd=self.home.path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        noise = ("bash: cannot set terminal", "bash: no job control")
        said = [line for line in done.stderr.splitlines() if not line.startswith(noise)]
        return done.stdout.strip(), "\n".join(said)

    def processes(self, tmp_path: Path) -> list[str]:
        """The programs of ours that a new shell starts."""
        trace = tmp_path / "trace"
        assert self.open(trace=trace) == ("is there", "")
        lines = trace.read_text().splitlines()
        return [line for line in lines if "execve(" in line and str(self.copy.folder) in line]


@pytest.fixture
def copy(installation: Installation, tmp_path: Path) -> Installation:
    """An installation of this test's own."""
    return Installation(Path(shutil.copytree(installation.folder, tmp_path / "copy", symlinks=True)))


@pytest.fixture(params=SHELLS)
def start(request: pytest.FixtureRequest, home: Home, copy: Installation) -> Iterator[Start]:
    need(PROGRAMS[request.param])
    yield Start(home, copy, request.param)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_new_shell_starts_no_process(start: Start, tmp_path: Path) -> None:
    start.install("--no-prompt", "--wrap", "terraform")
    assert start.processes(tmp_path) == []
    assert start.kept.stat().st_mode & 0o777 == 0o600


def test_a_new_shell_reads_the_kept_text_at_once(start: Start) -> None:
    start.install()
    assert start.open() == ("is there", "")
    least = program(PROGRAMS[start.shell], *BARE[start.shell], environment=start.home.environment)
    ours = program(
        PROGRAMS[start.shell], *INTERACTIVE[start.shell], "exit", environment=start.home.environment
    )
    taken = interleaved({"least": least, "ours": ours}, 5)
    # Two to four times; a text that a shell is slow to read makes it fifty (zsh: one long quoted word).
    assert min(taken["ours"]) < 12 * min(taken["least"])


def upgrade(start: Start) -> None:
    text = start.copy.command.read_bytes()
    start.copy.command.unlink()
    start.copy.command.write_bytes(text)
    start.copy.command.chmod(0o755)
    os.utime(start.copy.command, (1, 1))


def other_settings(start: Start) -> None:
    start.home.write_settings('production = ["live-*"]\n')


def no_state(start: Start) -> None:
    shutil.rmtree(start.folder.parent)


def forged(start: Start) -> None:
    """Written to in its place, as a member of its group could: the time of the file is now another."""
    start.kept.chmod(0o660)
    with start.kept.open("r+") as stream:
        stream.write("echo forged\nexit\n")


def linked(start: Start) -> None:
    start.kept.unlink()
    ours = start.home.path / "forged"
    ours.write_text("echo forged\nexit\n")
    stat = start.copy.command.stat()
    os.utime(ours, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    name = next(iter(NAMES[start]))
    (start.folder / name).symlink_to(ours)


def another_users(start: Start) -> None:
    kept = start.kept
    kept.write_text("echo forged\nexit\n")
    stat = start.copy.command.stat()
    os.utime(kept, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.chown(kept, 65534, 65534)
    if start.shell == "powershell":
        # .NET shows no owner; but a folder that is closed to all others holds no file of theirs.
        start.folder.chmod(0o777)


#: The names of the kept files of a person.
NAMES: dict[Start, list[str]] = {}


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize(
    "change",
    [upgrade, other_settings, no_state, forged, linked, another_users],
    ids=lambda change: change.__name__,
)
def test_what_has_changed_is_made_again_and_not_read(
    start: Start, change: Callable[[Start], None], tmp_path: Path
) -> None:
    if change is another_users and os.geteuid() != 0:
        pytest.skip("needs root, to be two users")
    start.install()
    NAMES[start] = [start.kept.name]
    change(start)

    assert start.processes(tmp_path) != []
    assert start.processes(tmp_path) == []
    assert "forged" not in start.kept.read_text()
    if change is other_settings:
        assert "live-*" in start.kept.read_text()


def test_a_program_that_is_gone_is_one_line(start: Start) -> None:
    start.install()
    (start.copy.programs / "shellvault").unlink()

    printed, said = start.open()
    assert printed == ""
    if start.shell != "powershell":
        assert (
            said
            == f"shellvault: {start.copy.programs / 'shellvault'} is gone: install it again, or take its line out"
        )
    assert "echo" not in start.open("echo still here")[0]


def test_a_home_that_cannot_be_written_still_gets_it(start: Start) -> None:
    start.install()
    shutil.rmtree(start.folder)
    start.folder.write_text("in the way")
    assert start.open()[0] == "is there"


def test_two_installations_in_turns_keep_a_text_each(start: Start, tmp_path: Path) -> None:
    start.install()
    first = start.file.read_text()
    other = Installation(Path(shutil.copytree(start.copy.folder, tmp_path / "other", symlinks=True)))
    second = Start(start.home, other, start.shell)
    second.install()
    assert start.file.read_text() != first
    assert str(other.programs) in start.file.read_text()
    assert len(list(start.folder.iterdir())) == 2
    both = {file.name: file.read_bytes() for file in start.folder.iterdir()}
    for text in (first, start.file.read_text()) * 2:
        start.file.write_text(text)
        assert start.open() == ("is there", "")
    assert {file.name: file.read_bytes() for file in start.folder.iterdir()} == both


def test_an_earlier_line_is_replaced_and_the_new_one_taken_out(start: Start) -> None:
    start.file.parent.mkdir(parents=True, exist_ok=True)
    old = SET_UP[start.shell].line.format(" --no-prompt")
    start.file.write_text(f"# mine\n{old}\n# too\n")
    start.install()
    lines = start.file.read_text().splitlines()
    assert (lines[0], lines[2:]) == ("# mine", ["# too"])
    assert "nothing was changed" in start.install()
    start.home.run("shellvault", "init", start.shell, "--uninstall")
    assert start.file.read_text() == "# mine\n# too\n"
