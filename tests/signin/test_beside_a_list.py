"""Sessions are renewed while a list of many accounts uses up what the portal takes in a second."""

import os
import subprocess
import threading
import time

import pytest

from shellvault.plan import Endpoint
from shellvault.sessions.model import Session
from shellvault.signin import identity_center
from shellvault.signin.patience import Pace
from shellvault.signin.portal import LISTED_A_SECOND, Account, Portal
from tests.signin.parts import Desk
from tests.signin.terminal import run
from tests.support.home import Home
from tests.support.signin import SignInEmulator

#: Accounts of a large organisation, and shells that renew meanwhile; SHELLVAULT_ACCOUNTS=1000 once in a while.
ACCOUNTS = int(os.environ.get("SHELLVAULT_ACCOUNTS", "60"))
SHELLS = 20
#: Seconds between two renewals of one shell.
EVERY = 3.0


@pytest.mark.timeout(60 + ACCOUNTS)
def test_no_renewal_fails_while_many_accounts_are_listed(desk: Desk) -> None:
    services = desk.services
    services.accounts |= {f"{number:012}": (f"account {number}", ("Admin",)) for number in range(2, ACCOUNTS)}
    services.portal_calls_a_second = 20
    token = identity_center.token(desk.work(), desk.sign_in_step()).access_token
    where = Endpoint("eu-west-1", services.url)
    lists = Portal(token, where, "corp", lambda rejected: token, print, pace=Pace(LISTED_A_SECOND))
    is_over = threading.Event()
    renewed: list[Session] = []
    failed: list[Exception] = []
    slowest = [0.0]

    def shell() -> None:
        step = desk.plan("admin").steps[1]
        portal = identity_center.portal(desk.work(quiet=True), desk.sign_in_step(), step.endpoint)
        while not is_over.wait(EVERY):
            begun = time.monotonic()
            try:
                renewed.append(portal.credentials(step, services.now()))
            except Exception as error:
                failed.append(error)
            slowest[0] = max(slowest[0], time.monotonic() - begun)

    shells = [threading.Thread(target=shell) for _ in range(SHELLS)]
    for each in shells:
        each.start()
    begun = time.monotonic()
    done: list[Account] = []
    found = lists.roles_of_all(lists.accounts(), done.append)
    taken = time.monotonic() - begun
    is_over.set()
    for each in shells:
        each.join()
    print(
        f"{len(found.roles)} accounts in {taken:.0f} s, {len(renewed)} renewals, slowest {slowest[0]:.1f} s"
    )
    assert not failed
    assert len(found.roles) == len(done) == len(services.accounts)
    assert len(renewed) >= SHELLS
    assert len({session.access_key_id for session in renewed}) == len(renewed)


#: Real shells, and accounts listed meanwhile; SHELLVAULT_ACCOUNTS=1000 SHELLVAULT_SHELLS=20 once in a while.
REAL_SHELLS = int(os.environ.get("SHELLVAULT_SHELLS", "3"))
REAL_ACCOUNTS = int(os.environ.get("SHELLVAULT_ACCOUNTS", "30"))
#: Seconds that a session lives. Among many, a third of it is longer than a prompt's pause between two tries (30 s).
LIFE = 120 if REAL_ACCOUNTS > 200 else 6


@pytest.mark.real
@pytest.mark.timeout(120 + REAL_ACCOUNTS)
def test_real_shells_stay_fresh_while_many_accounts_are_listed(
    at_home: Home, services: SignInEmulator
) -> None:
    del at_home.environment["SHELLVAULT_NO_AGENT"]
    accounts = [f"{number:012}" for number in range(REAL_ACCOUNTS)]
    services.accounts = {number: (f"account {number}", ("Admin",)) for number in accounts}
    services.portal_calls_a_second = 20
    for number in accounts[:REAL_SHELLS]:
        with at_home.config_file.open("a") as config:
            config.write(
                f"[profile p{number}]\nsso_session = corp\nsso_account_id = {number}\nsso_role_name = Admin\n"
            )
    run(at_home, "signin", "corp")
    services.role_lifetime = LIFE
    shells = [real_shell(at_home, f"p{number}") for number in accounts[:REAL_SHELLS]]
    try:
        # The renewals, after two thirds of a life, are to be in the middle of the list.
        time.sleep(LIFE / 2 if REAL_ACCOUNTS > 200 else 0)
        populate = at_home.start("shellvault", "sso", "populate", "--dry-run", SHELLVAULT_NO_AGENT="1")
        begun, listed_in = time.monotonic(), 0.0
        while not listed_in or min(map(renewals, notes(at_home))) < 1:
            if not listed_in and populate.poll() is not None:
                listed_in = time.monotonic() - begun
            for shell in shells:
                assert shell.stdin
                shell.stdin.write("noted\n")
                shell.stdin.flush()
            time.sleep(0.3)
            assert time.monotonic() - begun < 30 + REAL_ACCOUNTS, notes(at_home)
    finally:
        for shell in shells:
            assert shell.stdin
            shell.stdin.close()
            shell.wait(10)
    output, errors = populate.communicate()
    assert (populate.returncode, len(output.splitlines())) == (0, REAL_ACCOUNTS), errors
    # Where sessions live for seconds, a busy machine may be late once.
    looked_at = slice(None) if REAL_ACCOUNTS > 200 else slice(-1, None)
    late = max(now - end for lines in notes(at_home) for _, end, now in lines[looked_at])
    renewed = sum(map(renewals, notes(at_home)))
    print(f"{REAL_ACCOUNTS} accounts in {listed_in:.0f} s, {renewed} renewals, latest {late} s after the end")
    assert late <= 0


def real_shell(home: Home, profile: str) -> "subprocess.Popen[str]":
    """A bash that is at a prompt, in the session of a profile; `noted` notes it as (key id, its end, now)."""
    shell = subprocess.Popen(
        ["bash", "--norc", "-i"],
        env=home.environment,
        cwd=home.path,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    note = f'echo "$AWS_ACCESS_KEY_ID $SHELLVAULT_EXPIRES_AT $EPOCHSECONDS" >>{home.path}/notes-{profile}'
    lines = ('eval "$(shellvault init bash)"', f"shellvault use {profile}", f"noted() {{ {note}; }}", "noted")
    assert shell.stdin
    shell.stdin.write("".join(f"{line}\n" for line in lines))
    shell.stdin.flush()
    return shell


def notes(home: Home) -> list[list[tuple[str, int, int]]]:
    """What each shell has noted; every line is that of a session."""
    found = []
    for path in sorted(home.path.glob("notes-*")):
        rows = [line.split() for line in path.read_text().splitlines()]
        found.append([(key, int(end), int(now)) for key, end, now in rows])
    return found or [[]]


def renewals(lines: list[tuple[str, int, int]]) -> int:
    return len({key for key, _, _ in lines}) - 1
