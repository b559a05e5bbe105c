"""No thread imports a module: two that do at once may each see half of it, and find no keys where there are some."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

import shellvault
from shellvault import locations, threads
from tests.end_to_end.conftest import settle
from tests.real_keyring import private_keyring
from tests.real_wallet import private_wallet
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront

PACKAGE = Path(shellvault.__file__).parent
WATCHER = Path(__file__).parent / "support" / "thread_imports.py"

#: What starts a thread: only `shellvault.threads` may call it.
MODULES = {"threading", "concurrent.futures", "_thread", "multiprocessing.pool"}
STARTERS = {"Thread", "Timer", "ThreadPoolExecutor", "start_new_thread", "ThreadPool"}

#: Commands that look at several places at once, or under a deadline.
COMMANDS = (
    ["import", "--dry-run"],
    ["list", "--backends"],
    ["list"],
    ["doctor", "--offline"],
    ["why", "work"],
)


def starts(tree: ast.AST) -> list[int]:
    """The lines of a module in which a thread is started otherwise than by `shellvault.threads`."""
    nodes = list(ast.walk(tree))
    imported = [
        node.lineno
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        and node.module in MODULES
        and STARTERS & {each.name for each in node.names}
    ]
    used = [
        node.lineno
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in MODULES
        and node.func.attr in STARTERS
    ]
    return sorted(imported + used)


def test_one_module_starts_all_threads() -> None:
    found = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := starts(ast.parse(path.read_text("utf-8"))))
    }
    assert set(found) == {"threads.py"}
    assert starts(ast.parse("import threading\nthreading.Thread(target=print).start()")) == [2]


def test_what_a_thread_needs_is_there_before_it_starts() -> None:
    sys.modules.pop("wave", None)
    seen: list[bool] = []
    threads.start(lambda: seen.append("wave" in sys.modules), modules=["wave"]).join(5)
    assert seen == [True]


def test_a_package_that_is_not_installed_stops_no_thread() -> None:
    assert threads.at_once(abs, [-1, 2], modules=["no_such_package_here"]) == [1, 2]
    assert threads.at_once(abs, []) == []


def noted(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


@pytest.mark.real
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("kind", ["keyring", "wallet"])
def test_no_thread_of_a_command_imports(tmp_path: Path, kind: str, command: list[str]) -> None:
    with (private_keyring if kind == "keyring" else private_wallet)(tmp_path) as running:
        done = subprocess.run(
            [sys.executable, WATCHER, tmp_path / "notes", "command", *command],
            env=running.environment | {"SHELLVAULT_NO_AGENT": "1"},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert "Traceback" not in done.stderr
    assert noted(tmp_path / "notes") == []


@pytest.mark.real
def test_no_job_of_the_worker_imports(home: Home, aws: Aws, front: StsFront, tmp_path: Path) -> None:
    person = settle(home, aws, front)
    person.configure(f"[profile role]\nrole_arn = {person.role('r')}\nsource_profile = work")
    folder = locations.socket_path(home.environment).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    agent = subprocess.Popen(
        [sys.executable, WATCHER, tmp_path / "notes", "agent", folder],
        env=home.environment,
        stdin=subprocess.DEVNULL,
    )
    try:
        until_there(locations.socket_path(home.environment))
        del home.environment["SHELLVAULT_NO_AGENT"]
        running = [home.start("shellvault", "export", name) for name in ("work", "role", "guarded")]
        assert [process.wait(60) for process in running] == [0, 0, 0]
        for command in (["list"], ["rotate", "work"], ["clear"], ["signin", "work"]):
            home.shellvault(*command)
        assert home.succeed("export", "work")
        assert f"{agent.pid}" in home.succeed("agent", "status")
    finally:
        agent.terminate()
        agent.wait(10)
    assert noted(tmp_path / "notes") == []


def until_there(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
