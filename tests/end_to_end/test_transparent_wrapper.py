"""The wrapper changes nothing but the credentials: the real AWS CLI v2 with and without it, line by line.

Without it, the CLI gets an instance's credentials for profiles that have none; with it, sessions of ours. All else has
to be the same: files, output, exit status, and every request that reaches AWS. What a line does is compared in bash; in
the other shells and by the shim the CLI has to be given exactly what it was given there, and the first lines run too.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.clients import need
from tests.support.home import Home, make_home, stop_agents
from tests.support.installation import Installation
from tests.support.recorder import INSTANCE_KEY, SESSION_KEY, Recorder, Request, recording

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(600)]

CONFIG = """\
[default]
region = us-east-1
endpoint_url = {endpoint}

# A comment that stays.
[profile work]
region = eu-west-1
output = yaml
cli_timestamp_format = iso8601
endpoint_url = {endpoint}
s3 =
    addressing_style = path

[profile home]
region = eu-west-3
output = text
endpoint_url = {endpoint}

[profile "a b"]
region = eu-south-1
output = table
endpoint_url = {endpoint}

[profile split]
region = eu-central-1
endpoint_url = {endpoint}/everything
services = split

[profile legacy]
region = us-west-1
endpoint_url = {endpoint}

[profile instance]
region = us-west-2
endpoint_url = {endpoint}
role_arn = arn:aws:iam::111122223333:role/x
credential_source = Ec2InstanceMetadata

[profile bare]
region = ca-central-1
endpoint_url = {endpoint}

[services split]
sts =
    endpoint_url = {endpoint}/sts
"""
CREDENTIALS = "[legacy]\naws_access_key_id = AKIALEGACY\naws_secret_access_key = s\n"
ALIASES = """\
[toplevel]
whoami = sts get-caller-identity
outside = !env | grep ^AWS_PROFILE; echo outside
"""
ELSEWHERE = "[profile there]\nregion = eu-north-1\noutput = text\nendpoint_url = {endpoint}\n"

#: The profiles whose keys are in the vault.
STORED = ("work", "home", "a b", "split", "there")


@dataclass(frozen=True)
class Line:
    """A command line of the AWS CLI, as every shell reads it."""

    typed: str
    with_session: bool = False
    """Whether a session of ours is used, where without the wrapper an instance's credentials are."""
    variables: Mapping[str, str] = field(default_factory=dict)
    input: str = ""


def _line(typed: str, *, input: str = "", **variables: str) -> Line:
    return Line(typed, False, variables, input)


def _call(typed: str, *, input: str = "", **variables: str) -> Line:
    return Line(typed, True, variables, input)


WHO = "sts get-caller-identity"
LINES = (
    # These run in every shell.
    _line("configure set region us-west-2 --profile work"),
    _line("configure set region eu-north-1", AWS_PROFILE="home"),
    _call("eks update-kubeconfig --name one --profile split"),
    _call(f"--profile 'a b' {WHO}"),
    # These run in bash, with and without the wrapper.
    _line("configure --profile work", input="AKIATYPED\nsecret\n\njson\n"),
    _line("--profile home configure set output table"),
    _line("configure set cli_pager cat --profile=home"),
    _line("configure set s3.max_concurrent_requests 5 --profile home"),
    _line("configure set profile.third.region sa-east-1"),
    _line("configure set aws_access_key_id AKIAFRESH --profile fresh"),
    _line("configure set aws_secret_access_key secret", AWS_PROFILE="fresh"),
    _line("configure set output yaml", AWS_DEFAULT_PROFILE="home"),
    _line("configure", AWS_PROFILE="fresh", input="\n\neu-west-2\n\n"),
    _line("configure get output", AWS_PROFILE="home"),
    _line("configure list --profile split"),
    _line("configure list-profiles"),
    _line("configure export-credentials --profile legacy --format env"),
    _line("sso login --profile split"),
    _line("--profile split --version"),
    _line("sts help --profile split"),
    _call("no-such-command --profile split"),
    _line(f"{WHO} --profile nobody"),
    _line(f"{WHO} --profile ''"),
    _line(WHO, AWS_PROFILE="nobody"),
    _line("s3 ls --no-sign-request --profile home"),
    _line("ec2 describe-instances --generate-cli-skeleton --profile home"),
    _line(f"{WHO} --profile bare"),
    _line(f"{WHO} --profile legacy"),
    _line(f"{WHO} --profile instance"),
    _line(WHO, AWS_PROFILE="home", AWS_ACCESS_KEY_ID="AKIAMINE", AWS_SECRET_ACCESS_KEY="s"),
    _line("outside --profile home"),
    _call("eks update-kubeconfig --name two", AWS_PROFILE="split"),
    _call("eks update-kubeconfig --name two --alias other --profile home"),
    _call("eks update-kubeconfig --name two --dry-run --profile home"),
    _call("s3 ls --profile home"),
    _call(f"--profile=split {WHO}"),
    _call(f"--prof split {WHO}"),
    _call(f"{WHO} --profile nobody --profile split"),
    _call(WHO, AWS_PROFILE="split"),
    _call(WHO, AWS_DEFAULT_PROFILE="home"),
    _call(f"{WHO} --profile split", AWS_PROFILE="home"),
    _call(f"{WHO} --profile split", AWS_DEFAULT_PROFILE="nobody"),
    _call(f"{WHO} --profile split --output json"),
    _call(f"{WHO} --profile home --query Account"),
    _call(f"--region us-east-2 --profile home {WHO}"),
    _call(f"{WHO} --profile home", AWS_REGION="us-east-2"),
    _call(f"{WHO} --profile there", AWS_CONFIG_FILE="elsewhere"),
    _call("s3 cp upload s3://bucket/key --no-progress --profile home"),
    _call("s3 cp - s3://bucket/key --profile home", input="from a pipe"),
    _call("s3 cp s3://bucket/key download --no-progress --profile home"),
    _call("s3 presign s3://bucket/key --profile home"),
    _call("ec2 describe-regions", AWS_PROFILE="home"),
    _call("iam list-users --profile 'a b'"),
    _call("ssm get-parameter --name n --profile split"),
    _call("ecr get-login-password --profile home"),
    _call("whoami --profile home"),
    _call("outside", AWS_PROFILE="home"),
    _call(f"{WHO} -- --profile home", AWS_PROFILE="home"),
    _call(f"{WHO} --no-such-option --profile home"),
    # These only have to be given to the CLI as they are without the wrapper.
    _line(""),
    _line("configure set region us-east-2"),
    _line("configure get region --profile home"),
    _line("configure list"),
    _line("login --profile split"),
    _line("logout --profile split"),
    _line("sso logout"),
    _line("history list --profile split"),
    _line("--profile"),
    _line(f"{WHO} --profile --debug"),
    _line(f"{WHO} --profile split --profile"),
    _line(WHO),
    _line(WHO, AWS_PROFILE="bare"),
    _line(WHO, AWS_PROFILE="legacy"),
    _line(WHO, AWS_PROFILE="instance"),
)
#: How many of them run in every shell, and how many in bash.
EVERYWHERE, EXECUTED = 4, 60

#: Stands for the CLI on PATH: notes what it was given, and runs it where it is told to, with files as its streams.
FRONT = """#!{python} -IS
import json, os, sys
folder = {folder!r}
number = sum(name.endswith(".given") for name in os.listdir(folder))
variables = {{name: value for name, value in os.environ.items() if name.startswith(("AWS_", "SHELLVAULT_"))}}
with open(f"{{folder}}/{{number}}.given", "w") as given:
    json.dump([sys.argv[1:], os.getcwd(), variables], given)
if number < int(open(f"{{folder}}/lines").read()):
    os.dup2(os.open(f"{{folder}}/{{number}}.input", os.O_RDONLY), 0)
    for stream, name in ((1, "output"), (2, "errors")):
        os.dup2(os.open(f"{{folder}}/{{number}}.{{name}}", os.O_WRONLY | os.O_CREAT), stream)
    os.execv({program!r}, ["aws", *sys.argv[1:]])
"""

#: How each shell runs a script.
SCRIPTS = {
    "bash": ["bash", "--noprofile", "--norc"],
    "zsh": ["zsh", "-f"],
    "fish": ["fish", "--no-config"],
    "powershell": ["pwsh", "-NoProfile", "-File"],
    "shim": ["sh"],
}
INIT = {
    "bash": 'eval "$(shellvault init bash)"',
    "zsh": 'eval "$(shellvault init zsh)"',
    "fish": "shellvault init fish | source",
    "powershell": "Invoke-Expression (& shellvault init powershell | Out-String)",
}


@dataclass(frozen=True)
class Outcome:
    """What one line did."""

    status: str
    output: str
    errors: str
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Run:
    """All lines in one shell: what the CLI was given for each, and what those did that ran."""

    given: list[tuple[list[str], str, dict[str, str]]]
    outcomes: list[Outcome]
    requests: list[Request]
    """The CLI's own; `during` is the number of the line."""


@dataclass(frozen=True)
class World:
    """A home that is made anew for each run, beside a vault, an agent and the services."""

    home: Home
    recorder: Recorder
    folder: Path

    def run(self, shell: str, lines: tuple[Line, ...], *, wrapped: bool = True, executed: int) -> Run:
        """Runs the lines in one process of `shell`, the first `executed` really, and returns what was seen."""
        self._renew()
        results = self.folder / "results"
        shutil.rmtree(results, ignore_errors=True)
        results.mkdir()
        self.recorder.stage = lambda: len(list(results.glob("*.given"))) - 1
        (results / "lines").write_text(str(executed))
        for number, line in enumerate(lines):
            (results / f"{number}.input").write_text(line.input)
        script = self.folder / ("script.ps1" if shell == "powershell" else "script")
        text = [INIT[shell]] if wrapped and shell in INIT else []
        for number, line in enumerate(lines):
            text += _script_line(shell, line)
            if number < executed:
                text.append(f'cp -R "{self.home.path}" "{results}/{number}.files"')
        script.write_text("\n".join(text) + "\n")
        shims = self.folder / "state/shellvault/shims"
        path = f"{shims}:" if wrapped and shell == "shim" else ""
        done = subprocess.run(
            [str(need(SCRIPTS[shell][0])), *SCRIPTS[shell][1:], str(script)],
            env=self.home.environment
            | {"PATH": path + self.home.environment["PATH"], "RESULTS": str(results)},
            cwd=self.home.path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=500,
        )
        # The CLI's own streams are files: what is left is the wrapper's and the shell's.
        assert (done.stdout, done.stderr) == ("", "")
        return self._seen(results, lines, executed)

    def _renew(self) -> None:
        shutil.rmtree(self.home.path)
        files = {
            ".aws/config": CONFIG,
            ".aws/credentials": CREDENTIALS,
            ".aws/cli/alias": ALIASES,
            "elsewhere": ELSEWHERE,
            "upload": "some text",
        }
        for name, text in files.items():
            (self.home.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.home.path / name).write_text(text.format(endpoint=self.recorder.endpoint))
        self.recorder.requests.clear()

    def _seen(self, results: Path, lines: tuple[Line, ...], executed: int) -> Run:
        given = [json.loads((results / f"{number}.given").read_text()) for number in range(len(lines))]
        statuses = (results / "statuses").read_text().split()
        outcomes = [
            Outcome(
                statuses[number],
                (results / f"{number}.output").read_text(),
                (results / f"{number}.errors").read_text(),
                _files(results / f"{number}.files"),
            )
            for number in range(executed)
        ]
        own = [request for request in self.recorder.requests if not request.asked.endswith("GetSessionToken")]
        return Run(given, outcomes, own)


def _script_line(shell: str, line: Line) -> list[str]:
    """The line, and what appends its exit status to the list of them."""
    if shell == "powershell":
        before = [f"$env:{name} = '{value}'" for name, value in line.variables.items()]
        after = [f"Remove-Item env:{name}" for name in line.variables]
        status = '[IO.File]::AppendAllText("$env:RESULTS/statuses", "$LASTEXITCODE`n")'
        return [*before, f"aws {line.typed}", status, *after]
    assignments = "".join(f"{name}={value} " for name, value in line.variables.items())
    status = "$status" if shell == "fish" else "$?"
    return [f'{assignments}aws {line.typed}; echo {status} >>"$RESULTS/statuses"']


def _files(folder: Path) -> dict[str, bytes]:
    """All files of a home but the CLI's cache of credentials."""
    paths = (path for path in folder.rglob("*") if path.is_file() and ".aws/cli/cache" not in str(path))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory, installation: Installation) -> Iterator[World]:
    """A home whose vault has the keys of STORED, where `aws` is the real CLI behind its front."""
    program = need("aws-cli-2")
    folder = tmp_path_factory.mktemp("world")
    front = folder / "programs" / "aws"
    front.parent.mkdir()
    results = folder / "results"
    front.write_text(FRONT.format(python=sys.executable, folder=str(results), program=str(program.resolve())))
    front.chmod(0o755)
    with recording() as recorder, tempfile.TemporaryDirectory(prefix="shellvault-") as runtime:
        home = make_home(folder, Path(runtime), installation.programs)
        del home.environment["SHELLVAULT_NO_AGENT"]
        places = {
            f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA", "STATE")
        }
        home.environment.update(
            places,
            AWS_EC2_METADATA_SERVICE_ENDPOINT=recorder.endpoint,
            AWS_PAGER="",
            LANG="C.UTF-8",
            PATH=f"{front.parent}:{home.environment['PATH']}",
        )
        made = World(home, recorder, folder)
        for name in STORED:
            keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "s" * 40}
            added = home.run("shellvault", "add", "--env", "--no-check", name, **keys)
            assert added.returncode == 0, added.stderr
        assert home.run("shellvault", "shim", "add").returncode == 0
        yield made
        stop_agents(Path(runtime))


def differences(lines: tuple[Line, ...], with_wrapper: Run, without: Run) -> list[str]:
    """What differs between two runs of the lines, credentials aside."""
    found = []
    for number, (line, left, right) in enumerate(
        zip(lines, with_wrapper.outcomes, without.outcomes, strict=False)
    ):
        for what in ("status", "output", "errors", "files"):
            mine, theirs = (_comparable(getattr(outcome, what)) for outcome in (left, right))
            if mine != theirs:
                found.append(f"aws {line.typed} {dict(line.variables)}: {what}: {mine!r} != {theirs!r}")
        mine, theirs = (
            [request[1:] for request in run.requests if request.during == number]
            for run in (with_wrapper, without)
        )
        if mine != theirs:
            found.append(f"aws {line.typed} {dict(line.variables)}: requests: {mine} != {theirs}")
    return found


def _comparable(seen: object) -> object:
    """What was seen, without what credentials and the time make of a presigned URL."""
    varying = r"X-Amz-(?:Credential=[^%]*|Date|Signature|Security-Token)=?\w*"
    return re.sub(varying, "", seen) if isinstance(seen, str) else seen


def test_only_the_credentials_differ_in_every_shell(world: World) -> None:
    """One test, since all compare with the same run, and that takes the CLI a minute."""
    without_wrapper = world.run("bash", LINES, wrapped=False, executed=EXECUTED)
    in_bash = world.run("bash", LINES, executed=EXECUTED)
    assert len(in_bash.outcomes) == len(without_wrapper.outcomes) == EXECUTED
    assert differences(LINES, in_bash, without_wrapper) == []
    check_where_the_session_is_used(without_wrapper, in_bash)
    for shell in ("zsh", "fish", "powershell", "shim"):
        seen = world.run(shell, LINES, executed=EVERYWHERE)
        assert differences(LINES, seen, without_wrapper) == [], shell
        for line, mine, theirs in zip(LINES, seen.given, in_bash.given, strict=True):
            assert mine == theirs, (shell, line)


def check_where_the_session_is_used(without_wrapper: Run, in_bash: Run) -> None:
    """It is where it should be, and nowhere else."""
    for number, line in enumerate(LINES):
        mine, theirs = (
            {request.key for request in run.requests if request.during == number}
            for run in (in_bash, without_wrapper)
        )
        if not line.with_session:
            assert in_bash.given[number] == without_wrapper.given[number], line
            assert mine == theirs, line
            continue
        assert in_bash.given[number][2]["AWS_ACCESS_KEY_ID"] == SESSION_KEY, line
        if theirs:
            assert (mine, theirs) == ({SESSION_KEY}, {INSTANCE_KEY}), line
    with_session = [line for line in LINES if line.with_session]
    assert len(with_session) > 25
