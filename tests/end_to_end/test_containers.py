"""docs/servers.md's recipes for containers: by podman where it runs, and with a network namespace in place of one."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import Person, settle
from tests.end_to_end.test_ec2_server import programs
from tests.support import container as in_podman
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.namespace import bridged, namespace
from tests.support.sts_front import StsFront
from tests.support.terraform import states, writing_state

pytestmark = pytest.mark.real

DOCUMENT = Path(__file__).parents[2] / "docs" / "servers.md"


def recipe() -> str:
    """The lines that docs/servers.md has for the host, for the profile `deploy`."""
    text = DOCUMENT.read_text("utf-8")
    begin = text.index("    shellvault exec --server work -- sh -c '")
    return text[begin : text.index("socket\"'", begin)].replace("work", "deploy") + "socket\"'"


def dev_container(home: Path) -> dict[str, Any]:
    """The lines that docs/servers.md has for devcontainer.json, in this home."""
    text = DOCUMENT.read_text("utf-8")
    begin = text.index('    "mounts":')
    lines = text[begin : text.index("\n\n", begin)].replace("${localEnv:HOME}", str(home))
    settings: dict[str, Any] = json.loads(f"{{{lines}}}")
    return settings


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
    found, bucket = programs(person), f"{person.user}-container"
    terraform = writing_state(person.home.path, person.aws, bucket)
    script = "; ".join(["set -e", *found.values(), *terraform])
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
            printed = in_container(person, container, script, **uri, **token)
            assert printed.count(arn) == len(found), printed
    assert not (folder / "socket").exists()
    if not terraform:
        pytest.skip("needs terraform")
    assert states(person.aws, bucket) == 2


def test_a_real_container_gets_its_session_as_documented(person: Person, container: list[str]) -> None:
    """docs/servers.md's devcontainer.json, by podman and runc; the image is this machine's own files."""
    folder = person.home.path / ".cache/aws-session"
    settings = dev_container(person.home.path)
    options = ["--workdir", "/mnt", "--env", "HOME=/tmp", "--env", f"PATH={person.home.environment['PATH']}"]
    variables = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), "eu-central-1")
    variables["AWS_ENDPOINT_URL"] = person.aws.endpoint
    for name, value in (settings["containerEnv"] | variables).items():
        options += ["--env", f"{name}={value}"]
    for mount in settings["mounts"]:
        options += ["--mount", ",".join(part for part in sorted(mount.split(","), key=lambda p: p[0] != "t"))]
    found, bucket = programs(person), f"{person.user}-real"
    terraform = writing_state(person.home.path, person.aws, bucket)
    for name in ("client.cjs", "node_modules"):
        if (path := person.home.path / name).exists():
            options += ["--volume", f"{path.resolve()}:/mnt/{name}:ro"]
    if terraform:
        options += ["--volume", f"{person.home.path / 'terraform'}:{person.home.path / 'terraform'}"]
    serves = "until (exec 3<>/dev/tcp/127.0.0.1/9911) 2>/dev/null; do sleep 0.1; done"
    wait = f"timeout 30 bash -c {shlex.quote(serves)}"
    vault = f"if test -e {shlex.quote(str(person.home.path / '.aws'))}; then echo the home is here; fi"
    script = "\n".join(["set -e", settings["postStartCommand"], wait, vault, *found.values(), *terraform])
    first = Path(person.home.environment["PATH"].split(":")[0])
    # podman takes short paths only.
    place = Path(person.home.environment["XDG_RUNTIME_DIR"], "podman")
    words = in_podman.container(place, container[-1], first.parent)
    with started(person.home, "sh", "-c", f"exec {recipe().lstrip()}"):
        assert (folder / "token").exists()
        done = person.home.run(*words, *options, *in_podman.root_of(place), "sh", "-c", script, timeout=120)
    assert done.returncode == 0, done.stderr
    arns = done.stdout.splitlines()
    assert len(arns) == len(found), done.stdout
    assert all(f":assumed-role/{person.user}-deploy/" in arn for arn in arns), done.stdout
    if not terraform:
        pytest.skip("needs terraform")
    assert states(person.aws, bucket) == 1


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
    found, bucket = programs(person), f"{person.user}-lazy"
    terraform = writing_state(person.home.path, person.aws, bucket)
    script = "; ".join(["set -e", "echo $AWS_VAULT $AWS_REGION", *found.values(), *terraform])
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
        script,
        AWS_ENDPOINT_URL=person.aws.endpoint,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    first, *arns = done.stdout.splitlines()
    assert first == "deploy eu-central-1"
    assert len(arns) == len(found)
    assert all(f":assumed-role/{person.user}-deploy/" in arn for arn in arns), arns
    assert "AssumeRole" in person.front.calls
    if not terraform:
        pytest.skip("needs terraform")
    assert states(person.aws, bucket) == 1
