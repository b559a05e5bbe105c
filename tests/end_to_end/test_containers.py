"""docs/servers.md's recipes for containers, with a network namespace in place of one."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Person, settle
from tests.end_to_end.test_ec2_server import programs
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.namespace import bridged, namespace
from tests.support.sts_front import StsFront

pytestmark = pytest.mark.real

DOCUMENT = Path(__file__).parents[2] / "docs" / "servers.md"


def recipe() -> str:
    """The lines that docs/servers.md has for the host, for the profile `deploy`."""
    text = DOCUMENT.read_text("utf-8")
    begin = text.index("    shellvault exec --server work -- sh -c '")
    return text[begin : text.index("socket\"'", begin)].replace("work", "deploy") + "socket\"'"


@pytest.fixture(scope="module")
def container(aws: Aws) -> Iterator[list[str]]:
    """A container that reaches AWS, and whose loopback interface is its own."""
    with namespace() as inside, bridged(inside, aws.endpoint):
        subprocess.run(
            [*inside, "ip", "address", "add", "169.254.170.2/32", "dev", "lo"], check=True, timeout=20
        )
        yield inside


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person on the host, with the profile `deploy`: a role."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    person = settle(home, aws, front)
    person.configure(f"[profile deploy]\nrole_arn = {person.role('deploy')}\nsource_profile = work")
    return person


@contextmanager
def started(home: Home, *words: str) -> Iterator[None]:
    """A proxy that serves, ended and gone at the end."""
    proxy = home.start(*words)
    try:
        assert proxy.stderr
        assert " leads to " in proxy.stderr.readline()
        yield
    finally:
        proxy.terminate()
        assert proxy.wait(20) == 0


def in_container(person: Person, container: list[str], script: str, **variables: str) -> str:
    """What a script prints in the container, which knows nothing but where its credentials are."""
    environment = {
        "PATH": person.home.environment["PATH"],
        "HOME": str(person.home.path / "inside"),
        **variables,
    }
    environment |= {
        "AWS_ENDPOINT_URL": person.aws.endpoint,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_REGION": "eu-central-1",
    }
    done = subprocess.run(
        [*container, "sh", "-c", script],
        env=environment,
        cwd=person.home.path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout + done.stderr


def test_a_container_gets_its_session_over_a_mounted_socket(person: Person, container: list[str]) -> None:
    """As documented: the token in a file, and the proxy at a loopback address (dev containers), or at ECS's."""
    folder = person.home.path / ".cache/aws-session"
    found = programs(person)
    script = "; ".join(["set -e", *found.values()])
    arn = f":assumed-role/{person.user}-deploy/"
    token = {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(folder / "token")}
    with started(person.home, "sh", "-c", f"exec {recipe().lstrip()}"):
        assert (folder / "token").stat().st_mode & 0o777 == 0o600
        assert (folder / "socket").stat().st_mode & 0o777 == 0o600
        socket = f"unix:{folder}/socket"
        uri = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9911/credentials"}
        with started(
            person.home, *container, "shellvault", "proxy", "--bind", "127.0.0.1:9911", "--to", socket
        ):
            printed = in_container(person, container, script, **uri, **token)
            assert printed.count(arn) == len(found), printed
            refused = in_container(
                person, container, found["boto3"], **uri, AWS_CONTAINER_AUTHORIZATION_TOKEN="guessed"
            )
            assert arn not in refused
            assert "wrong or expired token" in refused, refused
        uri = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/credentials"}
        with started(
            person.home, *container, "shellvault", "proxy", "--bind", "169.254.170.2", "--to", socket
        ):
            assert arn in in_container(person, container, found["boto3"], **uri, **token)
    assert not (folder / "socket").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--bind 0.0.0.0:9911 --to unix:/x", "open to others"),
        ("--bind 8.8.8.8 --to unix:/x", "open to others"),
        ("--bind localhost --to unix:/x", "not a place"),
        ("--bind 127.0.0.1:9911 --to http://example.com", "not this machine"),
        ("--bind 127.0.0.1:9911 --to ftp://127.0.0.1", "not a target"),
        ("--bind 127.0.0.1:9911", "there is no endpoint"),
    ],
)
def test_what_would_be_open_to_others_is_refused(home: Home, words: str, says: str) -> None:
    assert says in home.fail("proxy", *words.split(), status=2)


def test_the_session_is_got_when_it_is_asked_for(person: Person) -> None:
    """`--lazy`: no call, and no question, until the first request."""
    ask = shlex.join([sys.executable, "-c", "import boto3; boto3.client('sts').get_caller_identity()"])
    person.home.succeed("exec", "--server", "--lazy", "deploy", "--", "true")
    assert person.front.calls == []
    # Opens the vault: for the endpoint nobody can be asked for its passphrase.
    person.home.succeed("exec", "work", "--", "true")
    assert "AssumeRole" not in person.front.calls
    done = person.home.run(
        "shellvault",
        "exec",
        "--server",
        "--lazy",
        "deploy",
        "--",
        "sh",
        "-c",
        f"echo $AWS_VAULT $AWS_REGION; {ask}",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "deploy eu-central-1\n"
    assert "AssumeRole" in person.front.calls
