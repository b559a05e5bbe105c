"""Many commands at once, each a process, on one encrypted-file vault: one acquisition, whatever happens to
it.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shellvault.fastlane import request
from tests.sessions.command import vault_of
from tests.sessions.conftest import Office
from tests.support.home import Home

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]


@pytest.fixture
def line(office: Office, home: Home) -> str:
    """A request for the user's session, whose keys are in the vault of the home."""
    home.write_config(f"[profile {office.name}]\nendpoint_url = {office.front.endpoint}\n")
    keys = office.keys
    vault_of(home.environment).save_keys(office.name, keys.access_key_id, keys.secret_access_key)
    return request.encode(office.name, {}, home.environment, "/")


def _start(home: Home, line: str, *code: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sessions.command", line, *code],
        env=home.environment | environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _outputs(commands: list[subprocess.Popen[str]]) -> list[list[str]]:
    """The lines of each, which must have succeeded."""
    outputs = []
    for command in commands:
        stdout, stderr = command.communicate(timeout=90)
        assert command.returncode == 0, stderr
        outputs.append(stdout.splitlines())
    return outputs


def test_twenty_commands_cost_one_call_and_one_code(office: Office, home: Home, line: str) -> None:
    home.write_config(home.config_file.read_text() + f"mfa_serial = {office.serial}\n")
    office.front.delay = 0.5
    code, start = office.front.code(office.serial), str(time.time() + 3)
    outputs = _outputs([_start(home, line, code, START_AT=start) for _ in range(20)])
    assert len({output[-1] for output in outputs}) == 1
    assert sum("asked" in output for output in outputs) == 1
    assert office.front.calls == {"GetSessionToken": 1}


def test_a_killed_command_delays_no_other(office: Office, home: Home, line: str) -> None:
    office.front.delay = 60
    first = _start(home, line)
    while not office.front.calls:
        time.sleep(0.02)
    office.front.delay = 0
    others = [_start(home, line) for _ in range(3)]
    told = [other.stdout.readline() for other in others if other.stdout]
    assert all(text.startswith(f"told waiting for process {first.pid}, which is getting") for text in told)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    outputs = _outputs(others)
    assert len({output[-1] for output in outputs}) == 1
    assert office.front.calls == {"GetSessionToken": 2}
