"""A working day with short lives: open shells of every kind and a served program go on without a second sign-in."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pexpect
import pytest

from tests.end_to_end.test_kept_fresh import INIT
from tests.signin.conftest import visits
from tests.signin.terminal import start
from tests.support.home import Home
from tests.support.signin import SignInEmulator
from tests.support.terminal import SHELLS, Terminal, program

pytestmark = pytest.mark.real

#: Seconds that the day is long, and that role sessions and tokens live.
DAY = int(os.environ.get("SHELLVAULT_DAY", "42"))
ROLE, TOKEN = DAY * 2 // 3, DAY

#: Prints, each second, the key that it is served and when; fails where it is served none, and prints why.
SERVED = """
import json, os, sys, time, urllib.error, urllib.request
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    headers = {"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]}
    asked = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers=headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked) as reply:
            print(json.load(reply)["AccessKeyId"], time.time(), flush=True)
    except urllib.error.HTTPError as error:
        sys.exit(error.read().decode())
    time.sleep(1)
"""


#: Both kinds of sign-in in both ways of use, when the day is made longer than for a run of all tests.
BOTH = ("admin", "me") if "SHELLVAULT_DAY" in os.environ else ()


@pytest.fixture(autouse=True)
def short_lives(services: SignInEmulator) -> None:
    """AWS sign-in's credentials live as long as a role's session here."""
    services.role_lifetime, services.access_token_lifetime = ROLE, TOKEN
    services.login_credentials_lifetime = ROLE


@pytest.fixture
def shells(at_home: Home) -> Iterator[list[Terminal]]:
    """Every shell that this machine has, in one home with one agent."""
    del at_home.environment["SHELLVAULT_NO_AGENT"]
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                closing(Terminal(shell, at_home.path, INIT[shell] + "\n", at_home.environment))
            )
            for shell in SHELLS
            if program(shell)
        ]


@pytest.mark.timeout(120 + 2 * DAY)
@pytest.mark.parametrize("profile", BOTH or ["admin"])
def test_a_day_with_one_sign_in(
    at_home: Home, shells: list[Terminal], services: SignInEmulator, profile: str
) -> None:
    for shell in shells:
        shell.run(f"shellvault use {profile}")
    assert len(visits(at_home)) == 1
    seen: dict[str, set[str]] = {shell.shell: set() for shell in shells}
    end = time.monotonic() + DAY
    while time.monotonic() < end:
        for shell in shells:
            name = "$env:AWS_ACCESS_KEY_ID" if shell.shell == "powershell" else "$AWS_ACCESS_KEY_ID"
            # A prompt that has been idle for longer than a session's whole life takes up the new one at Enter.
            shell.run("")
            key = shell.value(name)
            assert services.issued[key] > services.now(), (shell.shell, shell.screen[-2000:])
            seen[shell.shell].add(key)
        time.sleep(0.5)
    assert len(visits(at_home)) == 1
    assert all(len(keys_of_one) > 1 for keys_of_one in seen.values()), json.dumps(
        {k: len(v) for k, v in seen.items()}
    )


@pytest.mark.timeout(120 + 2 * DAY)
@pytest.mark.parametrize("profile", BOTH or ["me"])
def test_a_program_is_served_all_day(at_home: Home, services: SignInEmulator, profile: str) -> None:
    del at_home.environment["SHELLVAULT_NO_AGENT"]
    served = start(at_home, "exec", "--server", profile, "--", sys.executable, "-c", SERVED, str(DAY))
    served.expect(pexpect.EOF, timeout=DAY + 60)
    printed = str(served.before)
    assert served.wait() == 0, printed
    keys = [line.split() for line in printed.splitlines() if line.startswith("ASIA")]
    assert all(services.issued[key] > float(at) for key, at in keys), printed
    assert len(visits(at_home)) == 1
    assert len({key for key, _ in keys}) > 1
