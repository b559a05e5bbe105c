"""What a person reads when a server cannot be asked: the same plain words from every door, in bounded time."""

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shellvault import network, waiting
from shellvault.console import signin_token
from shellvault.errors import ShellvaultError
from shellvault.hashicorp import secrets_engine
from shellvault.plan import Endpoint
from shellvault.plan.steps import Leased, SessionToken, Source, SsoRole, SsoSignIn
from shellvault.profiles.model import EngineServer, SecretsEngine, Sso
from shellvault.sessions import calls, clients, sources, sts_call
from shellvault.sessions.model import Session
from shellvault.signin import patience, portal, service, start_urls

KEYS = Session("AKIA1234567890123456", "s3cr3t/key+of=mine", None)
TEMPORARY = Session("ASIA1234567890123456", "s3cr3t/key+of=mine", "t0ken-of-mine")

#: Words of Python and its libraries.
PYTHONS = re.compile(
    r"gaierror|errno|Errno|Error\b|Exception|object at|urllib|botocore|requests\.|Max retries|HTTPS?Connection|"
    r"Could not connect to the endpoint URL|_ssl|\[SSL|Traceback|RemoteDisconnected|timed out|Timeout"
)


def _sts(url: str) -> object:
    step = SessionToken("work", duration=900, endpoint=Endpoint("us-east-1", url))
    return calls.call_sts(step, KEYS, time.time(), "123456")


def _sts_by_botocore(url: str) -> object:
    return _sts(f"{url}/path")


def _role(url: str) -> object:
    sso = Sso("https://x.awsapps.com/start", "us-east-1", "123456789012", "dev", None, ())
    step = SsoRole("work", sso=sso, sign_in=SsoSignIn("work", sso), endpoint=Endpoint("us-east-1", url))
    return _opened(url).credentials(step, time.time())


def _invoke(url: str) -> object:
    return calls.invoke("iam", "list_access_keys", {}, Endpoint("us-east-1", url), KEYS, 1, "iam")


def _service(url: str) -> object:
    return service.call("sso-oidc", "register_client", {"clientName": "x"}, Endpoint("us-east-1", url), "it")


def _opened(url: str) -> portal.Portal:
    endpoint = Endpoint("us-east-1", url)
    return portal.Portal("token", endpoint, "work", lambda digest: "another", lambda what: None)


def _portal(url: str) -> object:
    return _opened(url).accounts()


def _start_url(url: str) -> object:
    return start_urls._redirection(url, None)


def _console(url: str) -> object:
    return signin_token.signin_token(f"{url}/federation", TEMPORARY, None)


def _vault(url: str) -> object:
    server = EngineServer(url)
    engine = SecretsEngine("aws", "deploy", "creds", server)
    step = Leased("work", engine=engine, server=server)
    return secrets_engine.credentials(step, None, "root", time.time())


def _container(url: str) -> object:
    step = Source("work", source="EcsContainer")
    environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url.replace('no-such.invalid', '127.0.0.1')}/x"}
    return sources.from_source(step, environment, time.time())


def _machine(url: str) -> object:
    step = Source(
        "work",
        source="Ec2InstanceMetadata",
        instance_metadata={"ec2_metadata_service_endpoint": url},
    )
    return sources.from_source(step, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": url}, time.time())


DOORS = (
    _sts,
    _sts_by_botocore,
    _role,
    _invoke,
    _service,
    _portal,
    _start_url,
    _console,
    _vault,
    _container,
    _machine,
)


@contextmanager
def _serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            held.append(connection)
            answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()


@contextmanager
def _refused() -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def _unknown_name() -> Iterator[str]:
    yield "http://no-such.invalid:8080"


@contextmanager
def _silent() -> Iterator[str]:
    with _serving(lambda connection: None) as where:
        yield f"http://{where}"


@contextmanager
def _closing() -> Iterator[str]:
    with _serving(lambda connection: connection.close()) as where:
        yield f"http://{where}"


@contextmanager
def _no_web_server() -> Iterator[str]:
    with _serving(lambda connection: connection.sendall(b"220 mail.example ESMTP\r\n")) as where:
        yield f"http://{where}"


@contextmanager
def _no_tls() -> Iterator[str]:
    with _serving(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as where:
        yield f"https://{where}"


TROUBLES = (_refused, _unknown_name, _silent, _closing, _no_web_server, _no_tls)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (calls, service, secrets_engine, sources, signin_token):
        monkeypatch.setattr(module, "DEADLINE", 1.0)
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    for module in (clients, sts_call):
        monkeypatch.setattr(module, "READ_SECONDS", 0.5)
    monkeypatch.setattr(patience, "LONGEST_OUT_OF_ORDER", 0.5)
    monkeypatch.setattr(patience, "_LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(start_urls, "_SECONDS", 0.5)
    monkeypatch.setattr(signin_token, "SILENCE", 0.5)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("door", DOORS)
def test_no_word_of_python_reaches_a_person(
    door: Callable[[str], object], trouble: Callable[[], object]
) -> None:
    with trouble() as url:  # type: ignore[attr-defined]
        started = time.monotonic()
        try:
            door(url)
        except ShellvaultError as error:
            told = str(error)
        else:
            # A start URL that answers strangely is for the sign-in itself to judge.
            assert door is _start_url
            return
    assert not PYTHONS.search(told), told
    assert "\n" not in told
    assert time.monotonic() - started < 6


def test_every_module_that_speaks_to_a_server_is_a_door() -> None:
    package = Path(network.__file__).parent
    speaks = re.compile(
        r"client_for\(|HTTPSConnection\(|build_opener|import hvac|botocore import credentials"
    )
    found = {path.stem for path in package.glob("**/*.py") if speaks.search(path.read_text("utf-8"))}
    doors = {
        "calls",
        "sts_call",
        "service",
        "portal",
        "start_urls",
        "signin_token",
        "secrets_engine",
        "sources",
    }
    # Where clients are made and what they are made of.
    assert found - {"clients", "vault_client"} == doors


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its name is not known"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (TimeoutError("no answer within 3 seconds"), "no answer in time"),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
            "no TLS connection",
        ),
        (OSError(28, "No space left on device"), "no space left on device"),
        (RuntimeError("t0ken-of-mine"), "the connection failed"),
        (OSError("Tunnel connection failed: 407"), "the connection failed"),
    ],
)
def test_each_kind_of_error_has_plain_words(error: Exception, told: str) -> None:
    for wrapped in (error, OSError(error), RuntimeError("outer", error)):
        assert network.reason(wrapped).startswith(told)


def test_what_was_not_sent_is_known() -> None:
    with _refused() as url, pytest.raises(calls.UnsentError):
        _sts(url)
    with _unknown_name() as url, pytest.raises(calls.UnsentError):
        _sts(url)
    assert network.was_sent(TimeoutError("no answer"))
    assert network.was_sent(ConnectionResetError(104, "Connection reset by peer"))


@pytest.mark.parametrize(
    ("door", "name"),
    [
        (_sts, "AWS STS"),
        (_sts_by_botocore, "AWS STS"),
        (_role, "IAM Identity Center"),
        (_invoke, "AWS IAM"),
        (_service, "IAM Identity Center"),
    ],
)
def test_a_wait_names_the_service_and_its_host(
    door: Callable[[str], object], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (clients, sts_call):
        monkeypatch.setattr(module, "READ_SECONDS", 0.3)
    heard: list[str] = []
    with _silent() as url, waiting.heard_by(heard.append), pytest.raises(ShellvaultError):
        door(url)
    assert heard[0] == f"{name} at 127.0.0.1"
    assert heard[0].startswith(waiting.COUNTED)


@pytest.mark.long
@pytest.mark.parametrize("door", [_sts, _role, _service])
def test_a_silent_server_is_given_up_within_15_seconds(door: Callable[[str], object]) -> None:
    started = time.monotonic()
    with _silent() as url, pytest.raises(ShellvaultError, match="no answer in time"):
        door(url)
    assert time.monotonic() - started < 13
