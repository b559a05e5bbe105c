"""Calls to AWS: what is sent, what is believed, and what a person reads when it fails."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.httpsession import where
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shellvault.errors import ConfigError, SessionError
from shellvault.plan import Endpoint, endpoint_for
from shellvault.plan.steps import KINDS, AssumeRole, NarrowableCall, SessionToken, Step, WebIdentity
from shellvault.sessions import calls, sts_call
from shellvault.sessions.calls import call_sts
from shellvault.sessions.clients import client_for
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import RefusedError
from tests.profiles.resolving import resolved
from tests.support.mfa_front import MfaFront, fronting

SOURCE = Session("AKIA1234567890123456", "s3cr3t/key+of=mine", "t0ken-of-mine")
NOW = time.time()
POLICY = '{"Statement":[]}'


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Iterator[MfaFront]:
    """A front with nothing behind it, in an environment that would lead botocore astray."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.setenv(name, "no-such-profile")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE"):
        monkeypatch.setenv(name, "/does/not/exist")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "no-such-region")
    with fronting("http://127.0.0.1:1") as running:
        yield running


def _step(front: MfaFront) -> Step:
    return SessionToken("work", duration=900, endpoint=Endpoint("us-east-1", front.endpoint))


def _reply(**changes: str) -> bytes:
    parts = {
        "AccessKeyId": "ASIA1",
        "SecretAccessKey": "new-secret",
        "SessionToken": "new-token",
        "Expiration": "2100-01-01T00:00:00Z",
    } | changes
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in parts.items() if value)
    return _answer(f"<Credentials>{inner}</Credentials>")


def _answer(inner: str) -> bytes:
    return (
        '<GetSessionTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<GetSessionTokenResult>{inner}</GetSessionTokenResult></GetSessionTokenResponse>"
    ).encode()


def test_a_session_is_what_aws_gave(front: MfaFront) -> None:
    front.answer = _reply(Expiration=datetime.fromtimestamp(int(NOW) + 900, UTC).isoformat())
    step = replace(_step(front), mfa_serial="arn:aws:iam::111111111111:mfa/me")
    assert call_sts(step, SOURCE, NOW) == Session(
        "ASIA1", "new-secret", "new-token", int(NOW), int(NOW) + 900, "111111111111"
    )


def test_an_expiry_beyond_what_aws_gives_is_not_believed(front: MfaFront) -> None:
    front.answer = _reply(Expiration="2100-01-01T00:00:00Z")
    session = call_sts(_step(front), SOURCE, NOW)
    assert (session.expires_at, session.account_id) == (int(NOW) + 36 * 3600, None)


def test_a_role_is_asked_for_with_everything_in_its_step(front: MfaFront) -> None:
    front.failure = (403, "AccessDenied", "no")
    step = AssumeRole(
        "home",
        role_arn="arn:aws:iam::111111111111:role/Home",
        duration=3600,
        external_id="external",
        source_identity="person",
        session_tags=(("team", "a"),),
        transitive_session_tags=("team",),
        endpoint=Endpoint("us-east-1", front.endpoint),
    )
    with pytest.raises(RefusedError):
        call_sts(step, SOURCE, 1_000_000_000.5)
    assert front.forms == [
        {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "DurationSeconds": "3600",
            "RoleArn": "arn:aws:iam::111111111111:role/Home",
            "RoleSessionName": "shellvault-1000000000",
            "ExternalId": "external",
            "SourceIdentity": "person",
            "Tags.member.1.Key": "team",
            "Tags.member.1.Value": "a",
            "TransitiveTagKeys.member.1": "team",
        }
    ]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, NarrowableCall)])
def test_session_policies_go_with_every_call_that_takes_them(
    front: MfaFront, kind: type[NarrowableCall]
) -> None:
    front.failure = (403, "AccessDenied", "no")
    arns = ("arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B")
    role, endpoint = "arn:aws:iam::111111111111:role/Home", Endpoint("us-east-1", front.endpoint)
    step = kind("work", duration=900, role_arn=role, session_name="me", endpoint=endpoint)
    token = "token" if kind is WebIdentity else None
    for policy in (POLICY, None):
        with pytest.raises(RefusedError):
            call_sts(replace(step, policy=policy, policy_arns=arns), SOURCE, NOW, token=token)
    both, alone = front.forms
    assert both["Policy"] == POLICY
    assert "Policy" not in alone
    for form in front.forms:
        assert (form["PolicyArns.member.1.arn"], form["PolicyArns.member.2.arn"]) == arns


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not xml",
        b"<a/>",
        b"\x00\xff",
        _answer(""),
        _answer("<Credentials/>"),
        _reply(AccessKeyId=""),
        _reply(AccessKeyId="two words"),
        _reply(SecretAccessKey="ümlaut"),
        _reply(SessionToken="a&#10;b"),
        _reply(SessionToken="x" * 40_000),
        _reply(Expiration=""),
        _reply(Expiration="tomorrow"),
        _reply(Expiration="2001-01-01T00:00:00Z"),
        _reply(Expiration="9" * 30),
    ],
    ids=lambda answer: answer[-60:].decode("latin-1"),
)
def test_a_reply_that_is_no_session_is_an_error_of_one_line(front: MfaFront, answer: bytes) -> None:
    front.answer = answer
    with pytest.raises(SessionError) as raised:
        call_sts(_step(front), SOURCE, NOW)
    assert str(raised.value).isprintable()
    assert "new-secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("code", "message", "shown"),
    [
        (
            "AccessDenied",
            "User x is not authorized",
            "AccessDenied: User x is not authorized (check the user's",
        ),
        (
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
            "store new ones with",
        ),
        ("ExpiredToken", "The security token included in the request is expired", "(ExpiredToken)"),
        ("SignatureDoesNotMatch", "The request signature x", "does not accept the secret key"),
        ("SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2", "set this machine's clock"),
        ("SignatureDoesNotMatch", "Signature not yet current: 2 is still later", "set this machine's clock"),
        ("RequestExpired", "Request has expired.", "set this machine's clock"),
        ("ValidationError", "1 validation error", "correct the profile in the AWS config file"),
        ("Throttling", "Rate exceeded", "AWS is busy (Rate exceeded): try again in a minute"),
        ("PackedPolicyTooLarge", "Packed size of session tags is 120%", "shorten the session policy"),
        ("MalformedPolicyDocument", "Syntax errors in policy.", "correct or shorten the session policy"),
        ("RegionDisabledException", "STS is not activated in this region", "choose another one (--region)"),
        (
            "AccessDenied",
            "MultiFactorAuthentication failed, unable to validate MFA code.",
            "check mfa_serial",
        ),
        (
            "AccessDenied",
            "MultiFactorAuthentication failed with invalid MFA one time pass code.",
            "try the next one",
        ),
        ("Strange", "two\nlines, &lt;&#233;&#x202e;&gt;", r"Strange: two lines, <é\u202e>"),
    ],
)
def test_a_refusal_says_what_to_do(front: MfaFront, code: str, message: str, shown: str) -> None:
    front.failure = (403, code, message)
    with pytest.raises(RefusedError) as raised:
        call_sts(_step(front), SOURCE, NOW)
    assert shown in str(raised.value)
    assert "get-session-token (profile work)" in str(raised.value)
    assert str(raised.value).isprintable()


def test_no_refusal_shows_a_secret_that_aws_repeats(front: MfaFront) -> None:
    for code in ("AccessDenied", "SignatureDoesNotMatch", "ExpiredToken", "Strange"):
        front.failure = (403, code, f"you sent {SOURCE.secret_access_key} and {SOURCE.session_token}")
        with pytest.raises(RefusedError) as raised:
            call_sts(_step(front), SOURCE, NOW)
        assert "s3cr3t" not in str(raised.value) + repr(raised.value)
        assert "t0ken" not in str(raised.value) + repr(raised.value)


def test_a_long_message_is_shortened(front: MfaFront) -> None:
    front.failure = (403, "AccessDenied", "x" * 5000)
    with pytest.raises(RefusedError) as raised:
        call_sts(_step(front), SOURCE, NOW)
    assert len(str(raised.value)) < 500


def test_a_call_with_a_code_is_made_once_only(front: MfaFront) -> None:
    front.failure = (500, "InternalFailure", "no")
    with pytest.raises(RefusedError):
        call_sts(_step(front), SOURCE, NOW)
    assert front.calls["GetSessionToken"] == 2
    with pytest.raises(RefusedError):
        call_sts(replace(_step(front), mfa_serial="arn:aws:iam::1:mfa/a"), SOURCE, NOW, code="123456")
    assert front.calls["GetSessionToken"] == 3


def test_an_answer_that_is_not_awss_is_no_refusal(front: MfaFront, monkeypatch: pytest.MonkeyPatch) -> None:
    front.answer = b"<html><head><title>Welcome to the hotel</title><body><p>Sign in"
    with pytest.raises(SessionError, match=f"what answers at {front.endpoint} is not AWS"):
        call_sts(_step(front), SOURCE, NOW)

    server = sts_call.server_of(_step(front).endpoint)
    monkeypatch.setattr(sts_call, "server_of", lambda endpoint: server)
    step = replace(_step(front), endpoint=Endpoint("us-east-1"))
    with pytest.raises(SessionError, match="a network that wants a sign-in"):
        call_sts(step, SOURCE, NOW)


def test_a_foreign_certificate_differs_from_a_dead_network(tmp_path: Path) -> None:
    with answering_over_tls(tmp_path, _reply()) as (url, bundle):
        step = SessionToken("work", duration=900, endpoint=Endpoint("us-east-1", url))
        with pytest.raises(SessionError, match="is not AWS: check endpoint_url and ca_bundle"):
            call_sts(step, SOURCE, NOW)
        text = f"[profile work]\nendpoint_url = {url}\n"
        profile = resolved(text, REQUESTS_CA_BUNDLE=str(bundle))
        trusting = replace(step, endpoint=endpoint_for(profile, "sts"))
        assert call_sts(trusting, SOURCE, NOW).access_key_id == "ASIA1"


def test_aws_is_asked_over_tls_without_botocore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering_over_tls(tmp_path, _reply()) as (url, bundle):
        trusting = ssl.create_default_context(cafile=str(bundle))
        monkeypatch.setattr(sts_call, "trust", lambda: trusting)
        step = SessionToken("work", duration=900, endpoint=Endpoint("us-east-1", url))
        assert sts_call.serves(step.endpoint)
        assert call_sts(step, SOURCE, NOW).access_key_id == "ASIA1"
        # A certificate counts for the names in it.
        elsewhere = replace(step, endpoint=Endpoint("us-east-1", url.replace("localhost", "127.0.0.1")))
        with pytest.raises(SessionError, match="is not AWS: check endpoint_url and ca_bundle"):
            call_sts(elsewhere, SOURCE, NOW)


def test_the_trusted_certificates_are_botocores() -> None:
    sts_call.trust.cache_clear()
    context = sts_call.trust()
    theirs = ssl.create_default_context(cafile=where())
    assert context.get_ca_certs() == theirs.get_ca_certs() != []
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@contextmanager
def answering_over_tls(folder: Path, answer: bytes) -> Iterator[tuple[str, Path]]:
    """A server that gives one answer, and the file of the only certificate that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(today - timedelta(1)).not_valid_after(today + timedelta(1))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    bundle = folder / "bundle.pem"
    bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle, folder / "key.pem")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # who does not trust the certificate hangs up

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}", bundle
    server.shutdown()
    server.server_close()


def test_a_dead_endpoint_is_an_error_that_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        step = SessionToken("work", duration=900, endpoint=Endpoint("us-east-1", url))
        with pytest.raises(SessionError, match=f"{url} cannot be reached: check network and proxy"):
            call_sts(step, SOURCE, NOW)


def test_a_network_that_hangs_is_an_error_within_the_deadline(
    front: MfaFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "DEADLINE", 1.0)
    front.delay = 3
    start = time.monotonic()
    with pytest.raises(SessionError, match="cannot be reached"):
        call_sts(_step(front), SOURCE, NOW)
    assert time.monotonic() - start < 2.5


@pytest.mark.parametrize("region", ["evil.example/#", "a b", "", "-"])
def test_a_region_that_is_none_is_an_error(region: str) -> None:
    with pytest.raises(ConfigError, match="is not a region"):
        Endpoint(region)


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://[", "ftp://127.0.0.1:1", "http://a b"])
def test_an_endpoint_that_is_none_is_an_error(url: str) -> None:
    step = SessionToken("work", duration=900, endpoint=Endpoint("us-east-1", url))
    with pytest.raises(SessionError):
        call_sts(step, SOURCE, NOW)


def test_a_missing_ca_bundle_is_an_error(tmp_path: Path) -> None:
    endpoint = Endpoint("us-east-1", ca_bundle=str(tmp_path / "none.pem"))
    step = SessionToken("work", duration=900, endpoint=endpoint)
    with pytest.raises(SessionError, match=r"there is no CA bundle .*none.pem: correct ca_bundle"):
        call_sts(step, SOURCE, NOW)


@pytest.mark.parametrize(
    ("endpoint", "url", "signed_in"),
    [
        (Endpoint("eu-west-1"), "https://sts.eu-west-1.amazonaws.com", "eu-west-1"),
        (Endpoint("eu-west-1", legacy=True), "https://sts.amazonaws.com", "us-east-1"),
        (Endpoint("af-south-1", legacy=True), "https://sts.af-south-1.amazonaws.com", "af-south-1"),
        (Endpoint("cn-north-1"), "https://sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ],
)
def test_each_region_has_its_endpoint(endpoint: Endpoint, url: str, signed_in: str) -> None:
    client = client_for("sts", endpoint, SOURCE, 1)
    assert (client.meta.endpoint_url, client._request_signer._region_name) == (url, signed_in)


def test_boto3_serves_commands_and_botocore_sessions() -> None:
    assert client_for("iam", Endpoint("eu-west-1"), SOURCE, 1).meta.config.user_agent.startswith("Boto3/")
    assert client_for("sts", Endpoint("eu-west-1"), SOURCE, 1).meta.config.user_agent.startswith("Botocore/")
