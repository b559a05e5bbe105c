"""`exec --server` and `env --server`: real programs that run longer than the sessions they are served."""

import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from shellvault.client import agent as client
from tests.end_to_end.conftest import Person, settle
from tests.support.clients import find
from tests.support.emulator import ACCOUNT, REGION, Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront
from tests.support.terminal import SHELLS, terminal

pytestmark = pytest.mark.real

#: Seconds that each session lives, and that each program runs.
LIFE, RUN = 20, 28

#: Each prints the caller's ARN again and again, and ends with an error at the first call that AWS refuses.
IN_PYTHON = """
import boto3, sys, time
sts, end = boto3.client("sts"), time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    print(sts.get_caller_identity()["Arn"])
    time.sleep(0.5)
"""
IN_NODE = """
const { STSClient, GetCallerIdentityCommand } = require("@aws-sdk/client-sts");
(async () => {
  const sts = new STSClient(), end = Date.now() + 1000 * process.argv[2];
  while (Date.now() < end) {
    console.log((await sts.send(new GetCallerIdentityCommand({}))).Arn);
    await new Promise((done) => setTimeout(done, 500));
  }
})();
"""
IN_SHELL = """
end=$(( $(date +%s) + $1 ))
while [ "$(date +%s)" -lt "$end" ]; do
  "$2" sts get-caller-identity --query Arn --output text || exit
  sleep 0.5
done
"""

#: Writes its state, by the S3 backend, after its sessions have ended; needs no provider that is not built in.
TERRAFORM = """
terraform {{
  backend "s3" {{
    bucket                      = "{bucket}"
    key                         = "state"
    region                      = "{region}"
    endpoints                   = {{ s3 = "{endpoint}", sts = "{endpoint}" }}
    use_path_style              = true
    skip_requesting_account_id  = true
    skip_region_validation      = true
    skip_metadata_api_check     = true
  }}
}}
resource "terraform_data" "slow" {{
  provisioner "local-exec" {{
    command = "sleep {seconds}"
  }}
}}
"""


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person whose commands use the agent, with the profile `short`: a role whose sessions end soon."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    person = settle(home, aws, front)
    person.configure(f"[profile short]\nrole_arn = {person.role('short')}\nsource_profile = work")
    front.lifetime = LIFE
    return person


def served(person: Person, *program: str) -> subprocess.Popen[str]:
    """The program, started with nothing but an endpoint to get sessions from."""
    return person.home.start(
        "shellvault", "exec", "--server", "short", "--", *program, AWS_ENDPOINT_URL=person.aws.endpoint
    )


def terraform(person: Person) -> subprocess.Popen[str]:
    """Terraform, applying something that takes as long as the other programs run."""
    folder = person.home.path / "terraform"
    folder.mkdir()
    person.aws.client("s3").create_bucket(Bucket=f"{person.user}-state")
    settings = {"bucket": f"{person.user}-state", "region": REGION, "endpoint": person.aws.endpoint}
    (folder / "main.tf").write_text(TERRAFORM.format(seconds=RUN, **settings))
    steps = "terraform init -no-color -input=false && terraform apply -no-color -input=false -auto-approve"
    return served(person, "sh", "-c", f"cd terraform && {steps} && terraform state list")


def started(person: Person) -> dict[str, subprocess.Popen[str]]:
    """Every program that this machine has, running."""
    seconds = str(RUN)
    running = {"boto3": served(person, sys.executable, "-c", IN_PYTHON, seconds)}
    for name in ("aws-cli-1", "aws-cli-2"):
        if program := find(name):
            running[name] = served(person, "sh", "-c", IN_SHELL, "sh", seconds, str(program))
    if (modules := find("node-sdk")) and find("node"):
        script = person.home.path / "client.cjs"
        script.write_text(IN_NODE)
        (person.home.path / "node_modules").symlink_to(modules)
        running["node-sdk"] = served(person, "node", str(script), seconds)
    if find("terraform"):
        running["terraform"] = terraform(person)
    return running


def test_programs_outlive_their_sessions(person: Person, front: StsFront) -> None:
    role = f":assumed-role/{person.user}-short/"
    start = time.monotonic()
    running = started(person)
    for name, program in running.items():
        printed, errors = program.communicate(timeout=100)
        assert program.returncode == 0, f"{name}: {printed[-2000:]} {errors}"
        if name == "terraform":
            assert printed.endswith("terraform_data.slow\n"), printed
        else:
            arns = printed.splitlines()
            assert len(arns) >= 5, f"{name}: {printed}"
            assert all(role in arn for arn in arns), f"{name}: {printed}"
    assert time.monotonic() - start > LIFE
    # All five share each session, and the agent has renewed it ahead of time.
    assert 2 <= front.calls.count("AssumeRole") <= 2 + (time.monotonic() - start) // (LIFE / 2)
    missing = {"boto3", "aws-cli-1", "aws-cli-2", "node-sdk", "terraform"} - running.keys()
    if missing:
        pytest.skip(f"needs {min(missing)}")


def test_the_token_dies_with_the_command(person: Person, front: StsFront) -> None:
    front.lifetime = None
    command = "echo $AWS_CONTAINER_CREDENTIALS_FULL_URI $AWS_CONTAINER_AUTHORIZATION_TOKEN; env; read line"
    program = subprocess.Popen(
        ["shellvault", "exec", "-s", "short", "--", "sh", "-c", command],
        env=person.home.environment,
        cwd=person.home.path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout
    uri, token = program.stdout.readline().split()
    asking = urllib.request.Request(uri, headers={"Authorization": token})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(asking, timeout=30) as answer:
        assert b'"AccessKeyId"' in answer.read()
    printed, _ = program.communicate("\n", timeout=30)
    assert "AWS_SECRET_ACCESS_KEY" not in printed
    with pytest.raises(urllib.error.HTTPError, match="403"):
        opener.open(asking, timeout=30)
    found = client.status(person.home.environment)
    assert found
    assert found["endpoint_users"] in ([], [program.pid])


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_gets_an_endpoint_that_ends_with_it(person: Person, shell: str) -> None:
    person.front.lifetime = None
    enter = {
        "bash": 'eval "$(shellvault env --server short)"',
        "zsh": 'eval "$(shellvault env --server short)"',
        "fish": "shellvault env --server short | source",
        "powershell": "shellvault env --server short | Out-String | Invoke-Expression",
    }
    script = person.home.path / "who.py"
    script.write_text("import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])\n")
    ask = f"{shlex.quote(sys.executable)} {script}"
    with terminal(person.home, shell) as opened:
        opened.run(enter[shell])
        assert f"arn:aws:sts::{ACCOUNT}:assumed-role/{person.user}-short/" in opened.printed(ask)
        keys = {"powershell": '"<$env:AWS_ACCESS_KEY_ID>"'}.get(shell, 'echo "<$AWS_ACCESS_KEY_ID>"')
        assert opened.printed(keys) == "<>"
        found = client.status(person.home.environment)
        assert found
        assert found["endpoint_users"] == [opened.process.pid]
    deadline = time.monotonic() + 15
    while (found := client.status(person.home.environment)) and found["endpoint_users"]:
        assert time.monotonic() < deadline, "the endpoint still counts a shell that has ended"
        time.sleep(0.2)
