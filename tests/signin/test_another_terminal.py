"""A terminal that waits for a sign-in shows the link, and goes on when another one has signed in."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shellvault.sessions import locks
from shellvault.signin import aws_sign_in, flows, identity_center
from shellvault.signin.attempt import SignInAttempt
from tests.signin.parts import Desk, Visitor
from tests.signin.terminal import start
from tests.signin.test_aws_sign_in import cli_login
from tests.signin.test_identity_center import cli_sign_in
from tests.support.home import Home
from tests.support.signin import SignInEmulator
from tests.support.signin.emulator import visit

#: Every way in which a person is waited for: the profile, and whether its browser is elsewhere.
DOORS = {
    "portal, browser": ("admin", "0"),
    "portal, code": ("admin", "1"),
    "AWS, browser": ("me", "0"),
    "AWS, pasted code": ("me", "1"),
}


def signed_in(work: SignInAttempt, desk: Desk, profile: str) -> str:
    """What names the sign-in that this gets."""
    step = desk.sign_in_step(profile)
    if profile == "me":
        return aws_sign_in.session(work, step).access_key_id
    return identity_center.token(work, step).access_token


def by_aws_cli(desk: Desk, profile: str) -> str:
    other = replace(desk, environment={}, visitor=Visitor())
    if profile == "me":
        return str(cli_login(other, seconds=800)["accessToken"]["accessKeyId"])
    return str(cli_sign_in(other, seconds=3000)["accessToken"])


def by_us(desk: Desk, profile: str) -> str:
    other = replace(desk, environment={}, visitor=Visitor())
    return signed_in(other.work(), other, profile)


@pytest.fixture
def waiting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A person that does nothing here."""
    monkeypatch.setattr(flows, "_LOOK_ELSEWHERE", 0.1)
    monkeypatch.setattr(locks, "_QUIET_SECONDS", 0.1)
    desk.visitor.visits = lambda link: None
    return desk


@contextmanager
def meanwhile(desk: Desk, act: Callable[[], Any]) -> Iterator[list[Any]]:
    """Does `act` as soon as a person is asked; the block gets its result."""
    results: list[Any] = []

    def once_asked() -> None:
        while not desk.visitor.shown:
            time.sleep(0.02)
        results.append(act())

    thread = threading.Thread(target=once_asked)
    thread.start()
    yield results
    thread.join(20)


@pytest.mark.parametrize("door", DOORS)
def test_a_wait_shows_its_link_and_ends_with_the_clis_sign_in(waiting: Desk, door: str) -> None:
    profile, waiting.environment["SHELLVAULT_DEVICE_CODE"] = DOORS[door]
    lock = waiting.home / "lock"
    told: list[str] = []
    second: list[str] = []

    def work(tell: Callable[[str], None]) -> SignInAttempt:
        return replace(waiting.work(), lock=lambda: locks.exclusive(lock, "the sign-in", tell))

    def another_terminal() -> None:
        second.append(signed_in(work(told.append), waiting, profile))

    def act() -> str:
        terminal = threading.Thread(target=another_terminal)
        terminal.start()
        while not any("open http" in line for line in told):
            time.sleep(0.02)
        found = by_aws_cli(waiting, profile)
        terminal.join(20)
        return found

    with meanwhile(waiting, act) as other:
        found = signed_in(work(print), waiting, profile)
    assert [found] == other == second
    assert len(waiting.visitor.shown) == 1
    assert waiting.visitor.shown[0].link in told[-1]
    assert "another program has signed in" in waiting.visitor.told[-1]


@pytest.mark.parametrize("door", DOORS)
def test_where_no_lock_can_be_made_the_vault_is_looked_at(waiting: Desk, door: str) -> None:
    profile, waiting.environment["SHELLVAULT_DEVICE_CODE"] = DOORS[door]
    with meanwhile(waiting, lambda: by_us(waiting, profile)) as other:
        assert [signed_in(waiting.work(), waiting, profile)] == other or not other
    assert "another program has signed in" in waiting.visitor.told[-1]


def test_those_who_wait_for_a_waiting_command_see_the_link_too(tmp_path: Path) -> None:
    with locks.exclusive(tmp_path / "a", "a", print), locks.noting("waits for a sign-in: open http://x"):
        assert locks.are_held()
        assert (tmp_path / "a").read_text().splitlines()[1] == "waits for a sign-in: open http://x"
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
        with locks.noting("not\x1bprintable"):
            assert len((tmp_path / "a").read_text().splitlines()) == 1
    assert not locks.are_held()


@pytest.mark.real
@pytest.mark.parametrize("mode", ["alone", "agent"])
@pytest.mark.parametrize("profile", ["admin", "me"])
def test_two_terminals(at_home: Home, services: SignInEmulator, mode: str, profile: str) -> None:
    if mode == "agent":
        del at_home.environment["SHELLVAULT_NO_AGENT"]
    environment = {"SHELLVAULT_BROWSER": "none", "SHELLVAULT_DEVICE_CODE": str(int(profile == "me"))}
    first = start(at_home, "exec", profile, "--", "echo", "first", **environment)
    first.expect(r"\n  (http\S+)")
    link = str(first.match.group(1)) if first.match else ""
    second = start(at_home, "exec", profile, "--", "echo", "second", **environment)
    second.expect(
        r"process \d+.*\s(?:waits\s+for|is asked for the code of)\s+a\s+sign-in to\s+\S+:\s+open\s+(http\S+)"
    )
    assert second.match
    assert str(second.match.group(1)).rstrip(",") == link
    if profile == "me":
        by_aws_cli(Desk(services, at_home.path), "me")
        first.expect("another program has signed in")
    else:
        visit(link)
    for child, said in ((first, "first"), (second, "second")):
        child.expect(said)
        child.expect("\n")
        child.close()
