"""What a person sees in the first minutes: screens of 80 columns and 24 rows, of real shells, kept as text."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.end_to_end.conftest import Person, settle
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront
from tests.support.terminal import ENTER, PLAIN, SHELLS, USUAL, Terminal, terminal

pytestmark = pytest.mark.real


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person whose commands use the agent."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    return settle(home, aws, front)


@pytest.fixture(params=SHELLS)
def screen(person: Person, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """Each of the shells in that person's home."""
    with terminal(person.home, request.param, PLAIN[request.param], USUAL) as opened:
        yield opened


#: How a shell's process is called.
PROCESS = {"powershell": "pwsh"}


def shown(opened: Terminal, line: str) -> str:
    """The screen after the line, without it; what differs from run to run is written as …"""
    opened.clear()
    opened.type(line)
    # A slow shell may have shown its prompt again after the screen was cleared.
    picture = re.sub(rf"\A(\$ )+{re.escape(line)}\n", "", opened.picture_at_prompt())
    return re.sub(r"\b\d{3,}\b", "…", picture)


def squeezed(text: str) -> str:
    """The text without blanks and line breaks."""
    return "".join(text.split())


@pytest.mark.parametrize("shell", SHELLS)
def test_env_shows_the_line_to_type_instead_of_secrets(person: Person, shell: str) -> None:
    with terminal(person.home, shell, PLAIN[shell], USUAL) as opened:
        told = "shellvault: error: this is for the shell to evaluate: " + ENTER[shell]
        for line in ("shellvault env work", "shellvault export work"):
            opened.clear()
            opened.type(line)
            picture = opened.picture_at_prompt()
            assert ENTER[shell] in picture.replace("\n", "")
            assert "shellvault: error: " in picture
        opened.type("shellvault env work --force")
        opened.wait_for("AWS_SECRET_ACCESS_KEY")
        opened.finish()
        assert told.startswith("shellvault")
        assert '"AccessKeyId"' in opened.printed("shellvault export work --format json")


@pytest.mark.parametrize("alone", ["", " --no-agent"])
def test_a_long_wait_is_named_and_gone_when_it_is_over(person: Person, screen: Terminal, alone: str) -> None:
    line = f"shellvault exec{alone} work -- echo done"
    person.front.let_through.clear()
    screen.clear()
    screen.type(line)
    screen.wait_for(r"shellvault: waiting for AWS STS at 127\.0\.0\.1, \d+ s …")
    person.front.let_through.set()
    assert screen.picture_at_prompt() == f"$ {line}\ndone\n"


def test_why_and_debug_say_what_is_there_now(person: Person, screen: Terminal) -> None:
    person.configure(f"[profile deploy]\nrole_arn = {person.role('deploy')}\nsource_profile = guarded\n")
    cold = shown(screen, "shellvault why guarded")
    assert cold.startswith("guarded needs one MFA code when nothing is cached:\n")
    assert cold.endswith("\nnow: nothing is held, one MFA code is needed\n")
    screen.run(ENTER[screen.shell].replace("work", "guarded"))
    held = shown(screen, "shellvault why guarded")
    assert held.startswith("guarded needs one MFA code when nothing is cached:\n")
    # Without blanks, since the screen breaks the line somewhere.
    name = PROCESS.get(screen.shell, screen.shell)
    told = f"now: the agent holds the session for another …, used by {name} … (this one): no code is needed"
    assert squeezed(re.sub(r"59m|1h00m", "…", held)).endswith(squeezed(told))
    debugged = shown(screen, "shellvault exec --debug guarded -- true")
    assert squeezed("shellvault: now: the agent holds the session for another") in squeezed(debugged)
    screen.run("shellvault agent stop")
    assert "now: the vault holds the session for another" in shown(screen, "shellvault why guarded")
    found = json.loads(person.home.succeed("why", "--format", "json", "guarded"))["now"]
    assert (found["step"], found["kept"], found["mfa_prompts"], found["users"]) == (2, "vault", 0, [])


def test_tables_fit_the_screen_and_cut_nothing_that_identifies(person: Person, screen: Terminal) -> None:
    long = "customer-with-a-long-name-production-administrator-read-only"
    person.configure(f"[profile {long}]\nrole_arn = {person.role('long')}\nsource_profile = work\n")
    screen.run(ENTER[screen.shell])
    screen.run(f"shellvault exec {long} -- true")
    listed = shown(screen, "shellvault list")
    assert "\n*  work " in listed
    assert person.keys.access_key_id in listed
    assert re.search(r"get-session-token \d\dm", listed)
    names = "".join(line[3:].split(" ")[0] for line in listed.splitlines())
    assert long in names
    held = shown(screen, "shellvault agent status")
    name = PROCESS.get(screen.shell, screen.shell)
    assert re.search(rf"\n\*  work +\d\dm +{name} … \(this one\)\n", held)
    assert long in "".join(line[3:].split(" ")[0] for line in held.splitlines())
    assert all(len(line) <= 80 for line in (listed + held).splitlines())
    assert shown(screen, "shellvault clear wrok") == (
        "shellvault: error: there is no profile wrok: did you mean work?\n"
    )
    assert shown(screen, f"shellvault clear {long[:20]}") == (
        f"shellvault: error: there is no profile {long[:20]}: store keys with\n`shellvault add {long[:20]}`\n"
    )
    assert shown(screen, "shellvault clear work") == "shellvault: forgot 1 session of work\n"
