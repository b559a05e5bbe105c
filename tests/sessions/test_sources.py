"""`credential_source`, with stand-ins for EC2's metadata service and a container's endpoint on loopback."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shellvault.errors import SessionError
from shellvault.plan.steps import Source, Step
from shellvault.profiles.model import CredentialSource
from shellvault.sessions.model import Session
from shellvault.sessions.sources import from_source

NOW = int(time.time())
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "secret"}


@dataclass
class Machine:
    """What a machine on AWS answers over HTTP, and the headers that it was asked with."""

    url: str = ""
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)


@pytest.fixture
def machine() -> Iterator[Machine]:
    found = Machine()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append((self.path, dict(self.headers)))
            status, text = found.answers.get(self.path, (404, ""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_PUT = do_GET  # noqa: N815 - the names of http.server

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()


def credentials(**changes: str) -> str:
    expiration = datetime.fromtimestamp(NOW + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    reply = {"Code": "Success", "AccessKeyId": "ASIA1", "SecretAccessKey": "new", "Token": "token"}
    return json.dumps({**reply, "Expiration": expiration, "AccountId": "111111111111", **changes})


def step(source: CredentialSource, **metadata: str) -> Step:
    return Source("work", source=source, instance_metadata=metadata)


def on_ec2(machine: Machine) -> None:
    folder = "/latest/meta-data/iam/security-credentials"
    machine.answers = {
        "/latest/api/token": (200, "imds-token"),
        f"{folder}/": (200, "role"),
        f"{folder}/role": (200, credentials()),
    }


def test_the_environments_keys_are_a_source() -> None:
    session = from_source(step("Environment"), KEYS, NOW)
    assert session == Session("AKIA1", "secret", None, NOW, None)


def test_a_session_of_the_environment_has_its_expiry_and_account() -> None:
    expiry = datetime.fromtimestamp(NOW + 3600, UTC).isoformat()
    more = {"AWS_SESSION_TOKEN": "t", "AWS_CREDENTIAL_EXPIRATION": expiry, "AWS_ACCOUNT_ID": "111111111111"}
    session = from_source(step("Environment"), KEYS | more, NOW)
    assert session == Session("AKIA1", "secret", "t", NOW, NOW + 3600, "111111111111")


def test_a_session_of_ours_in_the_environment_is_no_source() -> None:
    with pytest.raises(SessionError, match="run `shellvault leave` first"):
        from_source(step("Environment"), KEYS | {"SHELLVAULT_REQUEST": "other"}, NOW)


def test_ec2_is_asked_as_the_profile_or_a_variable_says(machine: Machine) -> None:
    on_ec2(machine)
    expected = Session("ASIA1", "new", "token", NOW, NOW + 3600)
    configured = step("Ec2InstanceMetadata", ec2_metadata_service_endpoint=machine.url)
    assert from_source(configured, {}, NOW) == expected
    astray = step("Ec2InstanceMetadata", ec2_metadata_service_endpoint="http://127.0.0.1:1")
    environment = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": machine.url}
    assert from_source(astray, environment, NOW) == expected
    assert machine.asked[-1][1]["x-aws-ec2-metadata-token"] == "imds-token"


def test_ec2_that_is_switched_off_or_has_no_role_is_said(machine: Machine) -> None:
    configured = step("Ec2InstanceMetadata", ec2_metadata_service_endpoint=machine.url)
    with pytest.raises(SessionError, match="this is no EC2 instance, or it has none"):
        from_source(configured, {}, NOW)
    on_ec2(machine)
    with pytest.raises(SessionError, match="Ec2InstanceMetadata of profile work"):
        from_source(configured, {"AWS_EC2_METADATA_DISABLED": "true"}, NOW)


def test_a_container_is_asked_with_its_token(machine: Machine) -> None:
    machine.answers = {"/creds": (200, credentials())}
    environment = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{machine.url}/creds",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Bearer mine",
    }
    session = from_source(step("EcsContainer"), environment, NOW)
    assert (session.access_key_id, session.account_id) == ("ASIA1", "111111111111")
    assert machine.asked[0][1]["Authorization"] == "Bearer mine"


@pytest.mark.parametrize(
    ("source", "environment", "message"),
    [
        ("Environment", {}, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"),
        ("Environment", {"AWS_ACCESS_KEY_ID": "AKIA1"}, "missing: AWS_SECRET_ACCESS_KEY"),
        ("Environment", KEYS | {"AWS_CREDENTIAL_EXPIRATION": "soon"}, "failed: "),
        ("EcsContainer", {}, "_FULL_URI are not set"),
        (
            "EcsContainer",
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://evil.example/"},
            "failed: it cannot be used as it is set",
        ),
    ],
)
def test_a_source_without_credentials_is_one_line(
    source: CredentialSource, environment: dict[str, str], message: str
) -> None:
    with pytest.raises(SessionError) as refused:
        from_source(step(source), environment, NOW)
    assert message in str(refused.value) and str(refused.value).isprintable()
    assert "secret" not in str(refused.value)


def test_a_hostile_container_is_not_believed(machine: Machine) -> None:
    machine.answers = {"/creds": (200, credentials(SecretAccessKey="two words"))}
    environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{machine.url}/creds"}
    with pytest.raises(SessionError, match="no usable secret access key"):
        from_source(step("EcsContainer"), environment, NOW)
