"""One at a time among processes, whatever happens to them."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from shellvault.errors import SessionError
from shellvault.sessions.locks import exclusive

_HOLD = """
import sys, time
from pathlib import Path
from shellvault.sessions.locks import exclusive
with exclusive(Path(sys.argv[1]), "the session of work", print):
    print("held", flush=True)
    time.sleep(60)
"""
_COUNT = """
import sys, time
from pathlib import Path
from shellvault.sessions.locks import exclusive
counter = Path(sys.argv[1] + ".count")
for _ in range(25):
    with exclusive(Path(sys.argv[1]), "it", print):
        number = int(counter.read_text())
        time.sleep(0.0005)
        counter.write_text(str(number + 1))
"""


def _nobody(message: str) -> None:
    raise AssertionError(message)


def _holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", _HOLD, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_processes_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    (tmp_path / "lock.count").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", _COUNT, path]) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert (tmp_path / "lock.count").read_text() == "100"


def test_threads_of_one_process_take_turns_too(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        with exclusive(tmp_path / "lock", "it", _nobody):
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    holder = _holder(tmp_path / "lock")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with exclusive(tmp_path / "lock", "it", _nobody, wait_seconds=0.5):
        pass


def test_a_waiting_command_names_the_other_once(tmp_path: Path) -> None:
    holder, told = _holder(tmp_path / "lock"), []
    threading.Timer(1.6, holder.kill).start()
    with exclusive(tmp_path / "lock", "it", told.append):
        pass
    holder.wait()
    assert told == [f"waiting for process {holder.pid}, which is getting the session of work"]


def test_waiting_ends_with_an_error_that_names_the_holder(tmp_path: Path) -> None:
    holder = _holder(tmp_path / "lock")
    error = pytest.raises(SessionError, match=f"gave up waiting for process {holder.pid}")
    with error, exclusive(tmp_path / "lock", "it", _nobody, wait_seconds=0.2):
        pass
    holder.kill()
    holder.wait()


def test_the_file_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock", "it", _nobody):
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == []


def test_it_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path / "lock", "it", _nobody):
        raise ZeroDivisionError
    with exclusive(tmp_path / "lock", "it", _nobody, wait_seconds=0.2):
        pass


@pytest.mark.parametrize("name", ["missing/lock", "link"])
def test_where_no_lock_can_be_made_the_work_is_done_without(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    done = []
    with exclusive(tmp_path / name, "it", _nobody):
        done.append(name)
    assert done == [name]
    assert not (tmp_path / "elsewhere").exists()
