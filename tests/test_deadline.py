"""Calls that may never return."""

import subprocess
import sys
import time

import pytest

from shellvault.deadline import within


def test_the_result_and_the_error_of_a_call_come_through() -> None:
    assert within(5, lambda: 42) == 42
    assert within(5, lambda: None) is None
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)


def test_a_stuck_call_ends_at_its_deadline() -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        within(0.2, lambda: time.sleep(60))
    assert time.monotonic() - start < 2


def test_a_process_ends_though_a_call_is_stuck() -> None:
    script = "import time; from shellvault.deadline import within; within(0.1, lambda: time.sleep(60))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20)
    assert "TimeoutError" in result.stderr
