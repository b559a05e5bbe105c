"""Sessions are renewed while a list of many accounts uses up what the portal takes in a second."""

import os
import threading
import time

import pytest

from shellvault.plan import Endpoint
from shellvault.sessions.model import Session
from shellvault.signin import identity_center
from shellvault.signin.patience import Pace
from shellvault.signin.portal import LISTED_A_SECOND, Account, Portal
from tests.signin.parts import Desk

#: Accounts of a large organisation, and shells that renew meanwhile; SHELLVAULT_ACCOUNTS=1000 once in a while.
ACCOUNTS = int(os.environ.get("SHELLVAULT_ACCOUNTS", "100"))
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
