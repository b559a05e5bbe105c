"""The sign-in to AWS: proofs of possession, renewal, AWS's own test cases, and the AWS CLI's cache."""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from shellvault.errors import NeedsPersonError, SessionError
from shellvault.plan import Endpoint, Step
from shellvault.sessions.answers import Answer
from shellvault.sessions.model import Challenge, Session
from shellvault.signin import aws_sign_in, dpop, login, service
from shellvault.signin.cli_cache import iso
from shellvault.signin.login import Login
from tests.signin.parts import Desk, Visitor
from tests.support.signin import SignInEmulator
from tests.support.signin.emulator import visit
from tests.support.signin.replies import login_error

MINUTE = 60
ARN = "arn:aws:iam::000000000000:user/ada"
CASES = json.loads((Path(__file__).parent / "login-provider-test-cases.json").read_text())


def session(desk: Desk, **changes: Any) -> Session:
    return aws_sign_in.session(desk.work(**changes), desk.sign_in_step("me"))


def cli_file(desk: Desk) -> Path:
    return desk.home / ".aws" / "login" / "cache" / f"{hashlib.sha256(ARN.encode()).hexdigest()}.json"


def cli_login(desk: Desk, *, seconds: int, age: int = 0, **changes: Any) -> dict[str, Any]:
    """What `aws login` leaves: a real sign-in of these services, of which so many seconds are left."""
    helper = replace(desk, visitor=Visitor(desk.visitor.visits), store=Desk(desk.services, desk.home).store)
    found = aws_sign_in.sign_in(helper.work(), helper.sign_in_step("me"))
    document = {
        "accessToken": {
            "accessKeyId": found.session.access_key_id,
            "secretAccessKey": found.session.secret_access_key,
            "sessionToken": found.session.session_token,
            "accountId": "000000000000",
            "expiresAt": iso(int(desk.services.now()) + seconds),
        },
        "tokenType": "aws_sigv4",
        "clientId": found.client_id,
        "refreshToken": found.refresh_token,
        "idToken": found.identity,
        "dpopKey": found.key,
    } | changes
    path = cli_file(desk)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    written = desk.services.now() - age
    os.utime(path, (written, written))
    desk.services.calls.clear()
    return document


# AWS's own cases for `login_session`.


@pytest.mark.parametrize("case", CASES, ids=[case["documentation"] for case in CASES])
def test_aws_case(case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ".aws" / "login" / "cache"
    folder.mkdir(parents=True)
    (tmp_path / ".aws" / "config").write_text(case["configContents"])
    now = 1_763_510_400.0  # 2025-11-19T00:00:00Z, from which the expected times count.
    for name, content in case["cacheContents"].items():
        (folder / name).write_text(json.dumps(content))
        os.utime(folder / name, (now - 1000, now - 1000))
    replies = [call["response"] for call in case.get("mockApiCalls", ()) if "response" in call]
    asked = []

    def call(of: str, operation: str, parameters: dict[str, Any], *_: object, **__: object) -> dict[str, Any]:
        asked.append(parameters)
        if replies:
            reply: dict[str, Any] = replies.pop(0)
            return reply
        raise service.ServiceRefusalError("refused", Answer("ValidationException", "INVALID_REQUEST"))

    monkeypatch.setattr(service, "call", call)
    desk = Desk(SignInEmulator(url="http://127.0.0.1:9"), tmp_path)
    monkeypatch.setattr(desk.services, "now", lambda: now)
    work = desk.work(quiet=True)
    step = desk.plan("signin").steps[0]
    expected, *more = case["outcomes"]
    if expected["result"] == "error":
        with pytest.raises(NeedsPersonError):
            aws_sign_in.session(work, step)
    else:
        found = aws_sign_in.session(work, step)
        got = (found.access_key_id, found.secret_access_key, found.session_token, found.account_id)
        assert got == tuple(
            expected[key] for key in ("accessKeyId", "secretAccessKey", "sessionToken", "accountId")
        )
        assert iso(found.expires_at or 0) == expected["expiresAt"]
    assert asked == [call["request"] for call in case.get("mockApiCalls", ())]
    for outcome in more:
        for name, content in outcome.items():
            assert name == "result" or json.loads((folder / name).read_text()) == content


# A person signs in.


def test_a_person_signs_in_on_this_machine(desk: Desk) -> None:
    found = session(desk)
    assert found.account_id == "000000000000"
    assert (found.expires_at or 0) - found.issued_at == 15 * MINUTE
    assert session(desk, quiet=True) == found
    assert len(desk.visitor.shown) == 1


def copied(challenge: Challenge, services: SignInEmulator) -> str:
    visit(challenge.link)
    return services.shown_codes[-1]


@pytest.mark.parametrize(
    "mistake", [None, "", "no base64!", base64.b64encode(b"state=other&code=x").decode()]
)
def test_a_person_elsewhere_copies_a_code(desk: Desk, mistake: str | None) -> None:
    desk.environment["SHELLVAULT_DEVICE_CODE"] = "1"
    right: Callable[[Challenge], str] = lambda challenge: f"  {copied(challenge, desk.services)}\n"  # noqa: E731
    desk.visitor.answers = [right] if mistake is None else [mistake, right]
    assert session(desk)
    assert len(desk.visitor.told) == (mistake is not None)


def test_another_principal_in_the_browser_is_not_kept(desk: Desk) -> None:
    desk.services.principal = "arn:aws:iam::000000000000:user/eve"
    with pytest.raises(SessionError, match=r"signed in as arn:.*/eve, and profile me is for arn:.*/ada"):
        session(desk)
    assert not desk.store.labels()


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("AUTHCODE_EXPIRED", "the code was too old or used already"),
        ("INSUFFICIENT_PERMISSIONS", "SignInLocalDevelopmentAccess"),
        ("INVALID_REQUEST", "AWS refused the AWS sign-in: INVALID_REQUEST .*check the region"),
        ("rate_exceeded", "try again in a minute"),
        ("server_error", "try again in a minute"),
    ],
)
def test_what_aws_says_leads_to_what_to_do(desk: Desk, value: str, advice: str) -> None:
    desk.services.fail("POST /v1/token", login_error(value))
    with pytest.raises(SessionError, match=advice):
        session(desk)
    assert not desk.store.labels()


# Renewal.


def test_credentials_are_renewed_for_12_hours_without_a_person(desk: Desk) -> None:
    seen = {session(desk).access_key_id}
    for minutes in range(9, 12 * 60, 37):
        desk.services.clock_offset = minutes * MINUTE
        found = session(desk, quiet=True)
        assert found.remaining(desk.services.now()) > 5 * MINUTE or minutes > 12 * 60 - 15
        seen.add(found.access_key_id)
    assert len(seen) == 21
    desk.services.clock_offset = 12 * 3600 + 1
    with pytest.raises(NeedsPersonError, match="run `shellvault signin admin`"):
        session(desk, quiet=True)
    assert len(desk.visitor.shown) == 1


@pytest.mark.parametrize("value", ["TOKEN_EXPIRED", "USER_CREDENTIALS_CHANGED"])
def test_a_refused_renewal_is_not_tried_again(desk: Desk, value: str) -> None:
    session(desk)
    desk.services.clock_offset = 16 * MINUTE
    desk.services.fail("POST /v1/token", login_error(value))
    for _ in range(2):
        with pytest.raises(NeedsPersonError):
            session(desk, quiet=True)
    assert desk.services.calls["POST /v1/token"] == 2


def test_a_sign_in_that_is_over_too_soon_points_at_the_clock(desk: Desk) -> None:
    session(desk)
    desk.services.clock_offset = 11 * MINUTE
    desk.services.fail("POST /v1/token", login_error("TOKEN_EXPIRED"))
    session(desk, quiet=True)
    assert "clock" in desk.visitor.told[-1]


def test_services_out_of_order_cost_no_sign_in(desk: Desk) -> None:
    first = session(desk)
    desk.services.clock_offset = 11 * MINUTE
    desk.services.fail("POST /v1/token", login_error("server_error"))
    assert session(desk) == first
    desk.services.clock_offset = 16 * MINUTE
    desk.services.fail("POST /v1/token", login_error("rate_exceeded"))
    assert session(desk) != first
    assert len(desk.visitor.shown) == 1


def test_credentials_that_aws_does_not_take_are_replaced(desk: Desk) -> None:
    first = session(desk)
    second = aws_sign_in.session(desk.work(quiet=True), desk.sign_in_step("me"), first.access_key_id)
    assert second.access_key_id != first.access_key_id


def test_the_renewal_goes_where_the_sign_in_was_made(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    session(desk)
    data = desk.store.load(desk.sign_in_step("me").fingerprint)
    assert Login.from_json(data)
    regions = []
    real = login.renewed
    monkeypatch.setattr(
        login, "renewed", lambda where, *rest: (regions.append(where.region), real(where, *rest))[1]
    )
    config = desk.home / ".aws" / "config"
    config.write_text(config.read_text().replace("region = eu-central-1", "region = us-west-2"))
    desk.services.clock_offset = 16 * MINUTE
    session(desk, quiet=True)
    assert regions == ["eu-central-1"]


# With the AWS CLI.


def test_a_sign_in_of_the_cli_is_used_and_renewed_in_place(desk: Desk) -> None:
    document = cli_login(desk, seconds=14 * MINUTE)
    assert session(desk, quiet=True).access_key_id == document["accessToken"]["accessKeyId"]
    desk.services.clock_offset = 12 * MINUTE
    found = session(desk, quiet=True)
    after = json.loads(cli_file(desk).read_text())
    assert {key for key in after if after[key] != document[key]} == {"accessToken", "refreshToken"}
    assert after["accessToken"]["accessKeyId"] == found.access_key_id
    assert after["accessToken"]["accountId"] == "000000000000"
    assert cli_file(desk).stat().st_mode & 0o777 == 0o600
    assert not desk.store.labels()


def test_the_cache_may_lie_elsewhere(desk: Desk) -> None:
    cli_login(desk, seconds=14 * MINUTE)
    elsewhere = desk.home / "elsewhere"
    cli_file(desk).parent.rename(elsewhere)
    desk.environment |= {"AWS_LOGIN_CACHE_DIRECTORY": "$BASE/elsewhere", "BASE": "~"}
    assert session(desk, quiet=True)


def test_a_key_in_the_other_pem_format_is_read(desk: Desk) -> None:
    document = cli_login(desk, seconds=1, age=900)
    key = serialization.load_pem_private_key(document["dpopKey"].encode(), None)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = cli_file(desk)
    path.write_text(json.dumps(document | {"dpopKey": pem.decode()}))
    os.utime(path, (1, 1))
    assert session(desk, quiet=True)


@pytest.mark.parametrize("key", ["", "no key", None, 3])
def test_a_malformed_key_is_reported(key: object) -> None:
    assert not dpop.is_key(key)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "eu-west-1.signin.aws.amazon.com"),
        ("us-gov-west-1", "us-gov-west-1.signin.amazonaws-us-gov.com"),
        ("cn-north-1", "cn-north-1.signin.amazonaws.cn"),
        ("eusc-de-east-1", "eusc-de-east-1.signin.amazonaws-eusc.eu"),
    ],
)
def test_the_page_is_that_of_the_partition(region: str, host: str) -> None:
    assert login.base_url(Endpoint(region)) == f"https://{host}"


def test_the_step_is_in_the_partition_of_its_principal(desk: Desk) -> None:
    config = desk.home / ".aws" / "config"
    config.write_text("[profile me]\nlogin_session = arn:aws-cn:iam::000000000000:user/ada\n")
    step: Step = desk.sign_in_step("me")
    assert step.endpoint.region == "cn-north-1"


@pytest.mark.parametrize("minutes", [1, 20])
def test_a_sign_in_is_ended_at_aws(desk: Desk, minutes: int) -> None:
    session(desk)
    desk.services.login.sessions["another"] = {
        "sessionArn": "another", "clientId": login.SAME_DEVICE, "status": "ACTIVE", "issuedAt": 1
    }  # fmt: skip
    found = aws_sign_in.current(desk.work(), desk.sign_in_step("me"))
    assert found
    desk.services.clock_offset = minutes * MINUTE
    aws_sign_in.revoke(desk.work(), desk.sign_in_step("me"), found)
    assert sorted(each["status"] for each in desk.services.login.sessions.values()) == ["ACTIVE", "REVOKED"]
    desk.services.clock_offset = 30 * MINUTE
    with pytest.raises(NeedsPersonError):
        session(desk, quiet=True)
