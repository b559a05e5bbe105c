"""3 kinds of callers × 4 rules × every door, at the installed command and an AWS that evaluates policies.

One home, one agent and one terminal serve all cells. What the session of a cell may do is tried at AWS.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from shellvault import guard
from shellvault.cli.groups import FUNCTION_WORDS
from shellvault.cli.main import COMMANDS, INTERNAL
from tests.end_to_end.conftest import Person, settle
from tests.end_to_end.doors import FETCH, KEYS, NEITHER, OTHERS, SAY, SESSIONS, VERSION, Door
from tests.end_to_end.test_console import Federation, federating
from tests.support.emulator import Aws, Keys
from tests.support.home import make_home, stop_agents
from tests.support.installation import Installation
from tests.support.sts_front import fronting
from tests.support.terminal import Terminal, terminal

pytestmark = pytest.mark.real

KINDS = ("person", "coding-agent", "background")
RULES = ("allow", "read-only", "ask", "refuse")

#: read a list, write a user, read a secret
FULL, READ_ONLY, NOTHING = "read write secret", "read", ""

_NUMBERS = count()
_CREDENTIALS = {
    "access_key_id": re.compile(r"""AWS_ACCESS_KEY_ID[=']+\s*["']?(\w+)|"AccessKeyId": ?"(\w+)\""""),
    "secret_access_key": re.compile(
        r"""AWS_SECRET_ACCESS_KEY[=']+\s*["']?([\w/+=]+)|"SecretAccessKey": ?"([\w/+=]+)\""""
    ),
    "session_token": re.compile(
        r"""AWS_SESSION_TOKEN[=']+\s*["']?([\w/+=]+)|"(?:Session)?Token": ?"([\w/+=]+)\""""
    ),
}


@dataclass
class House:
    """The home of all cells, a person's terminal in it, and what is known of sessions already."""

    person: Person
    one: Terminal
    federation: Federation
    rights: dict[str, str] = field(default_factory=dict)

    def rules(self, **given: str) -> None:
        """Makes these the rules."""
        self.person.home.set_rules(**given)

    def may(self, printed: str) -> str:
        """What the credentials in a text, or behind its link, may do at AWS."""
        if link := re.search(r"SigninToken=([\w-]+)", printed):
            return self.rights_of(self.federation.sessions[link[1]])
        found = {name: pattern.search(printed) for name, pattern in _CREDENTIALS.items()}
        if not all(found.values()):
            assert not found["secret_access_key"], printed
            return NOTHING
        keys = Keys(**{name: next(filter(None, match.groups())) for name, match in found.items() if match})
        return self.rights_of(keys)

    def rights_of(self, keys: Keys) -> str:
        """What these credentials may do; tried once."""
        if keys.access_key_id not in self.rights:
            self.rights[keys.access_key_id] = tried(self.person.aws, keys, self.person.user)
        return self.rights[keys.access_key_id]


def tried(aws: Aws, keys: Keys, prefix: str) -> str:
    """Which of the three calls AWS allows."""
    iam, secrets = aws.client("iam", keys), aws.client("secretsmanager", keys)
    calls = {
        "read": lambda: iam.list_users(),
        "write": lambda: iam.create_user(UserName=f"{prefix}-{next(_NUMBERS)}"),
        "secret": lambda: secrets.get_secret_value(SecretId=prefix),
    }
    allowed = []
    for name, call in calls.items():
        with suppress(ClientError):
            call()
            allowed.append(name)
    return " ".join(allowed)


@pytest.fixture(scope="module")
def house(aws: Aws, installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A person with the profile `admin`, a role that may do everything, and an unlocked vault."""
    with (
        tempfile.TemporaryDirectory(prefix="shellvault-", ignore_cleanup_errors=True) as runtime,
        fronting(aws) as front,
        federating(aws) as served,
    ):
        home = make_home(tmp_path_factory.mktemp("doors"), Path(runtime), installation.programs)
        del home.environment["SHELLVAULT_NO_AGENT"]
        person = settle(home, aws, front)
        person.configure(
            f"[profile admin]\nsource_profile = work\nrole_arn = {person.role('admin')}\n{OTHERS}"
        )
        home.store("spare", aws.user(f"{person.user}-spare"))
        aws.client("secretsmanager").create_secret(Name=person.user, SecretString="s")
        for name, text in (("fetch.py", FETCH), ("say.py", SAY)):
            (home.path / name).write_text(text)
        home.environment["AWS_ENDPOINT_URL_SIGNIN"] = served.endpoint
        home.environment.update({"PYTHON": sys.executable, "VERSION": VERSION})
        with terminal(home, "bash") as one:
            one.run("shellvault unlock")
            line = one.printed('(eval "$(shellvault env admin)"; echo "$SHELLVAULT_REQUEST")')
            one.run(f"export LINE='{line}'")
            home.environment["LINE"] = line
            yield House(person, one, served)
        stop_agents(Path(runtime))


def through(house: House, kind: str, door: Door, **more: str) -> "subprocess.Popen[str]":
    """Starts a program of this kind at a door."""
    marks = {"CLAUDECODE": "1"} if kind == "coding-agent" else {}
    return house.person.home.start("bash", "-c", door.script, **marks, **more)


def in_terminal(house: House, answer: str = "") -> dict[str, str]:
    """What a person gets at each door; with an `answer` to each question for a yes, one door after the other."""
    folder, home = Path(tempfile.mkdtemp(dir=house.person.home.path)), house.person.home.path
    doors = sorted(SESSIONS, key=lambda door: SESSIONS[door].is_warm)
    cold = sum(not row.is_warm for row in SESSIONS.values())
    for number, door in enumerate(doors):
        (folder / str(number)).write_text(f"cd {home}\n{SESSIONS[door].script}\n")
    run = f"bash {folder}/$n >{folder}/$n.out 2>/dev/null"
    house.one.type(
        f"(for n in {{0..{cold - 1}}}; do {run} {';' if answer else '&'} done; wait; "
        f"for n in {{{cold}..{len(doors) - 1}}}; do {run}; done; : >{folder}/done)"
    )
    seen = len(house.one.screen)

    def is_done() -> bool:
        nonlocal seen
        if answer and "Use admin" in house.one.screen[seen:]:
            seen = len(house.one.screen)
            house.one.type(answer)
        return (folder / "done").exists()

    house.one.wait_until(is_done, "an end of all doors", timeout=150)
    return {door: (folder / f"{number}.out").read_text() for number, door in enumerate(doors)}


def questions(house: House, wanted: int) -> list[int]:
    """The numbers of the open questions, once there are so many."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = json.loads(house.person.home.succeed("requests", "--json"))
        if len(found) == wanted:
            return [entry["number"] for entry in found]
        time.sleep(0.2)
    raise AssertionError(f"{len(found)} of {wanted} ask")


def test_every_door_has_a_row() -> None:
    known = {*COMMANDS, *INTERNAL, *FUNCTION_WORDS, *guard.OPERATIONS}
    covered = {name for door in (*SESSIONS.values(), *KEYS.values()) for name in door.covers}
    assert covered & set(NEITHER) == set()
    assert covered | set(NEITHER) == known


EXPECTED = {"allow": FULL, "read-only": READ_ONLY, "ask": NOTHING, "refuse": NOTHING}
#: Without the agent a coding agent cannot open the vault; and each run of its program has sessions of its own, of which
#: a prompt finds none.
CLOSED = {("coding-agent", "exec --no-agent"), ("coding-agent", "prompt")}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_gets_at_each_door_what_its_rule_says(house: House, kind: str, rule: str) -> None:
    house.rules(**{kind: rule})
    cold = [door for door, row in SESSIONS.items() if not row.is_warm]
    if kind == "person":
        printed = in_terminal(house, "n" if rule == "ask" else "")
    else:
        started = {door: through(house, kind, SESSIONS[door]) for door in cold}
        if rule == "ask":
            for number in questions(house, sum(SESSIONS[door].asks for door in cold)):
                house.one.run(f"shellvault deny {number}")
        printed = {door: run.communicate(timeout=150)[0] for door, run in started.items()}
        for door in SESSIONS.keys() - cold:
            printed[door] = through(house, kind, SESSIONS[door]).communicate(timeout=150)[0]
    shown = {door: house.may(text) for door, text in printed.items()}
    assert shown == {door: NOTHING if (kind, door) in CLOSED else EXPECTED[rule] for door in SESSIONS}


def test_no_coding_agent_comes_through_the_doors_to_keys(house: House) -> None:
    house.rules(**{"coding-agent": "allow"})
    before = keys_of(house)
    waiting = through(house, "coding-agent", Door("exec shellvault exec production -- env", ()))
    number = questions(house, 1)[0]
    started = {name: through(house, "coding-agent", door, NUMBER=str(number)) for name, door in KEYS.items()}
    for name, run in started.items():
        out, err = run.communicate(timeout=150)
        assert run.returncode, (name, out)
        assert re.search(guard.FOR_A_PERSON + "|a person alone|only a person", err), (name, err)
    assert keys_of(house) == before
    assert questions(house, 1) == [number]
    house.one.run(f"shellvault deny {number}")
    assert house.may(waiting.communicate(timeout=150)[0]) == NOTHING


def test_a_person_and_background_come_through_them(house: House) -> None:
    house.rules(person="refuse", background="refuse")
    for name in ("add", "add over others", "rotate", "remove", "unlock"):
        done = through(house, "background", KEYS[name])
        out, err = done.communicate(timeout=150)
        assert done.returncode == 0, (name, out, err)
    for name in ("add", "rotate", "remove", "unlock"):
        house.one.run(f"{KEYS[name].script}; echo over $?")
        house.one.wait_for("over 0")


def keys_of(house: House) -> object:
    """The stored keys."""
    return json.loads(house.person.home.succeed("list", "--json"))
