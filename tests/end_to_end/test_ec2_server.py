"""`exec --ec2-server`: real programs that know no other place for credentials than an EC2 instance's."""

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator

import pexpect
import psutil
import pytest

from tests.end_to_end.conftest import Person, settle
from tests.support.clients import find
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.interrupted import COUNT, each_interrupt_comes_once
from tests.support.namespace import bridged, namespace
from tests.support.sts_front import StsFront
from tests.support.terraform import states, writing_state

pytestmark = pytest.mark.real

#: Leaves what is needed to put the address on an interface out of reach, as it is for who is not root.
NOT_ROOT = ["setpriv", "--bounding-set=-net_admin,-net_bind_service"]

IN_PYTHON = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
IN_NODE = """
const { STSClient, GetCallerIdentityCommand } = require("@aws-sdk/client-sts");
new STSClient().send(new GetCallerIdentityCommand({})).then((answer) => console.log(answer.Arn));
"""


@pytest.fixture(scope="module")
def inside(aws: Aws) -> Iterator[list[str]]:
    """A namespace of its own that reaches the emulated AWS: nothing here may ask a real metadata service."""
    with namespace() as inside, bridged(inside, aws.endpoint):
        yield inside


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront, inside: list[str]) -> Iterator[Person]:
    """A person within the namespace, with the profile `deploy`: a role."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    person = settle(home, aws, front)
    person.configure(f"[profile deploy]\nrole_arn = {person.role('deploy')}\nsource_profile = work")
    with bridged(inside, front.endpoint):
        yield person


def programs(person: Person) -> dict[str, str]:
    """A command line for every SDK that this machine has: each prints the ARN that it calls as."""
    found = {"boto3": f"{shlex.quote(sys.executable)} -c {shlex.quote(IN_PYTHON)}"}
    if cli := find("aws-cli-2"):
        found["aws-cli-2"] = f"{cli} sts get-caller-identity --query Arn --output text"
    if (modules := find("node-sdk")) and find("node"):
        (person.home.path / "client.cjs").write_text(IN_NODE)
        (person.home.path / "node_modules").symlink_to(modules)
        found["node-sdk"] = "node client.cjs"
    return found


@pytest.mark.parametrize("rights", [NOT_ROOT, []], ids=["loopback", "root"])
def test_every_sdk_finds_the_session(person: Person, inside: list[str], rights: list[str]) -> None:
    found, bucket = programs(person), f"{person.user}-ec2"
    terraform = writing_state(person.home.path, person.aws, bucket)
    script = "; ".join(["set -e", "env >environment", *found.values(), *terraform])
    done = person.home.run(
        *[*inside, *rights, "shellvault", "exec", "--ec2-server", "deploy", "--", "sh", "-c", script],
        AWS_ENDPOINT_URL=person.aws.endpoint,
        AWS_EC2_METADATA_DISABLED="true",
        HTTP_PROXY="http://127.0.0.1:9",
        NO_PROXY="127.0.0.1",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    arns = done.stdout.splitlines()
    assert len(arns) == len(found), done.stdout
    assert all(f":assumed-role/{person.user}-deploy/" in arn for arn in arns), done.stdout
    assert done.stderr.count("every program of yours") == 1
    environment = (person.home.path / "environment").read_text()
    assert ("AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:" in environment) == bool(rights)
    for absent in ("AWS_SECRET_ACCESS_KEY", "AUTHORIZATION_TOKEN", "PASSPHRASE", "METADATA_DISABLED"):
        assert absent not in environment
    addresses = person.home.run(*inside, "ip", "-brief", "address").stdout
    assert "169.254.169.254" not in addresses
    if not terraform:
        pytest.skip("needs terraform")
    assert states(person.aws, bucket) == 1


def test_it_keeps_to_the_rule_of_its_caller(person: Person, inside: list[str]) -> None:
    start = (*inside, *NOT_ROOT, "shellvault", "exec", "--ec2-server")
    for kind, marks in (("coding-agent", {"CLAUDECODE": "1"}), ("background", {})):
        person.home.set_rules(**{kind: "refuse"})
        done = person.home.run(*start, "deploy", "--", "true", **marks)
        assert "may not use deploy" in done.stderr, kind
        lazy = person.home.run(*start, "--lazy", "deploy", "--", sys.executable, "-c", IN_PYTHON, **marks)
        assert "Unable to locate credentials" in lazy.stderr, kind


def test_it_is_refused_where_something_else_answers(person: Person, inside: list[str]) -> None:
    serve = "python3 -m http.server --bind 169.254.169.254 80 >/dev/null 2>&1 & pid=$!"
    wait = "until (exec 3<>/dev/tcp/169.254.169.254/80) 2>/dev/null; do sleep 0.1; done"
    script = (
        f"ip address add 169.254.169.254/32 dev lo; {serve}; timeout 20 bash -c {shlex.quote(wait)}; "
        "shellvault exec --ec2-server deploy -- true; status=$?; kill $pid; wait $pid; "
        "ip address del 169.254.169.254/32 dev lo; exit $status"
    )
    done = person.home.run(*inside, "bash", "-c", script)
    assert done.returncode == 1, done.stderr
    assert "something answers at 169.254.169.254 already" in done.stderr


def serving(person: Person, inside: list[str], script: str) -> "tuple[subprocess.Popen[str], str]":
    """`exec --ec2-server` with a script that prints its server's address first and waits for a line."""
    served = subprocess.Popen(
        [*inside, *NOT_ROOT, "shellvault", "exec", "--ec2-server", "deploy", "--", "sh", "-c", script],
        env=person.home.environment | {"AWS_ENDPOINT_URL": person.aws.endpoint},
        cwd=person.home.path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert served.stdout
    return served, served.stdout.readline().strip()


def test_the_proxy_brings_it_to_the_usual_address(person: Person, inside: list[str]) -> None:
    """What `sudo shellvault proxy` is for: programs that do not know the variable."""
    ask = (
        f"env -u AWS_EC2_METADATA_SERVICE_ENDPOINT {shlex.quote(sys.executable)} -c {shlex.quote(IN_PYTHON)}"
    )
    script = f"echo $AWS_EC2_METADATA_SERVICE_ENDPOINT; read line; {ask}"
    served, url = serving(person, inside, script)
    proxy = person.home.start(*inside, "shellvault", "proxy", "--bind", "169.254.169.254", "--to", url)
    try:
        assert proxy.stderr
        assert "169.254.169.254 leads to" in proxy.stderr.readline()
        printed, _ = served.communicate("\n", timeout=60)
    finally:
        proxy.terminate()
    assert f":assumed-role/{person.user}-deploy/" in printed
    assert proxy.wait(20) == 0


def test_the_proxy_gives_up_root_and_takes_the_address_away(home: Home, inside: list[str]) -> None:
    words = [*inside, "shellvault", "proxy", "--bind", "169.254.169.254", "--to", "http://127.0.0.1:9"]
    proxy = home.start(*words, SUDO_UID="12345", SUDO_GID="12345")
    try:
        assert proxy.stderr
        assert "169.254.169.254 leads to" in proxy.stderr.readline()
        deadline = time.monotonic() + 20
        while psutil.Process(proxy.pid).uids().effective != 12345:
            assert time.monotonic() < deadline, "it is still root"
            time.sleep(0.05)
        assert "169.254.169.254" in home.run(*inside, "ip", "-brief", "address").stdout
    finally:
        proxy.terminate()
    assert proxy.wait(20) == 0
    assert "169.254.169.254" not in home.run(*inside, "ip", "-brief", "address").stdout


def test_ctrl_c_reaches_the_command_once(person: Person, inside: list[str]) -> None:
    """The whole way: launcher, command line, child. The exit status says by which signal it ended."""
    words = [*inside, "shellvault", "exec", "--ec2-server", "deploy", "--", sys.executable, "-c", COUNT]
    environment = {**person.home.environment, "AWS_ENDPOINT_URL": person.aws.endpoint}
    served = pexpect.spawn(words[0], words[1:], env=environment, encoding="utf-8", timeout=60)
    try:
        served.expect_exact("<ready>")
        each_interrupt_comes_once(served)
    finally:
        served.close(force=True)


def test_the_command_that_cannot_be_found_is_named(person: Person, inside: list[str]) -> None:
    done = person.home.run(*inside, "shellvault", "exec", "--ec2-server", "--lazy", "deploy", "--", "no-such")
    assert done.returncode == 127
    assert "no-such: command not found" in done.stderr
    both = person.home.run("shellvault", "exec", "--server", "--ec2-server", "deploy", "--", "true")
    assert both.returncode == 2
    assert "choose one" in both.stderr


def test_a_coding_agent_elsewhere_gets_nothing_from_it(person: Person, inside: list[str]) -> None:
    """What runs below the command gets its session, whatever it is; another coding agent has its own rule."""
    asks = f"{shlex.quote(sys.executable)} -c {shlex.quote(IN_PYTHON)}"
    script = f"echo $AWS_EC2_METADATA_SERVICE_ENDPOINT; read line; {asks}; CLAUDECODE=1 {asks}"
    served, url = serving(person, inside, script)
    place = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": url}
    other = {**place, "AWS_ENDPOINT_URL": person.aws.endpoint, "AWS_DEFAULT_REGION": "eu-central-1"}
    ask = [*inside, sys.executable, "-c", IN_PYTHON]
    arn = f":assumed-role/{person.user}-deploy/"
    assert arn in person.home.run(*ask, **other).stdout
    refused = person.home.run(*ask, **other, CLAUDECODE="1")
    assert "NoCredentialsError" in refused.stderr and arn not in refused.stdout
    assert served.communicate("\n", timeout=60)[0].count(arn) == 2


def test_the_rule_of_a_coding_agent_is_for_its_own_server_too(person: Person, inside: list[str]) -> None:
    place = f"env AWS_ENDPOINT_URL={person.aws.endpoint}"
    asks = f"{place} {shlex.quote(sys.executable)} -c {shlex.quote(IN_PYTHON)}"
    # One shell: each `ip netns exec` is a mount namespace of its own, as a container is.
    script = f"shellvault unlock; CLAUDECODE=1 exec shellvault exec --ec2-server deploy -- {asks}"
    for rule, gets in (("refuse", False), ("allow", True)):
        person.home.set_rules(coding_agent=rule)
        person.home.run("shellvault", "agent", "stop")
        done = person.home.run(*inside, "sh", "-c", script)
        assert ("+claude-code+" in done.stdout) == gets, done.stderr
        assert gets or "claude-code may not use deploy" in done.stderr
