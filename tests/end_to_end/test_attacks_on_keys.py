"""A program of the same user, or a container with the socket, goes for the long-term keys: raw and by commands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shellvault import __version__, guard, locations
from shellvault.fastlane import request
from shellvault.variables import for_agent
from tests.end_to_end.conftest import Person, unlocked
from tests.end_to_end.test_confirmation import SHOW
from tests.real_password_store import password_store
from tests.support import container as in_podman
from tests.support.emulator import Aws
from tests.support.home import PASSPHRASE, Home
from tests.support.http_front import Answer, serving
from tests.support.namespace import namespace
from tests.support.sts_front import StsFront
from tests.support.terminal import terminal

pytestmark = pytest.mark.real


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person whose encrypted file the agent keeps unlocked."""
    return unlocked(home, aws, front)


def vault_message(person: Person, operation: dict[str, Any], **more: str) -> dict[str, Any]:
    """What a command says to the agent about an operation on the vault."""
    return {
        "do": "vault",
        "version": __version__,
        "operation": operation,
        "backend": None,
        "environment": for_agent(person.home.environment | more),
        "directory": "/",
    }


def converse(
    path: Path, line: str, answers: list[str], python: tuple[str, ...]
) -> subprocess.CompletedProcess[str]:
    """Says one line to the agent at `path`, from a process of its own that this `python` starts."""
    return subprocess.run(
        [*python, "-c", CONVERSE, str(path)],
        input=json.dumps([line, answers]),
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )


def ask_vault(
    person: Person, operation: dict[str, Any], answers: list[str], before: tuple[str, ...] = (), **more: str
) -> tuple[str, list[dict[str, Any]]]:
    """What the agent says to one line on its socket, from a process that `before` starts, and what it asks."""
    line = json.dumps(vault_message(person, operation, **more))
    path = locations.socket_path(person.home.environment)
    done = converse(path, line, answers, (*before, sys.executable))
    assert done.returncode == 0, done.stderr
    heard = [json.loads(line) for line in done.stdout.splitlines()]
    return done.stdout, [reply["ask"] for reply in heard if "ask" in reply]


#: Says one thing to the agent, answers its questions, and prints what it says.
CONVERSE = """
import json, socket, sys
line, answers = json.load(sys.stdin)
with socket.socket(socket.AF_UNIX) as asking, asking.makefile("rb") as replies:
    asking.settimeout(30)
    asking.connect(sys.argv[1])
    asking.sendall(line.encode() + b"\\n")
    for reply in replies:
        print(reply.decode(), end="")
        if b'"ask"' in reply:
            answer = answers.pop(0) if answers else None
            asking.sendall(json.dumps({"answer": answer}).encode() + b"\\n")
"""


def attacks(person: Person) -> list[dict[str, Any]]:
    """What a program that wants keys says on the socket."""
    line = request.encode("work", {}, person.home.environment, "/")
    other = {"access_key_id": "AKIAOTHERKEYID000000", "secret_access_key": "x" * 40}
    return [
        {"do": "restore", "path": str(credentials(person))},
        {"do": "rotate", "request": line},
        {"do": "save", "name": "work", **other},
        {"do": "remove", "name": "work"},
    ]


def commands(person: Person) -> list[tuple[str, ...]]:
    """What a program that wants keys runs."""
    return [
        ("export", "-n", "work"),
        ("exec", "--no-session", "work", "--", "printenv"),
        ("migrate-backend", "--from", "file", "--to", "keyctl"),
        ("import", "--restore", str(credentials(person))),
        ("rotate", "work"),
        ("remove", "--force", "work"),
    ]


def credentials(person: Person) -> Path:
    """The file whose keys the vault has taken over."""
    return person.home.path / ".aws" / "credentials"


@pytest.fixture
def moved_in(person: Person) -> Person:
    """A person whose plaintext keys were taken over, and whose vault the agent keeps unlocked."""
    credentials(person).write_text(
        f"[old]\naws_access_key_id = {person.keys.access_key_id}\n"
        f"aws_secret_access_key = {person.keys.secret_access_key}\n"
    )
    credentials(person).chmod(0o600)
    done = person.home.shellvault("import", "--all")
    assert done.returncode == 0, done.stderr
    assert person.keys.secret_access_key not in credentials(person).read_text()
    return person


def is_unharmed(person: Person) -> bool:
    """Whether keys, vault and files are as they were."""
    found = person.aws.client("iam").list_access_keys(UserName=person.user)["AccessKeyMetadata"]
    return (
        [key["AccessKeyId"] for key in found] == [person.keys.access_key_id]
        and f'"work":"{person.keys.access_key_id}"' in ask_vault(person, {"do": "list"}, [])[0]
        and person.keys.secret_access_key not in credentials(person).read_text()
    )


@pytest.mark.parametrize("confirm", ["keys", "always"])
def test_a_program_of_the_same_user_moves_no_long_term_keys(moved_in: Person, confirm: str) -> None:
    for attack in attacks(moved_in):
        for answers in ([], ["y"], ["wrong", "", "yes"]):
            for stated in ("never", confirm):
                heard, questions = ask_vault(moved_in, attack, list(answers), SHELLVAULT_CONFIRM=stated)
                assert "error" in heard, attack
                assert questions[0]["kind"] == "passphrase", attack
    for command in commands(moved_in):
        done = moved_in.home.run("shellvault", *command, SHELLVAULT_CONFIRM=confirm)
        assert (done.returncode, done.stdout) == (1, ""), command
        assert "passphrase" in done.stderr, command
    assert is_unharmed(moved_in)


@pytest.fixture
def never(moved_in: Person) -> Person:
    """The same person, never asked to confirm; the file is locked."""
    moved_in.home.environment["SHELLVAULT_CONFIRM"] = "never"
    # Without it no rotation has a host to ask about.
    del moved_in.home.environment["AWS_ENDPOINT_URL_STS"]
    moved_in.home.succeed("agent", "lock")
    return moved_in


def unlock(person: Person) -> None:
    """The person unlocks the file for the day."""
    done = person.home.run("shellvault", "unlock", SHELLVAULT_FILE_PASSPHRASE=PASSPHRASE)
    assert done.returncode == 0, done.stderr


def test_at_confirm_never_a_locked_file_gives_nothing(never: Person) -> None:
    for attack in attacks(never):
        for answers in ([], ["y"], ["wrong", "", "yes"]):
            heard, questions = ask_vault(never, attack, list(answers))
            assert "error" in heard, attack
            assert questions[0]["kind"] == "passphrase", attack
    for command in commands(never):
        done = never.home.run("shellvault", *command)
        assert (done.returncode, done.stdout) == (1, ""), command
        assert "passphrase" in done.stderr, command
    unlock(never)
    assert is_unharmed(never)


def test_at_confirm_never_an_unlocked_file_gives_keys_unasked(never: Person) -> None:
    """As SECURITY.md says."""
    unlock(never)
    for attack in attacks(never):
        heard, questions = ask_vault(never, attack, [])
        assert '"result"' in heard, f"{attack}: {heard}"
        assert questions == [], attack
        if attack["do"] == "restore":
            assert never.keys.secret_access_key in credentials(never).read_text()
        if attack["do"] == "save":
            assert '"work":"AKIAOTHERKEYID000000"' in ask_vault(never, {"do": "list"}, [])[0]
    found = never.aws.client("iam").list_access_keys(UserName=never.user)["AccessKeyMetadata"]
    assert never.keys.access_key_id not in [key["AccessKeyId"] for key in found]
    assert "work" not in never.home.succeed("list", "--credentials").split()


def test_confirm_never_serves_commands_of_an_unlocked_file(never: Person) -> None:
    """But for a copy to another vault: that command opens the file itself."""
    unlock(never)
    for command in commands(never):
        done = never.home.run("shellvault", *command)
        if command[0] == "migrate-backend":
            assert (done.returncode, "passphrase" in done.stderr) == (1, True), done.stderr
        else:
            assert done.returncode == 0, f"{command}: {done.stderr}"
        if command[0] in ("export", "exec"):
            assert never.keys.secret_access_key in done.stdout
    assert never.keys.secret_access_key in credentials(never).read_text()
    assert "work" not in never.home.succeed("list", "--credentials").split()


#: Another user, without access to this interpreter.
ANOTHER_USER = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3")


@pytest.mark.parametrize("confirm", ["never", "keys"])
@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_another_user_gets_no_answer_to_any_message(moved_in: Person, confirm: str) -> None:
    """Not where the modes keep that user out, nor where they were opened: then the agent does."""
    moved_in.home.environment["SHELLVAULT_CONFIRM"] = confirm
    moved_in.home.succeed("agent", "lock")
    unlock(moved_in)
    path = locations.socket_path(moved_in.home.environment)
    lines = [json.dumps(vault_message(moved_in, attack)) for attack in [*attacks(moved_in), {"do": "list"}]]
    lines += [json.dumps({"do": do, "version": __version__}) for do in guard.MESSAGES]
    own_line = request.encode("work", {}, moved_in.home.environment, "/")
    lines += [f"SV1 {__version__} get env.bash - {own_line}"]
    opened = {each: each.stat().st_mode & 0o7777 for each in (path, *path.parents)}
    for line in lines:
        done = converse(path, line, [PASSPHRASE], ANOTHER_USER)
        assert (done.stdout, "PermissionError" in done.stderr) == ("", True), done.stderr
    try:
        for each, mode in opened.items():
            each.chmod(mode | (0o777 if each == path else 0o055))
        for line in lines:
            done = converse(path, line, [PASSPHRASE], ANOTHER_USER)
            assert (done.stdout, "PermissionError" in done.stderr) == ("", False), done.stderr
    finally:
        for each, mode in opened.items():
            each.chmod(mode)
    assert is_unharmed(moved_in)


def test_a_given_passphrase_needs_no_terminal(moved_in: Person) -> None:
    """As a script of CI does, with SHELLVAULT_FILE_PASSPHRASE."""
    for command in (
        ("import", "--restore", str(credentials(moved_in))),
        ("rotate", "work"),
        ("remove", "--force", "work"),
    ):
        done = moved_in.home.run("shellvault", *command, SHELLVAULT_FILE_PASSPHRASE=PASSPHRASE)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert moved_in.keys.secret_access_key in credentials(moved_in).read_text()


def test_the_passphrase_is_typed_once_for_several_keys(moved_in: Person) -> None:
    with terminal(moved_in.home, "bash") as shell:
        shell.type("shellvault rotate --all")
        shell.wait_for(re.escape("new long-term keys are made; Enter passphrase"))
        shell.type(PASSPHRASE)
        shell.finish()
        # All three have the same key: the first rotation deletes it, and the others have none left.
        assert shell.screen.count("Enter passphrase") == 1, shell.screen


@pytest.mark.parametrize("kind", ["--mount", "--net", "--pid"])
@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make namespaces")
def test_a_container_gets_names_and_changes_nothing(moved_in: Person, kind: str) -> None:
    there = ("unshare", "--fork", kind)
    target = moved_in.home.path / ".bashrc"
    written = {"do": "back-up", "path": str(target), "content": "ZWNobyBoYWNrZWQ="}
    new = {
        "do": "save",
        "name": "new",
        "access_key_id": "AKIANEWKEYID00000000",
        "secret_access_key": "x" * 40,
    }
    for attack in [written, {"do": "restore", "path": str(target)}, new, *attacks(moved_in)]:
        # Not even with the passphrase: that is for the command itself to use.
        heard, questions = ask_vault(moved_in, attack, [PASSPHRASE] * 3, there)
        assert guard.ELSEWHERE in heard, attack
        assert questions == []
    assert '"keys":{' in ask_vault(moved_in, {"do": "list"}, [], there)[0]
    assert not target.exists()
    assert is_unharmed(moved_in)


def test_podman_with_the_socket_gets_names_and_changes_nothing(moved_in: Person) -> None:
    runtime = Path(moved_in.home.environment["XDG_RUNTIME_DIR"])
    place = runtime / "podman"
    programs = Path(moved_in.home.environment["PATH"].split(":")[0]).parent
    with namespace() as inside:
        words = in_podman.container(place, inside[-1], programs)
        words += ["--interactive", "--volume", f"{runtime}/shellvault:{runtime}/shellvault"]
        there = (*words, *in_podman.root_of(place))
        for attack in [*attacks(moved_in), {"do": "back-up", "path": "/etc/passwd"}]:
            heard, questions = ask_vault(moved_in, attack, [PASSPHRASE], there)
            assert guard.ELSEWHERE in heard, attack
            assert questions == []
        assert '"keys":{' in ask_vault(moved_in, {"do": "list"}, [], there)[0]
    assert is_unharmed(moved_in)


@pytest.mark.parametrize("confirm", [None, "never", "keys", "always"])
def test_with_a_keyring_confirm_needs_a_yes(keyring_person: Person, confirm: str | None) -> None:
    person = keyring_person
    if confirm:
        person.home.environment["SHELLVAULT_CONFIRM"] = confirm
    is_asked = confirm in ("keys", "always")
    for command in (
        ("export", "-n", "work"),
        ("rotate", "work"),
        ("migrate-backend", "--from", "secret-service", "--to", "file"),
        ("remove", "--force", "work"),
    ):
        done = person.home.run("shellvault", *command, SHELLVAULT_FILE_PASSPHRASE=PASSPHRASE)
        assert done.returncode == is_asked, f"{command}: {done.stderr}"
        assert ("a person has to say yes to" in done.stderr) == is_asked, done.stderr
    assert ("work" in person.home.succeed("list", "--credentials").split()) == is_asked


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give its rights away")
def test_a_command_that_keeps_others_out_is_still_served(person: Person) -> None:
    """Without root's rights the agent cannot look at `add`, which holds keys by then: it has done so before."""
    without_rights = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "shellvault")
    person.home.succeed("agent", "stop")
    unlocked = person.home.run(*without_rights, "unlock", SHELLVAULT_FILE_PASSPHRASE=PASSPHRASE)
    assert unlocked.returncode == 0, unlocked.stderr
    keys = {
        "AWS_ACCESS_KEY_ID": person.keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": person.keys.secret_access_key,
    }
    # By the agent's worker, and by a command that opens the vault itself and then has the agent forget.
    for alone in ({}, {"SHELLVAULT_NO_AGENT": "1", "SHELLVAULT_FILE_PASSPHRASE": PASSPHRASE}):
        added = person.home.run(
            *without_rights, "add", "--env", "--no-check", f"new{len(alone)}", **keys, **alone
        )
        assert added.returncode == 0, added.stderr
        assert "going on without" not in added.stderr
        assert guard.ELSEWHERE not in added.stderr


def test_nothing_is_restored_that_was_not_there(moved_in: Person) -> None:
    target = moved_in.home.path / ".bashrc"
    written = {"do": "back-up", "path": str(target), "content": "ZWNobyBoYWNrZWQ="}
    assert "cannot be read" in ask_vault(moved_in, written, [])[0]
    target.write_text("mine\n")
    assert '"result"' in ask_vault(moved_in, written, [])[0]
    assert '"result"' in ask_vault(moved_in, {"do": "restore", "path": str(target)}, [PASSPHRASE])[0]
    assert target.read_text() == "mine\n"


def test_an_unconfirmed_rotation_ignores_its_callers_proxy(person: Person) -> None:
    person.home.succeed("agent", "lock")
    person.home.environment["SHELLVAULT_CONFIRM"] = "never"
    unlocked = person.home.run("shellvault", "unlock", SHELLVAULT_FILE_PASSPHRASE=PASSPHRASE)
    assert unlocked.returncode == 0, unlocked.stderr
    del person.home.environment["AWS_ENDPOINT_URL_STS"]
    seen: list[bytes] = []

    def overheard(headers: dict[str, str], body: bytes) -> Answer:
        seen.append(body)
        return Answer(502, {}, b"")

    with serving(overheard) as stranger:
        for variables in (
            {"HTTP_PROXY": stranger, "http_proxy": stranger},
            {"AWS_ENDPOINT_URL_IAM": stranger, "AWS_ENDPOINT_URL_STS": stranger},
        ):
            done = person.home.run("shellvault", "rotate", "work", **variables)
            assert done.returncode == 0, done.stderr
            assert "not confirmed: calling AWS without" in done.stderr
            assert all(name in done.stderr for name in variables)
        assert seen == []
        # With the passphrase, a person decides where it goes.
        proved = {"SHELLVAULT_FILE_PASSPHRASE": PASSPHRASE, "SHELLVAULT_CONFIRM": "keys"}
        done = person.home.run(
            "shellvault", "rotate", "work", HTTP_PROXY=stranger, http_proxy=stranger, **proved
        )
        assert done.returncode == 1
        assert seen


def test_what_is_said_of_a_file_is_no_rule_for_another_vault(person: Person) -> None:
    """The file is open, and its keys take a passphrase; those of `pass` were never under it."""
    assert "passphrase" in person.home.fail(*SHOW)
    with password_store(person.home.environment, person.home.path) as there:
        person.home.environment.update(there)
        moved = person.home.run(
            "shellvault",
            "migrate-backend",
            "--from",
            "file",
            "--to",
            "pass",
            SHELLVAULT_FILE_PASSPHRASE=PASSPHRASE,
        )
        assert moved.returncode == 0, moved.stderr
        found = person.home.succeed(*SHOW[:1], "--backend", "pass", *SHOW[1:])
        assert found == f"{person.keys.secret_access_key}\n"
        assert "passphrase" in person.home.fail(*SHOW)
