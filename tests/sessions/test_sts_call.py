"""Calls to STS without botocore: what is sent, believed, repeated and said is what it is with botocore."""

import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import parse_qs

import botocore.auth
import botocore.session
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from botocore.parsers import QueryParser
from hypothesis import given, settings
from hypothesis import strategies as st

from shellvault.errors import ShellvaultError
from shellvault.fastlane import request
from shellvault.plan import Endpoint, endpoint_for
from shellvault.plan.steps import AssumeRole, FederationToken, SessionToken, WebIdentity
from shellvault.plan.steps.sts import StsCall
from shellvault.profiles.parse import load
from shellvault.profiles.resolve import Overrides, resolve
from shellvault.sessions import sts_call, sts_reply
from shellvault.sessions.calls import call_sts
from shellvault.sessions.clients import client_for
from shellvault.sessions.model import Session
from shellvault.worker import modules
from tests.support.http_front import Answer, serving

SOURCE = Session("AKIA1234567890123456", "s3cr3t/key+of=mine", "t0ken-of-mine")
NOW = 1_800_000_000.0
ROLE = "arn:aws:iam::111111111111:role/some role"

STEPS: tuple[StsCall, ...] = (
    SessionToken("work", duration=900),
    AssumeRole(
        "work",
        duration=900,
        role_arn=ROLE,
        session_name="me@home",
        external_id="é & ü",
        source_identity="ada",
        session_tags=(("Team", "a b"), ("é", "=&")),
        transitive_session_tags=("Team",),
        policy='{"Statement": ["+%"]}',
        policy_arns=("arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"),
    ),
    WebIdentity("work", duration=900, role_arn=ROLE, token_file="/token"),
    FederationToken("work", duration=900, session_name="ada"),
)


class CapturedError(Exception):
    """A request that was about to be sent."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


def by_botocore(endpoint: Endpoint, operation: str, parameters: dict[str, Any]) -> Any:
    """The request that botocore would send."""

    def capture(request: Any, **_: Any) -> None:
        raise CapturedError(request)

    client = client_for("sts", endpoint, SOURCE, 1)
    client.meta.events.register("before-send", capture)
    with pytest.raises(CapturedError) as captured:
        getattr(client, operation)(**parameters)
    return captured.value.request


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.call)
def test_the_form_is_botocores(step: StsCall) -> None:
    parameters = step.parameters(NOW) | {"SerialNumber": "arn:x", "TokenCode": "123456"}
    if isinstance(step, WebIdentity):
        parameters = step.parameters(NOW) | {"WebIdentityToken": "a.b.c"}
    elif isinstance(step, FederationToken):
        parameters = step.parameters(NOW)
    theirs = by_botocore(Endpoint("eu-west-1"), step.operation, parameters).body
    name = parse_qs(theirs)["Action"][0]
    assert sorted(sts_call.form(name, parameters).split(b"&")) == sorted(theirs.encode().split(b"&"))


SETTINGS = (
    (None, "http://127.0.0.1:4566", "http://localhost/", "https://sts.example:8443", "https://sts.example/path",
     "http://user@localhost", "http://[::1]:80", "https://a_b"),
    (False, True),
    (False, True),
    (False, True),
)  # fmt: skip


def regions() -> Iterator[str]:
    for partition in Loader().load_data("partitions")["partitions"]:
        yield from partition["regions"]
    yield from ("us-future-9", "xx-bench-1", "cn-new-3", "us-gov-north-7")


def test_the_host_and_the_signatures_region_are_botocores() -> None:
    everywhere = [Endpoint(region) for region in regions()]
    special = [
        Endpoint(region, url, legacy=legacy, fips=fips, dual_stack=dual)
        for region in ("eu-west-1", "us-east-1", "cn-north-1")
        for url, legacy, fips, dual in itertools.product(*SETTINGS)
    ]
    served = [endpoint for endpoint in (*everywhere, *special) if sts_call.serves(endpoint)]
    assert len(served) > 40
    for endpoint in served:
        theirs = client_for("sts", endpoint, SOURCE, 1)
        server = sts_call.server_of(endpoint)
        ours = f"{'https' if server.is_tls else 'http'}://{server.name}"
        assert (ours, endpoint.region) == (
            theirs.meta.endpoint_url.rstrip("/"),
            theirs._request_signer._region_name,
        )


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "all_proxy"])
def test_behind_a_proxy_botocore_is_used(name: str) -> None:
    with mock.patch.dict(os.environ, {name: "http://proxy.example:3128"}):
        assert not sts_call.serves(Endpoint("eu-west-1"))
        assert sts_call.serves(Endpoint("eu-west-1", is_direct=True))


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), TEXT, TEXT, st.one_of(st.none(), TEXT), st.datetimes(datetime(2020, 1, 1)))
def test_the_signature_is_botocores(
    body: bytes, key_id: str, secret: str, token: str | None, now: datetime
) -> None:
    request = AWSRequest("POST", "http://127.0.0.1:4566/", {"Content-Type": sts_call._FORM}, body)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda: now):
        botocore.auth.SigV4Auth(Credentials(key_id, secret, token), "sts", "eu-west-1").add_auth(request)
    ours = sts_call.signed(
        "127.0.0.1:4566", body, "eu-west-1", Session(key_id, secret, token), now.replace(tzinfo=UTC)
    )
    assert ours["authorization"] == request.headers["Authorization"]


def reply(inner: str, operation: str = "GetSessionToken") -> bytes:
    return (
        f'<{operation}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/" xmlns:x="urn:x">'
        f"<{operation}Result>{inner}</{operation}Result>"
        f"<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{operation}Response>"
    ).encode()


def credentials(expiration: str) -> str:
    return (
        "<Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>a&amp;b&#233;</SecretAccessKey>"
        f"<x:SessionToken><![CDATA[<t>]]></x:SessionToken><Expiration>{expiration}</Expiration></Credentials>"
    )


@pytest.mark.parametrize(
    "expiration",
    ["2030-01-02T03:04:05Z", "2030-01-02T03:04:05.678Z", "2030-01-02T03:04:05+02:00", "1900000000",
     "Wed, 02 Jan 2030 03:04:05 GMT"],
)  # fmt: skip
def test_a_result_is_read_as_by_botocore(expiration: str) -> None:
    body = reply(credentials(expiration))
    model = botocore.session.Session().get_service_model("sts").operation_model("GetSessionToken")
    theirs = QueryParser().parse({"status_code": 200, "headers": {}, "body": body}, model.output_shape)
    ours = sts_reply.result("GetSessionToken", body)
    assert ours["Credentials"] == theirs["Credentials"]


def error(code: str, message: str = "no") -> bytes:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>".encode()


#: Answers by status and body. A time of 2030 is no session's end that AWS gives.
ANSWERS = (
    (200, reply(credentials("2030-01-02T03:04:05Z"))),
    (200, reply(credentials("tomorrow"))),
    (200, reply("")),
    (200, reply("<Credentials/>")),
    (200, b""),
    (200, b"<a/>"),
    (200, b"\x00\xff"),
    (200, b"<html><head><title>Welcome to the hotel</title><body><p>Sign in"),
    (301, b"<html><body>moved</body></html>"),
    (302, b""),
    (400, error("ValidationError", "1 error &lt;s3cr3t/key+of=mine>")),
    (400, error("Throttling", "Rate exceeded")),
    (400, error("IDPCommunicationError")),
    (403, error("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")),
    (403, error("ExpiredToken")),
    (403, error("SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2")),
    (403, b"<Response><Errors><Error><Code>Odd</Code><Message>m</Message></Error></Errors></Response>"),
    (403, b"<Error/>"),
    (403, b"denied"),
    (407, b"<html>proxy</html>"),
    (429, error("Odd")),
    (429, b""),
    (500, b""),
    (500, error("InternalFailure")),
    (502, b"<html><body>Bad gateway</body></html>"),
    (503, b"  \n"),
    (503, b"<!DOCTYPE html><p>later"),
    (504, b"gateway"),
)  # fmt: skip


@dataclass
class Front:
    """A server that gives one answer to every call, and counts them."""

    answer: Answer
    calls: int = 0
    endpoint: str = ""

    def respond(self, headers: dict[str, str], body: bytes) -> Answer:
        self.calls += 1
        return self.answer


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    running = Front(Answer(200, {}, b""))
    with serving(running.respond) as running.endpoint:
        yield running


def test_errors_read_and_are_repeated_as_with_botocore(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    step = SessionToken("work", duration=900, endpoint=Endpoint("us-east-1", front.endpoint))
    different = []
    for (status, body), code in itertools.product(ANSWERS, (None, "123456")):
        front.answer = Answer(status, {}, body)
        told = []
        for serves in (sts_call.serves, lambda endpoint: False):
            front.calls = 0
            with monkeypatch.context() as patched:
                patched.setattr(sts_call, "serves", serves)
                try:
                    call_sts(step, SOURCE, NOW, code)
                    said = "a session"
                except ShellvaultError as problem:
                    said = f"{type(problem).__name__}: {problem}"
            told.append((front.calls, said))
        if told[0] != told[1]:
            different.append((status, body, code, told))
    assert different == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://no-such-name.invalid", "https://127.0.0.1:1", "http://192.0.2.1:81"]
)
def test_a_network_without_an_answer_is_told_as_with_botocore(
    url: str, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("shellvault.sessions.sts_call", "shellvault.sessions.clients"):
        monkeypatch.setattr(f"{module}.CONNECT_SECONDS", 0.2)
    step = SessionToken("work", duration=900, endpoint=Endpoint("us-east-1", url))
    told = []
    for serves in (True, False):
        monkeypatch.setattr(sts_call, "serves", lambda endpoint, serves=serves: serves)
        with pytest.raises(ShellvaultError) as raised:
            call_sts(step, SOURCE, NOW)
        told.append((type(raised.value), str(raised.value)))
    assert told[0] == told[1]


#: Settings that STS without botocore does not serve, each of which the worker has to see before a job's thread starts.
LEFT_TO_BOTOCORE = (
    ("use_fips_endpoint = true", {}),
    ("", {"AWS_USE_FIPS_ENDPOINT": "true"}),
    ("region = fips-us-west-2", {}),
    ("use_dualstack_endpoint = true", {}),
    ("", {"AWS_USE_DUALSTACK_ENDPOINT": "TRUE"}),
    ("sts_regional_endpoints = legacy", {}),
    ("", {"AWS_STS_REGIONAL_ENDPOINTS": "legacy"}),
    ("ca_bundle = /ca.pem", {}),
    ("", {"AWS_CA_BUNDLE": "/ca.pem"}),
    ("region = aws-global", {}),
    ("endpoint_url = https://sts.example/path", {}),
    ("Endpoint_URL=https://a_b.example", {}),
    ("", {"AWS_ENDPOINT_URL": "https://sts.example/path"}),
    ("", {"AWS_ENDPOINT_URL_STS": "https://[::1]:4566"}),
    ("services = local\n[services local]\nsts =\n  endpoint_url = https://sts.example/path", {}),
)


@pytest.mark.parametrize(("text", "variables"), [("", {}), ("region = eu-west-1", {}), *LEFT_TO_BOTOCORE])
def test_a_worker_loads_botocore_for_what_is_left_to_it(
    text: str, variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    config = tmp_path / "config"
    config.write_text(f"[profile work]\n{text}\n")
    environment = {"HOME": str(tmp_path), "AWS_CONFIG_FILE": str(config), **variables}
    overrides = Overrides(environment=request.overrides(environment))
    endpoint = endpoint_for(resolve(load(config), "work", overrides), "sts")
    line = request.encode("work", {}, environment, str(tmp_path))
    loaded = modules.modules_of({"request": line, "forms": ["exec"]})
    assert (
        ("botocore.client" in loaded)
        == (not sts_call.serves(endpoint))
        == bool((text, variables) in LEFT_TO_BOTOCORE)
    )
