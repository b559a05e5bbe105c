"""`rotate` against an IAM that checks signatures, with and without the agent, killed and refused."""

import json
import os
import random
import signal
import time

import pytest

from tests.end_to_end.conftest import Person

pytestmark = pytest.mark.real

#: Rotations that are killed at a random moment, each of them in its own home.
ROUNDS = int(os.environ.get("SHELLVAULT_KILL_ROUNDS", "4"))
#: How often a new key is refused before AWS knows it; five of them take more than ten seconds.
UNKNOWN = int(os.environ.get("SHELLVAULT_UNKNOWN_KEYS", "2"))


def ids(person: Person) -> list[str]:
    """The access keys that IAM has of the person, active ones only."""
    found = person.aws.client("iam").list_access_keys(UserName=person.user)["AccessKeyMetadata"]
    return [key["AccessKeyId"] for key in found if key["Status"] == "Active"]


def stored_id(person: Person, name: str = "work") -> str:
    """The access key id that the vault has."""
    printed = person.home.succeed("export", "--no-session", name)
    return next(line for line in printed.splitlines() if line.startswith("AWS_ACCESS_KEY_ID")).partition("=")[
        2
    ]


def has_a_working_key(person: Person) -> bool:
    """Whether the key in the vault works. The agent's worker completes a rotation whose command was killed."""
    while True:
        stored, active = stored_id(person), ids(person)
        # Else the rotation went on between the two looks.
        if stored == stored_id(person):
            return stored in active


def test_the_new_key_is_in_use_and_the_old_one_is_gone(person: Person) -> None:
    old = person.keys.access_key_id
    done = person.home.shellvault("rotate", "work")
    assert done.returncode == 0, done.stderr
    assert "rotated the keys of work" in done.stderr
    assert f"{old} is deleted" in done.stderr
    assert ids(person) == [stored_id(person)] != [old]
    assert person.keys.secret_access_key not in done.stdout + done.stderr
    assert person.home.succeed("exec", "work", "--", "sh", "-c", "echo $AWS_VAULT") == "work\n"


def test_one_code_serves_the_whole_rotation(person: Person) -> None:
    done = person.home.shellvault("rotate", "guarded")
    assert done.returncode == 0, done.stderr
    assert person.front.calls.count("GetSessionToken") == 1


def test_a_role_rotates_the_keys_at_the_end_of_its_chain(person: Person) -> None:
    first, second = person.role("first"), person.role("second", trusts=f"role/{person.user}-first")
    person.configure(f"[profile first]\nsource_profile = work\nrole_arn = {first}")
    person.configure(f"[profile second]\nsource_profile = first\nrole_arn = {second}")
    done = person.home.shellvault("rotate", "--no-session", "second")
    assert done.returncode == 0, done.stderr
    assert "rotated the keys of work" in done.stderr
    assert person.keys.access_key_id not in ids(person)


def test_the_old_key_can_be_kept_inactive(person: Person) -> None:
    assert person.home.shellvault("rotate", "work", "--keep-old").returncode == 0
    keys = person.aws.client("iam").list_access_keys(UserName=person.user)["AccessKeyMetadata"]
    assert sorted(key["Status"] for key in keys) == ["Active", "Inactive"]


def test_a_foreign_second_key_is_named_and_left_alone(person: Person) -> None:
    other = person.aws.client("iam").create_access_key(UserName=person.user)["AccessKey"]["AccessKeyId"]
    line = person.home.fail("rotate", "work")
    assert f"{other} is not in the vault (active, never used since" in line
    assert sorted(ids(person)) == sorted([person.keys.access_key_id, other])


def test_young_keys_are_left_alone(person: Person) -> None:
    done = person.home.shellvault("rotate", "--all", "--older-than", "90d")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is young enough: left alone") == 2
    assert ids(person) == [person.keys.access_key_id]


def test_a_profile_without_stored_keys_has_nothing_to_rotate(person: Person) -> None:
    person.configure("[profile other]\ncredential_process = /bin/true")
    assert "has no stored keys at the end of its chain" in person.home.fail("rotate", "other", status=2)


@pytest.mark.timeout(100 + 10 * ROUNDS)
def test_wherever_it_is_killed_the_vault_has_a_working_key(person: Person) -> None:
    chance = random.Random(4)
    for _ in range(ROUNDS):
        running = person.home.start("shellvault", "rotate", "work")
        time.sleep(chance.uniform(0.05, 1.6))
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate(timeout=30)
        assert has_a_working_key(person)
    done = person.home.shellvault("rotate", "work")
    assert done.returncode == 0, done.stderr
    assert ids(person) == [stored_id(person)]


def test_a_key_that_iam_does_not_know_yet_is_waited_for(person: Person) -> None:
    person.front.refuses_unknown_keys = UNKNOWN
    done = person.home.shellvault("rotate", "work")
    assert done.returncode == 0, done.stderr
    assert "waiting for AWS to accept the new key" in done.stderr
    assert person.front.refuses_unknown_keys == 0


def allow_only(person: Person, *actions: str) -> None:
    """Leaves the user these rights and no others."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    person.aws.client("iam").put_user_policy(
        UserName=person.user,
        PolicyName="all",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


#: What aws-vault's documentation asks for.
THEIRS = ("iam:CreateAccessKey", "iam:DeleteAccessKey", "iam:GetUser")


def test_the_rights_that_aws_vault_asks_for_are_enough(person: Person) -> None:
    allow_only(person, *THEIRS)
    done = person.home.shellvault("rotate", "-n", "work")
    assert done.returncode == 0, done.stderr
    assert f"{person.keys.access_key_id} is deleted" in done.stderr
    assert ids(person) == [stored_id(person)]


def test_a_right_that_lacks_leaves_a_message_of_what_there_is(person: Person) -> None:
    old = person.keys.access_key_id
    allow_only(person, "iam:CreateAccessKey", "iam:ListAccessKeys")
    line = person.home.fail("rotate", "-n", "work")
    new = stored_id(person)
    assert f"the new key {new} of work is in the vault and works, the old key {old} still works" in line
    assert "allow iam:DeleteAccessKey and run `shellvault rotate work` again" in line
    assert sorted(ids(person)) == sorted([new, old])

    allow_only(person, *THEIRS)
    done = person.home.shellvault("rotate", "-n", "work")
    assert "completed a rotation of the keys of work" in done.stderr, done.stderr
    assert ids(person) == [new]
