"""What is done often imports little: no library that takes longer to load than the answer takes."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from shellvault.cli import main, plain
from shellvault.dialogue import progress

#: Libraries that each take a tenth of a second to import together, and the rooms of ours that load them.
HEAVY = {"boto3", "botocore", "click", "cryptography", "jinja2", "keyring", "psutil", "rich", "urllib3"}

ROOT = Path(__file__).parents[2]


def modules(code: str, environment: dict[str, str]) -> set[str]:
    """The modules that a program imports."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def imported(code: str, environment: dict[str, str]) -> set[str]:
    """The packages that a program imports."""
    return {name.partition(".")[0] for name in modules(code, environment)}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    given = {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "SHELLVAULT_BACKEND": "file",
        "XDG_RUNTIME_DIR": str(tmp_path),
    }
    for name in ("AWS_VAULT", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return given


@pytest.mark.parametrize("words", plain.PLAIN, ids=" ".join)
def test_a_plain_command_imports_no_heavy_library(
    words: tuple[str, ...], environment: dict[str, str]
) -> None:
    found = imported(f"from shellvault.cli import plain; plain.run({list(words)!r})", environment)
    assert "shellvault" in found
    assert found & HEAVY == set()


@pytest.mark.parametrize("words", plain.PLAIN, ids=" ".join)
@pytest.mark.usefixtures("environment")
def test_a_plain_command_does_what_the_command_tree_does(
    words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    told = []
    for run in (plain.run, main.run):
        status = run(list(words))
        told.append((status, *capfd.readouterr()))
    assert told[0] == told[1]
    assert any(told[0][1:])


def test_a_status_of_a_known_session_takes_no_plan(environment: dict[str, str]) -> None:
    code = """
import os
from shellvault.cli import plain, session_state
told = dict(account="1" * 12, role="r", calls="stored-keys", codes="0", expires_at=4e9, needs_you=False)
session_state.agent_status = lambda environment: {"holders": [{"kind": "shell", "process": os.getppid(), **told}]}
plain.run(["status"])"""
    session = {"AWS_VAULT": "work", "AWS_ACCESS_KEY_ID": "x", "SHELLVAULT_EXPIRES_AT": "4000000000"}
    found = modules(code, environment | session)
    assert "shellvault.cli.holders" in found
    assert not {
        name for name in found if name.startswith(("shellvault.plan", "shellvault.profiles", "psutil"))
    }


def test_other_words_are_left_to_the_command_tree() -> None:
    assert plain.run(["status", "--json"]) is None
    assert plain.run([]) is None


def test_a_worker_loads_no_sdk_before_a_job_needs_it(environment: dict[str, str]) -> None:
    code = "from shellvault.worker import job, modules; modules.load(); modules.warm_up_steps()"
    assert imported(code, environment) & {"boto3", "botocore", "click", "rich", "urllib3"} == set()


def test_the_age_of_a_command_is_what_psutil_says() -> None:
    age = time.time() - psutil.Process().create_time()
    assert progress._age() == pytest.approx(age, abs=1.0)
