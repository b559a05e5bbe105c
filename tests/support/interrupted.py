"""A program that says how often Ctrl-C has reached it."""

import os
import signal

import pexpect

#: Ctrl-C is pressed so often; more to be sure: SHELLVAULT_TESTS_ROUNDS=100.
ROUNDS = int(os.environ.get("SHELLVAULT_TESTS_ROUNDS", "5"))

#: Counts what it is sent, and says so.
COUNT = """
import os, signal, time
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"<interrupted>\\n"))
print("<ready>", flush=True)
while True:
    time.sleep(60)
"""


def each_interrupt_comes_once(counting: pexpect.spawn) -> None:
    """Presses Ctrl-C some times, each of which the program has to say once, and ends it."""
    for _ in range(ROUNDS):
        counting.sendintr()
        counting.expect_exact("<interrupted>")
    # Whatever came twice is printed by now, since the signals of a process come in order.
    counting.kill(signal.SIGTERM)
    counting.expect(pexpect.EOF)
    assert "<interrupted>" not in (counting.before or "")
    counting.wait()
    assert counting.exitstatus == 128 + signal.SIGTERM
