"""The examples of aws-vault's README and USAGE as people type them, in a shell with `alias aws-vault=shellvault`."""

import json
import shutil

import pytest

from tests.end_to_end.conftest import Person, settle
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront

pytestmark = pytest.mark.real

#: What is typed, its exit status, and what it must print.
EXAMPLES = (
    ("aws-vault --version", 0, "shellvault"),
    ("aws-vault list --profiles", 0, "jonsmith"),
    ("aws-vault ls --credentials", 0, "work"),
    ("aws-vault exec work -- env | grep -c ^AWS_", 0, ""),
    ("aws-vault exec work -- sh -c 'echo $AWS_VAULT $AWS_REGION'", 0, "work eu-central-1"),
    ("aws-vault exec --region us-west-2 work -- sh -c 'echo $AWS_DEFAULT_REGION'", 0, "us-west-2"),
    ("aws-vault exec work --no-session -- sh -c 'echo ${AWS_SESSION_TOKEN-none}'", 0, "none"),
    ("aws-vault --backend=file exec --duration=12h work -- sh -c 'echo ${AWS_VAULT}'", 0, "work"),
    ("AWS_SESSION_TOKEN_TTL=12h aws-vault exec work -- sh -c 'echo ${AWS_VAULT}'", 0, "work"),
    ("AWS_SESSION_TOKEN_TTL=12x aws-vault exec work -- true", 1, ""),
    ("AWS_PROFILE=work aws-vault exec -- sh -c 'echo ${AWS_PROFILE-unset}'", 0, "unset"),
    ("AWS_VAULT_PROFILE_ENV=true aws-vault exec work -- sh -c 'echo $AWS_PROFILE ${AWS_SESSION_TOKEN-none}'", 0,
     "work none"),
    ("aws-vault exec --profile-env work -- sh -c 'echo $AWS_PROFILE $AWS_VAULT ${SHELLVAULT_REQUEST-none}'", 0,
     "work work none"),
    ("aws-vault exec jonsmith -- sh -c 'exit 7'", 7, ""),
    ("aws-vault exec work -- no-such-program", 127, ""),
    ("aws-vault exec nosuch -- true", 1, ""),
    ("aws-vault exec -- ls", 1, ""),
    ("eval $(aws-vault export --format=export-env work); echo ${AWS_SESSION_TOKEN:+there}", 0, "there"),
    ("aws-vault export work | cut -d= -f1 | head -4 | xargs", 0,
     "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_CREDENTIAL_EXPIRATION"),
    ("aws-vault export --format=ini work | head -1", 0, "[work]"),
    ("aws-vault export --format=json work", 0, '"Version": 1'),
    ("aws-vault exec -j work", 0, '"Version": 1'),
    ("aws-vault --debug exec work -- true 2>/dev/null", 0, ""),
    ("aws-vault list --credentials --profiles | grep -c jonsmith", 1, "0"),
    ("aws-vault exec work bash -- -c 'echo x$AWS_VAULT'", 0, "xwork"),
    ("aws-vault exec work env | grep -c AWS_VAULT=work", 0, "1"),
    ("aws-vault exec work -- printenv AWS_SECURITY_TOKEN", 1, ""),
    ("aws-vault exec work -- sh -c 'kill -TERM $$'", 143, ""),
    ("aws-vault exec work -- bash -c 'echo \"$0 $@\"' a 'b c'", 0, "a b c"),
    ("aws-vault exec work -n -- sh -c 'echo ${AWS_CREDENTIAL_EXPIRATION-none}'", 0, "none"),
    ("aws-vault exec work -- sh -c 'echo ${SHELLVAULT_FILE_PASSPHRASE-gone}'", 0, "gone"),
    ("aws-vault exec work -- shellvault exec jonsmith -- printenv AWS_VAULT", 0, "jonsmith"),
    ("AWS_VAULT=other aws-vault exec work -- printenv AWS_VAULT", 0, "work"),
    ("AWS_REGION=ap-south-1 aws-vault exec work -- printenv AWS_REGION", 0, "ap-south-1"),
    ("AWS_ASSUME_ROLE_TTL=3600 AWS_MIN_TTL=5m aws-vault exec jonsmith -- printenv AWS_VAULT", 0, "jonsmith"),
    ("aws-vault exec -d 13h jonsmith -- true", 1, "AWS gives 15m to 12h for assume-role"),
    ("aws-vault exec guarded -t 123456 -- printenv AWS_VAULT", 0, "guarded"),
    ("aws-vault exec -s work -- sh -c 'echo ${AWS_CONTAINER_CREDENTIALS_FULL_URI%:*} ${AWS_ACCESS_KEY_ID-none}'", 0,
     "http://127.0.0.1 none"),
    ("export $(aws-vault export work); printenv AWS_DEFAULT_REGION", 0, "eu-central-1"),
    ("env $(aws-vault export work | xargs) printenv AWS_REGION", 0, "eu-central-1"),
    ("AWS_PROFILE=work aws-vault export | head -1 | cut -d= -f1", 0, "AWS_ACCESS_KEY_ID"),
    ("AWS_CONFIG_FILE=/nowhere aws-vault list --profiles", 0, ""),
    ("AWS_CONFIG_FILE=/nowhere aws-vault list --credentials", 0, "work"),
    ("echo y | aws-vault rm work", 1, "--force needs no answer"),
    ("aws-vault proxy --stop", 0, "a proxy ends with Ctrl-C"),
    ("aws-vault server --stop", 0, "a proxy ends with Ctrl-C"),
    ("ln -s \"$(command -v shellvault)\" aws-vault; ./aws-vault exec work -- printenv AWS_VAULT", 0, "work"),
    ("aws-vault rm --sessions-only work", 0, ""),
    ("aws-vault clear", 0, ""),
    ("aws-vault --completion-script-bash | grep -o __shellvault_complete | head -1", 0, "__shellvault_complete"),
)  # fmt: skip


def test_the_examples_work_with_an_alias(home: Home, aws: Aws, front: StsFront) -> None:
    del home.environment["SHELLVAULT_NO_AGENT"]
    person: Person = settle(home, aws, front)
    person.configure(f"[profile jonsmith]\nsource_profile = work\nrole_arn = {person.role('jonsmith')}\n")
    script = "shopt -s expand_aliases\nalias aws-vault=shellvault\n" + "\n".join(
        f"(\n{line}\n) </dev/null 2>&1\nprintf '\\036%s\\035' $?" for line, _, _ in EXAMPLES
    )
    done = home.run("bash", "-c", script, timeout=110)

    parts = done.stdout.split("\035")[:-1]
    assert len(parts) == len(EXAMPLES), done.stderr
    for (line, status, told), part in zip(EXAMPLES, parts, strict=True):
        printed, _, ended = part.rpartition("\036")
        assert int(ended) == status, f"{line}: {printed}"
        assert told in printed, f"{line}: {printed}"
        assert "Traceback" not in printed
    document = json.loads(
        parts[[line for line, _, _ in EXAMPLES].index("aws-vault exec -j work")].split("\036")[0]
    )
    assert set(document) >= {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}


def test_by_a_link_of_its_name_list_has_two_header_lines(person: Person) -> None:
    programs = person.home.path / "bin"
    programs.mkdir()
    (programs / "aws-vault").symlink_to(
        shutil.which("shellvault", path=person.home.environment["PATH"]) or ""
    )
    shown = person.home.run(str(programs / "aws-vault"), "list").stdout.splitlines()
    plain = person.home.succeed("list").splitlines()
    assert set(shown[1]) == {"=", " "}
    assert [shown[0], *shown[2:]] == plain
    # What it starts is called by its own name again.
    inside = person.home.run(str(programs / "aws-vault"), "exec", "work", "--", "shellvault", "list")
    assert "=" not in inside.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_its_completion_script_completes_its_name_alone(home: Home, shell: str) -> None:
    text = home.succeed(f"--completion-script-{shell}")
    assert "aws-vault" in text
    for other in ("PROMPT_COMMAND", "function shellvault ", "__shellvault_refresh"):
        assert other not in text
    if shell == "bash":
        done = home.run(
            "bash", "--norc", "-i", "-c", f"{text}\ncomplete -p; declare -F | grep -v __shellvault_; echo $?"
        )
        assert done.stdout == "complete -F __shellvault_complete aws-vault\n1\n", done.stdout + done.stderr


def test_a_profile_in_place_of_the_command_is_corrected(person: Person) -> None:
    done = person.home.shellvault("exec", "--", "work", "env")
    assert done.returncode == 2
    assert "work is a profile, and a command follows `--`: write `exec work -- COMMAND`" in done.stderr


def test_an_unknown_prompt_driver_of_its_variable_is_an_error(person: Person) -> None:
    done = person.home.run("shellvault", "export", "work", "--format", "env", AWS_VAULT_PROMPT="bogus")
    assert done.returncode != 0
    assert "no prompt driver 'bogus'" in done.stderr
