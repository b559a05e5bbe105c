"""Moving in: what lies around is shown, taken over, proved, and only then taken out of plaintext."""

import hashlib
import json
import os
import random
import resource
import signal
import time
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shellvault.importing.plaintext import COMMENT, in_file
from shellvault.vault import open_vault
from tests.end_to_end.conftest import Person
from tests.importing.stores import credential, write_encrypted
from tests.support.home import Home
from tests.vault.conftest import never_asked

pytestmark = pytest.mark.real

ROUNDS = int(os.environ.get("SHELLVAULT_KILL_ROUNDS", "4"))


def write_credentials(person: Person, **profiles: str) -> Path:
    """A credentials file with keys of the person under these names, and other settings around them."""
    path = person.home.path / ".aws" / "credentials"
    text = "# by hand\n"
    for name, more in profiles.items():
        text += (
            f"[{name}]\naws_access_key_id = {person.keys.access_key_id}\n{more}"
            f"aws_secret_access_key = {person.keys.secret_access_key}\n\n"
        )
    path.write_text(text)
    path.chmod(0o600)
    return path


def plaintext_left(person: Person) -> list[Path]:
    """The files of the home that hold the secret key."""
    secret = person.keys.secret_access_key.encode()
    files = [path for path in person.home.path.rglob("*") if path.is_file()]
    return [path for path in files if secret in path.read_bytes()]


def test_everything_found_is_shown_and_nothing_is_changed(person: Person) -> None:
    path = write_credentials(person, old="region = eu-west-3\n", work="")
    write_encrypted(person.home.path / ".awsvault" / "keys", "theirs", credential("AKIAX000", "ssss"), "x")
    before = path.read_bytes()
    shown = person.home.succeed("import", "--dry-run").splitlines()
    rows = {line.split()[0]: line for line in shown[1:]}
    assert rows["old"].split()[-1] == "no"
    assert rows["work"].split()[-1] == "yes"
    assert "locked" in rows["theirs"]
    assert person.keys.secret_access_key not in "".join(shown)
    assert path.read_bytes() == before


def test_plaintext_keys_go_into_the_vault_and_leave_one_comment(person: Person) -> None:
    path = write_credentials(person, old="region = eu-west-3\n", other="output = json\n")
    before = path.read_text()
    done = person.home.shellvault("import", "credentials-file", "old")
    assert done.returncode == 0, done.stderr
    assert path.read_text() == before.replace(
        f"aws_access_key_id = {person.keys.access_key_id}\nregion = eu-west-3\n"
        f"aws_secret_access_key = {person.keys.secret_access_key}\n",
        f"{COMMENT}\nregion = eu-west-3\n",
        1,
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert "[profile old]\nregion = eu-west-3\n" in person.home.config_file.read_text()
    keys = person.home.succeed("export", "old")
    assert "AWS_REGION=eu-west-3" in keys
    assert person.front.calls[0] == "GetCallerIdentity"

    again = person.home.shellvault("import", "--all")
    assert again.returncode == 0, again.stderr
    assert plaintext_left(person) == []
    assert "no keys were found elsewhere" in person.home.shellvault("import", "--all").stderr


def test_what_was_taken_out_can_be_put_back(person: Person) -> None:
    path = write_credentials(person, old="")
    before = path.read_bytes()
    assert person.home.shellvault("import", "--all").returncode == 0
    assert path.read_bytes() != before
    assert person.home.shellvault("import", "--restore", str(path)).returncode == 0
    assert path.read_bytes() == before
    assert "has no copy" in person.home.fail("import", "--restore", str(path), status=2)


def test_keys_that_aws_does_not_know_are_left_where_they_are(person: Person) -> None:
    path = write_credentials(person, old="")
    path.write_text(path.read_text().replace(person.keys.access_key_id, "AKIAUNKNOWN00000"))
    before = path.read_bytes()
    done = person.home.shellvault("import", "--all")
    assert done.returncode == 1
    assert "AWS does not know the credentials" in done.stderr
    assert path.read_bytes() == before
    assert "old" not in person.home.succeed("list", "--credentials").split()
    assert person.home.shellvault("import", "--all", "--no-check").returncode == 0


def test_other_keys_of_the_same_name_are_not_replaced_unasked(person: Person) -> None:
    path = write_credentials(person, work="")
    second = person.aws.client("iam").create_access_key(UserName=person.user)["AccessKey"]
    path.write_text(
        path.read_text()
        .replace(person.keys.access_key_id, second["AccessKeyId"])
        .replace(person.keys.secret_access_key, second["SecretAccessKey"])
    )
    done = person.home.shellvault("import", "--all")
    assert done.returncode == 1
    assert "left alone; --overwrite replaces them" in done.stderr
    assert second["SecretAccessKey"] in path.read_text()
    assert person.home.shellvault("import", "--all", "--overwrite").returncode == 0
    assert second["AccessKeyId"] in person.home.succeed("export", "-n", "work")
    assert second["SecretAccessKey"] not in path.read_text()


def test_aws_vaults_keys_are_taken_over_and_stay_there(person: Person) -> None:
    data = credential(person.keys.access_key_id, person.keys.secret_access_key)
    path = write_encrypted(person.home.path / ".awsvault" / "keys", "theirs", data, "their passphrase")
    before = path.read_bytes()
    done = person.home.run(
        "shellvault", "import", "aws-vault", "--all", AWS_VAULT_FILE_PASSPHRASE="their passphrase"
    )
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == before
    assert person.home.succeed("exec", "theirs", "--", "sh", "-c", "echo $AWS_VAULT") == "theirs\n"


def test_keys_in_the_config_file_leave_no_copy_near_it(person: Person) -> None:
    person.configure(
        f"[profile plain]\naws_access_key_id = {person.keys.access_key_id}\n"
        f"aws_secret_access_key = {person.keys.secret_access_key}"
    )
    done = person.home.shellvault("import", "--all")
    assert done.returncode == 0, done.stderr
    assert plaintext_left(person) == []


def test_without_a_terminal_what_to_take_over_must_be_said(person: Person) -> None:
    write_credentials(person, old="")
    assert "--all" in person.home.shellvault("import").stderr


def write_sign_in(home: Home, key: str, url: str, *, ends_in: int, **more: str) -> None:
    """A file as `aws sso login` leaves it; `key`: the sso-session's name, or the start URL."""
    ends = datetime.fromtimestamp(time.time() + ends_in, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = {"startUrl": url, "region": "us-east-1", "accessToken": "token-of-aws", "expiresAt": ends}
    path = home.path / ".aws" / "sso" / "cache" / f"{hashlib.sha1(key.encode()).hexdigest()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document | more))


def test_sign_ins_of_the_aws_cli_are_shown_with_their_use(home: Home) -> None:
    home.write_config(
        """\
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = us-east-1
[profile dev]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = dev
"""
    )
    write_sign_in(home, "corp", "https://corp.awsapps.com/start", ends_in=7230)
    write_sign_in(home, "https://old.awsapps.com/start", "https://old.awsapps.com/start", ends_in=-60)
    write_sign_in(
        home, "lab", "https://lab.awsapps.com/start", ends_in=-60, refreshToken="r", clientId="c",
        clientSecret="s", registrationExpiresAt="2090-01-01T00:00:00Z",
    )  # fmt: skip
    (home.path / ".aws" / "sso" / "cache" / "other.json").write_text("[]")
    done = home.shellvault("import")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "shellvault: signed in by the AWS CLI: corp (2h00m left): used as it is by dev",
        "shellvault: signed in by the AWS CLI: https://lab.awsapps.com/start (renewed when it is needed): "
        "no profile uses it, `shellvault configure sso` makes one",
        "shellvault: no keys were found elsewhere",
    ]
    assert "token-of-aws" not in done.stdout + done.stderr
    assert "signed in" not in home.shellvault("import", "env").stderr


def test_wherever_it_is_killed_the_next_run_goes_on(person: Person) -> None:
    chance, took = random.Random(5), 0.0
    for number in range(ROUNDS):
        name = f"old-{number}"
        path = write_credentials(person, **{name: "", "stays": ""})
        if took:
            running = person.home.start("shellvault", "import", "credentials-file", name)
            time.sleep(chance.uniform(0.05, took))
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate(timeout=30)
        assert name in names_in(path) or name in stored(person)
        assert plaintext_left(person) == [path]
        started = time.monotonic()
        done = person.home.shellvault("import", "credentials-file", name)
        if not took:
            took = time.monotonic() - started
        assert done.returncode == 0 or "no keys were found for" in done.stderr, done.stderr
        assert names_in(path) == ["stays"]
        assert stored(person)[name] == (person.keys.access_key_id, person.keys.secret_access_key)
        assert plaintext_left(person) == [path]


def names_in(path: Path) -> list[str]:
    """The profiles of a credentials file that have keys."""
    return [each.name for each in in_file(path, is_config=False)]


def stored(person: Person) -> dict[str, tuple[str, str]]:
    """The pairs in the vault."""
    vault = open_vault(None, person.home.environment, never_asked)
    return {name: astuple(vault.load_keys(name)) for name in vault.stored_keys()}


def test_another_tools_passphrase_is_never_taken_from_ours(person: Person) -> None:
    assert "SHELLVAULT_FILE_PASSPHRASE" in person.home.environment
    data = credential(person.keys.access_key_id, person.keys.secret_access_key)
    write_encrypted(
        person.home.path / ".awsvault" / "keys",
        "theirs",
        data,
        person.home.environment["SHELLVAULT_FILE_PASSPHRASE"],
    )
    done = person.home.shellvault("import", "aws-vault", "--all")
    assert done.returncode == 1
    assert "set AWS_VAULT_FILE_PASSPHRASE, or run this in a terminal" in done.stderr
    assert "theirs" not in stored(person)


def test_an_unreadable_place_shows_in_the_status(person: Person) -> None:
    (person.home.path / ".aws" / "credentials").mkdir()
    for arguments in ((), ("--all",), ("--dry-run",)):
        done = person.home.shellvault("import", *arguments)
        assert done.returncode == 1
        assert "not looked into: the credentials file: " in done.stderr
        assert "no keys were found in the other places" in done.stderr
        assert "found elsewhere" not in done.stderr


def test_sixty_two_keys_are_one_unlocking_and_one_write(person: Person) -> None:
    folder = person.home.path / ".awsvault" / "keys"
    names = [f"team {number}/ü" for number in range(62)]
    for number, name in enumerate(names):
        write_encrypted(folder, name, credential(f"AKIAX{number:03}", "ssss"), "theirs")
    before = writes_of(person)
    started = seconds_of_children()
    done = person.home.run(
        "shellvault", "import", "aws-vault", "--all", "--no-check", AWS_VAULT_FILE_PASSPHRASE="theirs"
    )
    took = seconds_of_children() - started
    assert done.returncode == 0, done.stderr
    assert writes_of(person) == before + 1
    assert took < 5
    assert set(names) <= set(stored(person))
    assert person.home.config_file.read_text().count("[profile ") >= 62
    assert f"{folder} still holds the 62 keys: once everything works, remove them there" in done.stderr


def seconds_of_children() -> float:
    """The processor's time of all processes that have ended: a busy machine makes it no longer."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def writes_of(person: Person) -> int:
    """How often the encrypted file was written."""
    noted = person.home.path / ".local" / "state" / "shellvault" / "vault-writes.json"
    return max(json.loads(noted.read_text()).values())


def test_what_stops_halfway_says_what_now_holds(person: Person) -> None:
    path = write_credentials(person, old="")
    config = person.home.config_file
    # A folder in the place of the lock: root is stopped by it, too.
    (path.parent / f".{config.name}.shellvault-lock").unlink(missing_ok=True)
    (path.parent / f".{config.name}.shellvault-lock").mkdir()
    done = person.home.shellvault("import", "--all")
    assert done.returncode == 1
    assert "the keys of old are in the vault, but their profiles are not in the config file: " in done.stderr
    assert "nothing was changed" not in done.stderr
    assert stored(person)["old"] == (person.keys.access_key_id, person.keys.secret_access_key)


def test_after_moving_in_no_line_calls_the_old_tool(person: Person) -> None:
    data = credential(person.keys.access_key_id, person.keys.secret_access_key)
    write_encrypted(person.home.path / ".awsvault" / "keys", "theirs", data, "")
    person.configure(
        "[profile theirs]\ncredential_process = aws-vault exec theirs --json\n"
        "[profile ide]\ncredential_process = aws-vault export --format=json theirs\n"
        "[profile other]\ncredential_process = aws-sso process --profile other"
    )
    done = person.home.run("shellvault", "import", "aws-vault", "--all", AWS_VAULT_FILE_PASSPHRASE="anything")
    assert "AWS_VAULT_FILE_PASSPHRASE does not open it" in done.stderr
    write_encrypted(person.home.path / ".awsvault" / "keys", "theirs", data, "theirs")
    done = person.home.run("shellvault", "import", "aws-vault", "--all", AWS_VAULT_FILE_PASSPHRASE="theirs")
    assert done.returncode == 0, done.stderr
    assert "credential_process of theirs, ide is shellvault's now" in done.stderr
    assert "other still calls aws-sso-cli: shellvault has no keys of other" in done.stderr
    lines = person.home.config_file.read_text().splitlines()
    calling = [line for line in lines if line.startswith("credential_process") and "shellvault" not in line]
    assert calling == ["credential_process = aws-sso process --profile other"]
