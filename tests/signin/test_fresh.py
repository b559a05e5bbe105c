"""`signin --fresh` ends the portal's session, whatever holds the sign-in, so that its time starts again."""

import time
from collections.abc import Callable

import pytest

from shellvault.profiles.parse import load
from shellvault.profiles.resolve import Overrides, resolve
from shellvault.signin import actions, identity_center
from shellvault.signin.model import Token
from tests.signin.parts import Desk
from tests.signin.test_identity_center import cli_file, cli_sign_in
from tests.support.signin.replies import Answer


def ours(desk: Desk) -> None:
    identity_center.token(desk.work(), desk.sign_in_step())


def exported(desk: Desk) -> None:
    desk.environment["SHELLVAULT_EXPORT_TOKEN"] = "1"
    ours(desk)


def of_cli(desk: Desk) -> None:
    cli_sign_in(desk, seconds=3000)


#: What may hold the sign-in, and what is said when it has ended.
HOLDERS: dict[str, tuple[Callable[[Desk], None], list[str]]] = {
    "the vault": (ours, []),
    "the AWS CLI's cache, by --export-token": (exported, []),
    "the AWS CLI": (of_cli, ["the AWS CLI's sign-in to corp has ended too: `aws sso login` makes a new one"]),
}


def fresh(desk: Desk) -> Token:
    at = Overrides(environment={"AWS_ENDPOINT_URL": desk.services.url})
    profile = resolve(load(desk.home / ".aws" / "config"), "admin", at)
    return actions._fresh(desk.work(fresh=True), profile, desk.sign_in_step())  # type: ignore[arg-type]


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_fresh_sign_in_begins_a_new_session(desk: Desk, holder: str) -> None:
    hold, told = HOLDERS[holder]
    hold(desk)
    (first,), end = [*desk.services.oidc.tokens], desk.services.oidc.portal_session_ends_at
    time.sleep(0.01)
    new = fresh(desk)
    assert not desk.services.oidc.is_alive(first)
    assert desk.services.oidc.is_alive(new.access_token)
    assert desk.services.oidc.portal_session_ends_at > end
    assert desk.visitor.told == told
    assert cli_file(desk).exists() == (hold is exported)


def test_what_could_not_be_ended_stays_the_clis(desk: Desk) -> None:
    of_cli(desk)
    desk.services.fail("POST /logout", Answer(500), Answer(500))
    fresh(desk)
    assert cli_file(desk).exists()
    assert "the portal's session could not be ended" in desk.visitor.told[0]
