"""The parts that every test may ask for, and the count of what was skipped."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import emulator
from tests.support.emulator import Aws
from tests.support.home import Home, make_home, stop_agents
from tests.support.installation import Installation, install
from tests.support.sts_front import StsFront, fronting

#: Reasons that name a program which no package registry has: counted, and no failure.
NOT_INSTALLABLE = ("needs pwsh", "needs terraform")


def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means: the tests wait more than they work."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: begun last, it would be waited for."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """An emulated AWS, one for each worker: make users and roles with names of your own."""
    with emulator.running(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture
def front(aws: Aws) -> Iterator[StsFront]:
    """A front to the emulated AWS that counts the calls of this test alone."""
    with fronting(aws) as running:
        yield running


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Installation:
    """shellvault installed from the wheel of this checkout, once a run for all workers.

    What a test starts as `shellvault` is this one, as its users have it: `home.shellvault(…)`, `home.succeed(…)`,
    `home.run("shellvault", …)` and whatever runs in `home.environment` find it on PATH. It lies in a path with
    blanks and an `à`, behind a relative link as pipx makes it. A home of another kind takes it by
    `make_home(folder, runtime, installation.programs)`.
    """
    folder = tmp_path_factory.getbasetemp()
    return install((folder if worker_id == "master" else folder.parent) / "installation")


@pytest.fixture
def home(tmp_path: Path, installation: Installation) -> Iterator[Home]:
    """A throw-away home whose vault is an encrypted file; an agent that a test started there is stopped."""
    with tempfile.TemporaryDirectory(prefix="shellvault-") as runtime:
        yield make_home(tmp_path, Path(runtime), installation.programs)
        if any(Path(runtime).iterdir()):
            stop_agents(Path(runtime))


def _reason(report: pytest.TestReport) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


def _skipped(config: pytest.Config) -> Counter[str]:
    """How many tests were skipped, by reason."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return Counter(_reason(report) for report in reporter.stats.get("skipped", [])) if reporter else Counter()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With SHELLVAULT_TESTS_REQUIRE_ALL=1, fails when a test lacked what can be installed."""
    if os.environ.get("SHELLVAULT_TESTS_REQUIRE_ALL") != "1" or os.environ.get("PYTEST_XDIST_WORKER"):
        return
    lacking = {reason for reason in _skipped(session.config) if reason.startswith("needs ")}
    if lacking.difference(NOT_INSTALLABLE) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says how many tests were skipped for each reason."""
    for reason, count in sorted(_skipped(config).items()):
        terminalreporter.write_line(f"skipped {count}: {reason}")
