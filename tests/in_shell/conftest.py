"""A home, a stand-in fast lane, and interactive shells that have run `shellvault init`."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from shellvault import locations
from shellvault.shells import init
from tests.in_shell.stand_in import USUAL, Agent, FastLane, agent, env, path_with, session, show_arguments
from tests.support.terminal import SHELLS, Terminal, program

Open = Callable[..., Terminal]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    """Each of the shells that are installed."""
    name: str = request.param
    if program(name) is None:
        pytest.skip("needs pwsh" if name == "powershell" else f"needs {name}")
    return name


@pytest.fixture
def lane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastLane:
    """The fast lane that every text rendered in this test calls."""
    lane = FastLane(tmp_path / "lane")
    monkeypatch.setattr(locations, "DOOR", lane.script)
    return lane


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for PATH, with an `aws` that shows its arguments."""
    folder = tmp_path / "programs"
    for name in ("aws", "show-arguments"):
        show_arguments(folder, name)
    return folder


@pytest.fixture
def runtime() -> Iterator[Path]:
    """XDG_RUNTIME_DIR; a socket's path is short, and pytest's folders are not."""
    with tempfile.TemporaryDirectory(prefix="sv") as folder:
        yield Path(folder)


@pytest.fixture
def opened(tmp_path: Path, runtime: Path, lane: FastLane, programs: Path) -> Iterator[Open]:
    """Opens a terminal with what `init` gives, and what stands `before` and `after` it in the start-up file."""
    terminals: list[Terminal] = []

    def open_terminal(
        shell: str,
        *,
        before: str = "",
        after: str = "",
        options: init.InitOptions | None = None,
        text: str | None = None,
        under: Sequence[str] = (),
        **environment: str,
    ) -> Terminal:
        home = tmp_path / f"home-{len(terminals)}"
        home.mkdir()
        given = {
            "PATH": path_with(programs),
            "SHOWN": str(tmp_path / "shown"),
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            **environment,
        }
        if text is None:
            text = init.init_text(shell, options or USUAL, given)
        opened = Terminal(shell, home, f"{before}\n{text}\n{after}\n", given, under)
        terminals.append(opened)
        return opened

    yield open_terminal
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def now() -> int:
    """The epoch at the test's start."""
    return int(time.time())


def enter(terminal: Terminal, lane: FastLane, **details: object) -> None:
    """Runs `shellvault use work` in the terminal."""
    lane.answers("env", env(terminal.shell, session(**details)))  # type: ignore[arg-type]
    terminal.run("shellvault use work")


def key(terminal: Terminal) -> str:
    """AWS_ACCESS_KEY_ID as the shell has it."""
    return terminal.value(
        "$env:AWS_ACCESS_KEY_ID" if terminal.shell == "powershell" else "$AWS_ACCESS_KEY_ID"
    )


def segment(terminal: Terminal) -> str:
    """SHELLVAULT_SEGMENT as the shell has it."""
    return terminal.value("$SHELLVAULT_SEGMENT")


@pytest.fixture
def socket_agent(runtime: Path) -> Iterator[Agent]:
    """A stand-in for the agent, where a shell looks for it."""
    with agent(runtime / "shellvault" / "agent.sock") as running:
        yield running


@pytest.fixture(params=["zsh", "powershell"])
def speaking(request: pytest.FixtureRequest) -> str:
    """The shells that ask the agent themselves."""
    name: str = request.param
    if program(name) is None:
        pytest.skip("needs pwsh" if name == "powershell" else f"needs {name}")
    return name
