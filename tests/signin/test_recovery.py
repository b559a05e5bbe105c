"""What goes wrong with a sign-in heals at every command that uses one, in the same way.

`DOORS` are the commands, `FAILURES` what happens at AWS meanwhile. A command that may sign in and is not in the list
fails a test here, and so does a call of the portal that bypasses `Portal._call`.
"""

import ast
import importlib
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from shellvault.cli.main import COMMANDS
from tests.signin.conftest import visits
from tests.signin.terminal import run
from tests.support.home import Home
from tests.support.signin import SignInEmulator
from tests.support.signin.replies import RefusalError, portal_error

ROOM = Path(__file__).parents[2] / "shellvault"

LISTS = ("GET /assignment/accounts", "GET /assignment/roles")
ROLE = ("GET /federation/credentials",)

#: By the command: the rest of a command line, and the calls of the portal that it makes.
DOORS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "configure sso": (
        ("--session=corp", "--account=111111111111", "--role=Admin", "--region=eu-west-1", "--profile=p"),
        LISTS,
    ),
    "exec": (("admin", "--", "true"), ROLE),
    "signin": (("corp",), LISTS[:1]),
    "sso accounts": ((), LISTS[:1]),
    "sso populate": (("--dry-run",), LISTS),
    "sso roles": ((), LISTS),
}

#: Every other command with a session goes the way of `exec` (`sessions.acquire`).
Failure = Callable[[SignInEmulator, tuple[str, ...]], None]


def gone(services: SignInEmulator, calls: tuple[str, ...]) -> None:
    services.oidc.tokens.clear()


def ended_elsewhere(services: SignInEmulator, calls: tuple[str, ...]) -> None:
    for token in list(services.oidc.tokens):
        services.oidc.end(token)
    services.oidc.clients.clear()


def throttled(services: SignInEmulator, calls: tuple[str, ...]) -> None:
    for call in calls:
        services.fail(call, later(portal_error("TooManyRequestsException", "slow")), busy())


def out_of_order(services: SignInEmulator, calls: tuple[str, ...]) -> None:
    for call in calls:
        services.fail(call, RefusalError(503, "ServiceUnavailable", {"message": "soon"}), busy(500))


def later(refusal: RefusalError) -> RefusalError:
    refusal.headers["Retry-After"] = "1"
    return refusal


def busy(status: int = 429) -> RefusalError:
    """As some of AWS's front doors say it: without a name."""
    return later(RefusalError(status, "", {"message": "later"}))


#: What happens, and how often a person signs in because of it.
FAILURES: dict[str, tuple[Failure, int]] = {
    "the token is gone": (gone, 0),
    "the sign-in and its registration were ended elsewhere": (ended_elsewhere, 1),
    "AWS is throttled": (throttled, 0),
    "AWS is out of order": (out_of_order, 0),
}


@pytest.mark.real
@pytest.mark.parametrize("failure", FAILURES)
def test_every_command_recovers(at_home: Home, services: SignInEmulator, failure: str) -> None:
    happens, sign_ins = FAILURES[failure]
    run(at_home, "signin", "corp")
    services.role_lifetime = 1  # So that no session is there to be used.
    for door, (words, calls) in DOORS.items():
        before = len(visits(at_home))
        services.calls.clear()
        happens(services, calls)
        shown = run(at_home, *door.split(), *words)
        asked_again = (
            0 if door == "signin" and failure in ("AWS is throttled", "AWS is out of order") else sign_ins
        )
        assert len(visits(at_home)) - before == asked_again, (door, shown)
        assert services.calls[calls[0]], (door, shown)
        services.faults.clear()


def test_every_command_that_may_sign_in_is_a_door() -> None:
    found: set[str] = set()

    def look(command: click.Command, name: str) -> None:
        for each, inner in getattr(command, "commands", {}).items():
            look(inner, f"{name} {each}")
        if any("--device-code" in parameter.opts for parameter in command.params):
            found.add(name)

    for name, module in COMMANDS.items():
        look(importlib.import_module(f"shellvault.cli.commands.{module}").command, name)
    assert found | {"exec"} == DOORS.keys()


def test_the_portal_is_asked_in_one_place() -> None:
    """`Portal` has the rule; the end of a sign-in needs none of it, and `invoke` and `call` know no service."""
    found = set()
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
                "call",
                "invoke",
                "client_for",
            ):
                first = [word.value for word in node.args[:2] if isinstance(word, ast.Constant)]
                if first[:1] == ["sso"]:
                    found.add((path.relative_to(ROOM).as_posix(), first[1] if first[1:] else ""))
    assert found == {
        ("signin/portal.py", ""),
        ("signin/portal.py", "list_accounts"),
        ("signin/actions.py", "logout"),
    }
