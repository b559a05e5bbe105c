"""One shellvault command on a terminal of its own."""

import pexpect

from tests.support.home import Home


def start(home: Home, *arguments: str, **environment: str) -> "pexpect.spawn[str]":
    """A command that has begun, in the foreground of a terminal."""
    child: pexpect.spawn[str] = pexpect.spawn(
        "shellvault",
        list(arguments),
        env=home.environment | environment,
        cwd=str(home.path),
        dimensions=(50, 400),
        encoding="utf-8",
        timeout=40,
    )
    return child


def run(home: Home, *arguments: str, status: int = 0, **environment: str) -> str:
    """What the terminal showed when the command had ended."""
    child = start(home, *arguments, **environment)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == status, child.before
    return str(child.before)
