"""The token of a portal: got from a person, kept, renewed ahead of time, and shared with the AWS CLI's cache."""

import hashlib
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from shellvault.errors import NeedsPersonError, SessionError
from shellvault.sessions.context import SignInTask
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import RefusedError
from shellvault.signin import flows, identity_center
from shellvault.signin.cli_cache import iso
from shellvault.signin.model import Token
from shellvault.signin.sessions import signed_in
from shellvault.vault.sign_ins import SignInLabel
from tests.signin.parts import Desk
from tests.support.signin import START_URL
from tests.support.signin.emulator import visit
from tests.support.signin.oidc import DEVICE_GRANT
from tests.support.signin.replies import Answer, oidc_error, portal_error

MINUTE = 60


def token(desk: Desk, name: str = "admin", **changes: Any) -> Token:
    return identity_center.token(desk.work(**changes), desk.sign_in_step(name))


def role(desk: Desk, name: str = "admin", **changes: Any) -> Session:
    its_role = desk.plan(name).steps[-1]
    work = desk.work(**changes)

    class Vault:
        sign_ins = desk.store

    return signed_in(SignInTask(its_role, Vault(), work.prompter, work.context, work.lock))  # type: ignore[arg-type]


def cli_file(desk: Desk, key: str = "corp") -> Path:
    return desk.home / ".aws" / "sso" / "cache" / f"{hashlib.sha1(key.encode()).hexdigest()}.json"


def cli_sign_in(desk: Desk, *, seconds: int, age: int = 0, **changes: str) -> dict[str, Any]:
    """What `aws sso login` leaves: a real token of these services, of which so many seconds are left."""
    helper = Desk(desk.services, desk.home)
    found = identity_center.sign_in(helper.work(), helper.sign_in_step())
    assert found.client
    document = {
        "startUrl": START_URL,
        "region": "eu-west-1",
        "accessToken": found.access_token,
        "expiresAt": iso(int(desk.services.now()) + seconds),
        "clientId": found.client.client_id,
        "clientSecret": found.client.client_secret,
        "registrationExpiresAt": iso(found.client.expires_at),
        "refreshToken": found.refresh_token,
        "unknownMember": "kept",
    } | changes
    path = cli_file(desk)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    written = desk.services.now() - age
    os.utime(path, (written, written))
    desk.services.calls.clear()
    return document


# A person signs in.


def test_a_person_signs_in_once_for_all_roles_of_a_portal(desk: Desk) -> None:
    first, second = role(desk), role(desk, "reader")
    assert first.access_key_id != second.access_key_id
    assert len(desk.visitor.shown) == desk.services.calls["POST /token"] == 1
    assert first.account_id == "000000000000"


def test_the_link_holds_no_secret_that_signs_in(desk: Desk) -> None:
    found = token(desk)
    (challenge,) = desk.visitor.shown
    assert found.client
    for secret in (found.access_token, found.refresh_token, found.client.client_secret):
        assert secret
        assert secret not in challenge.link
    assert challenge.link not in repr(challenge)
    assert found.access_token not in repr(found)


def test_profiles_with_only_a_start_url_share_a_sign_in(desk: Desk) -> None:
    assert token(desk, "legacy").refresh_token
    assert token(desk, "legacy", quiet=True)


@pytest.mark.parametrize(
    "written", [START_URL + "/", START_URL + "/#/", START_URL + "#/", START_URL.replace("d-", "D-")]
)
def test_a_start_url_may_be_written_in_several_ways(desk: Desk, written: str) -> None:
    config = desk.home / ".aws" / "config"
    config.write_text(
        config.read_text().replace(
            f"[profile legacy]\nsso_start_url = {START_URL}", f"[profile legacy]\nsso_start_url = {written}"
        )
    )
    desk.environment["SHELLVAULT_DEVICE_CODE"] = "1"
    assert token(desk, "legacy")


def test_without_a_person_nothing_begins(desk: Desk) -> None:
    with pytest.raises(NeedsPersonError, match="not signed in to corp: run `shellvault signin admin`"):
        token(desk, quiet=True)
    assert not desk.services.requests


def test_a_refusal_in_the_browser_is_one_line_and_leaves_nothing(desk: Desk) -> None:
    desk.services.consenting = "deny"
    with pytest.raises(SessionError, match=r"access_denied: The user refused .*try again, and allow"):
        token(desk)
    assert not desk.store.labels()


def test_an_answer_with_another_state_does_not_end_the_wait(desk: Desk) -> None:
    desk.services.consenting = "wrong-state"
    pages = []

    def twice(link: str) -> None:
        pages.append(visit(link))
        desk.services.consenting = "allow"
        pages.append(visit(link))

    desk.visitor.visits = twice
    assert token(desk)
    assert pages[0] == 400


def test_a_command_that_ends_ends_the_wait(desk: Desk) -> None:
    desk.services.consenting = "nobody"
    desk.visitor.is_there = False
    with pytest.raises(NeedsPersonError, match="the sign-in to corp timed out"):
        token(desk)


@pytest.mark.parametrize(
    "name", ["InvalidGrantException", "ExpiredTokenException", "InvalidRequestException"]
)
def test_a_code_that_aws_does_not_take_is_one_line(desk: Desk, name: str) -> None:
    desk.services.fail("POST /token", oidc_error(name, "why"))
    with pytest.raises(SessionError, match="AWS refused the sign-in to corp"):
        token(desk)


@pytest.mark.parametrize("device_code", ["0", "1"])
def test_registrations_that_aws_has_forgotten_hinder_no_sign_in(desk: Desk, device_code: str) -> None:
    desk.environment["SHELLVAULT_DEVICE_CODE"] = device_code
    token(desk)
    desk.services.oidc.clients.clear()
    assert desk.services.oidc.is_alive(identity_center.sign_in(desk.work(), desk.sign_in_step()).access_token)
    desk.services.oidc.clients.clear()
    desk.services.clock_offset = 61 * MINUTE
    assert desk.services.oidc.is_alive(token(desk).access_token)


@pytest.mark.parametrize(
    ("device_code", "grants"),
    [("0", {"authorization_code", "refresh_token"}), ("1", {DEVICE_GRANT, "refresh_token"})],
)
def test_a_registration_is_for_one_grant(desk: Desk, device_code: str, grants: set[str]) -> None:
    desk.environment["SHELLVAULT_DEVICE_CODE"] = device_code
    assert token(desk).refresh_token
    (client,) = desk.services.oidc.clients.values()
    assert client.grants == grants


@pytest.mark.parametrize("device_code", ["0", "1"])
def test_a_wait_ends_when_the_cli_has_signed_in(desk: Desk, device_code: str) -> None:
    desk.environment["SHELLVAULT_DEVICE_CODE"] = device_code
    document: dict[str, Any] = {}

    def other_program(link: str) -> None:
        time.sleep(1.5)
        document.update(cli_sign_in(desk, seconds=3000))

    desk.visitor.visits = other_program
    begun = time.monotonic()
    assert token(desk).access_token == document["accessToken"]
    assert time.monotonic() - begun < 8
    assert "another program has signed in" in desk.visitor.told[-1]
    assert not desk.store.labels()


# By a code.


@pytest.fixture
def elsewhere(desk: Desk) -> Desk:
    desk.environment["SHELLVAULT_DEVICE_CODE"] = "1"
    return desk


def test_a_person_elsewhere_signs_in_with_a_code(elsewhere: Desk) -> None:
    assert token(elsewhere).refresh_token
    (challenge,) = elsewhere.visitor.shown
    assert challenge.code in challenge.link
    assert len(challenge.code) == 9


def test_pending_and_slow_down_are_waited_out(elsewhere: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_center, "_SLOWER", 0.3)
    pending, slow = oidc_error("AuthorizationPendingException"), oidc_error("SlowDownException")
    elsewhere.services.fail("POST /token", pending, slow, pending)
    assert token(elsewhere)
    assert elsewhere.services.calls["POST /token"] >= 4


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("ExpiredTokenException", "the sign-in to corp timed out"),
        ("AccessDeniedException", "was refused in the browser"),
        ("InvalidGrantException", "AWS refused the sign-in to corp: invalid_grant"),
    ],
)
def test_the_end_of_a_code_is_one_line(elsewhere: Desk, fault: str, message: str) -> None:
    elsewhere.services.fail("POST /token", oidc_error(fault))
    with pytest.raises((SessionError, NeedsPersonError), match=message):
        token(elsewhere)


# Renewal.


def test_a_token_is_renewed_before_its_end_without_a_person(desk: Desk) -> None:
    first = token(desk)
    desk.services.clock_offset = 46 * MINUTE
    second = token(desk, quiet=True)
    assert second.access_token != first.access_token
    assert second.refresh_token != first.refresh_token
    assert token(desk, quiet=True) == second
    assert len(desk.visitor.shown) == 1


def test_a_refused_refresh_token_is_not_tried_again(desk: Desk) -> None:
    token(desk)
    desk.services.clock_offset = 50 * MINUTE
    desk.services.portal_ends_at = desk.services.now() - 1
    assert token(desk, quiet=True)  # It still lives: AWS may take it to its end.
    desk.services.clock_offset = 61 * MINUTE
    for _ in range(3):
        with pytest.raises(NeedsPersonError):
            token(desk, quiet=True)
    assert desk.services.calls["POST /token"] == 2


def test_services_out_of_order_cost_no_sign_in(desk: Desk) -> None:
    first = token(desk)
    desk.services.clock_offset = 50 * MINUTE
    desk.services.fail("POST /token", oidc_error("InternalServerException"))
    assert token(desk) == first
    desk.services.clock_offset = 61 * MINUTE
    desk.services.fail("POST /token", Answer(503, b"busy"), oidc_error("SlowDownException"))
    assert token(desk).expires_at > desk.services.now()
    assert len(desk.visitor.shown) == 1


def test_a_token_that_the_portal_refuses_is_renewed_once(desk: Desk) -> None:
    token(desk)
    desk.services.fail("GET /federation/credentials", portal_error("UnauthorizedException", "gone"))
    assert role(desk, quiet=True)
    assert desk.services.calls["POST /token"] == 2


def test_a_portal_that_takes_no_token_needs_a_person(desk: Desk) -> None:
    token(desk)
    gone = portal_error("UnauthorizedException", "gone")
    desk.services.fail("GET /federation/credentials", gone, gone)
    with pytest.raises(NeedsPersonError, match="AWS does not accept the sign-in"):
        role(desk, quiet=True)


@pytest.mark.parametrize("name", ["ForbiddenException", "ResourceNotFoundException"])
def test_other_refusals_of_a_role_are_no_reason_to_sign_in(desk: Desk, name: str) -> None:
    first = token(desk)
    desk.services.fail("GET /federation/credentials", portal_error(name, "No access"))
    name = "assigned to you" if name == "ForbiddenException" else name
    with pytest.raises(RefusedError, match=name):
        role(desk)
    assert token(desk) == first


# With the AWS CLI.


def test_a_sign_in_of_the_cli_is_used(desk: Desk) -> None:
    document = cli_sign_in(desk, seconds=3000)
    before = cli_file(desk).read_bytes()
    assert token(desk, quiet=True).access_token == document["accessToken"]
    assert cli_file(desk).read_bytes() == before
    assert not desk.store.labels()


def test_the_newer_sign_in_wins(desk: Desk) -> None:
    ours = token(desk)
    older = cli_sign_in(desk, seconds=3000, age=100)
    assert token(desk, quiet=True) == ours
    newer = cli_sign_in(desk, seconds=3000, age=-5)
    assert token(desk, quiet=True).access_token == newer["accessToken"] != older["accessToken"]


def test_the_clis_file_is_renewed_in_place(desk: Desk) -> None:
    document = cli_sign_in(desk, seconds=10 * MINUTE, age=50 * MINUTE)
    found = token(desk, quiet=True)
    path = cli_file(desk)
    after = json.loads(path.read_text())
    changed = {key for key in after if after[key] != document[key]}
    assert changed == {"accessToken", "expiresAt", "refreshToken"}
    assert after["accessToken"] == found.access_token
    assert path.stat().st_mode & 0o777 == 0o600
    assert not desk.store.labels()


def test_a_refresh_token_that_another_program_used_is_read_again(desk: Desk) -> None:
    document = cli_sign_in(desk, seconds=10 * MINUTE, age=50 * MINUTE)

    def other_program() -> None:
        path = cli_file(desk)
        changes = {"accessToken": "newer-token", "expiresAt": iso(int(desk.services.now()) + 3600)}
        path.write_text(json.dumps(document | changes))

    desk.services.oidc.refresh_tokens.clear()
    desk.services.delay["POST /token"] = 0.3
    threading.Timer(0.1, other_program).start()
    assert token(desk, quiet=True).access_token == "newer-token"


@pytest.mark.parametrize(
    "content", ["", "no json", "[]", '{"accessToken": "two\\nlines"}', '{"accessToken": "x"}']
)
def test_a_damaged_file_counts_as_none_and_is_left_alone(desk: Desk, content: str) -> None:
    path = cli_file(desk)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert token(desk)
    assert path.read_text() == content


def test_a_file_without_a_refresh_token_is_used_to_its_end(desk: Desk) -> None:
    cli_sign_in(desk, seconds=2 * MINUTE, refreshToken="")
    assert token(desk, quiet=True)
    desk.services.clock_offset = 3 * MINUTE
    with pytest.raises(NeedsPersonError):
        token(desk, quiet=True)


def test_an_exported_token_is_only_where_the_cli_looks(desk: Desk) -> None:
    token(desk)
    desk.environment["SHELLVAULT_EXPORT_TOKEN"] = "1"
    found = identity_center.sign_in(desk.work(), desk.sign_in_step())
    assert found.client
    assert json.loads(cli_file(desk).read_text()) == {
        "startUrl": START_URL,
        "region": "eu-west-1",
        "accessToken": found.access_token,
        "expiresAt": iso(found.expires_at),
        "clientId": found.client.client_id,
        "clientSecret": found.client.client_secret,
        "registrationExpiresAt": iso(found.client.expires_at),
        "refreshToken": found.refresh_token,
    }
    assert [label.kind for label in desk.store.labels().values()] == ["client"]
    assert token(desk, quiet=True).access_token == found.access_token


# What is kept.


def test_what_is_kept_is_named_by_its_label(desk: Desk) -> None:
    found = token(desk)
    label = desk.store.labels()[desk.sign_in_step().fingerprint]
    assert found.client
    assert label == SignInLabel("sso", "corp", found.client.expires_at, found.expires_at)


@pytest.mark.parametrize("damage", [{"access_token": "a b"}, {"issued_at": "x"}, {"expires_at": None}])
def test_damage_in_the_vault_counts_as_no_sign_in(desk: Desk, damage: dict[str, Any]) -> None:
    data = token(desk).to_json() | damage
    assert Token.from_json(data) is None


def test_an_unanswered_tab_is_not_followed_by_another(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "PATIENCE", 0.1)
    desk.services.consenting = "nobody"
    for _ in range(3):
        with pytest.raises(NeedsPersonError, match="timed out"):
            token(desk)
    assert [challenge.was_shown for challenge in desk.visitor.shown] == [False, True, True]
    monkeypatch.setattr(flows, "PATIENCE", 30)
    desk.services.consenting = "allow"
    token(desk)
    desk.store.clear()
    token(desk)
    assert [challenge.was_shown for challenge in desk.visitor.shown[3:]] == [True, False]
