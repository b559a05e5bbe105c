"""A program that says how often Ctrl-C has reached it."""

import os

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
