"""An emulator of the sign-in services, and a home whose browser clicks through."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.signin.parts import Desk
from tests.support.home import Home
from tests.support.signin import START_URL, SignInEmulator, hosts, running
from tests.support.signin import browser as browser_program
from tests.support.signin.emulator import visit

CONFIG = f"""\
[sso-session corp]
sso_start_url = {START_URL}
sso_region = eu-west-1
sso_registration_scopes = sso:account:access

[profile admin]
sso_session = corp
sso_account_id = 000000000000
sso_role_name = Admin
region = eu-central-1

[profile reader]
sso_session = corp
sso_account_id = 000000000000
sso_role_name = Reader
region = eu-central-1

[profile legacy]
sso_start_url = {START_URL}
sso_region = eu-west-1
sso_account_id = 000000000000
sso_role_name = Admin
region = eu-central-1

[profile me]
login_session = arn:aws:iam::000000000000:user/ada
region = eu-central-1
"""


@pytest.fixture
def services() -> Iterator[SignInEmulator]:
    """The services of this test alone, without an STS."""
    with running() as emulator:
        yield emulator


@pytest.fixture
def at_home(home: Home, services: SignInEmulator) -> Home:
    """A home with profiles of every kind of sign-in, and a browser that notes its visits in `visits`."""
    home.write_config(CONFIG)
    program = home.path / "browser"
    program.write_text(f'#!/bin/sh\n{sys.executable} -I {browser_program.__file__} "$@" >/dev/null 2>&1 &\n')
    program.chmod(0o700)
    home.environment.update(
        SHELLVAULT_DEVICE_CODE="0",
        AWS_ENDPOINT_URL=services.url,
        BROWSER=str(program),
        BROWSER_LOG=str(home.path / "visits"),
    )
    return home


def visits(home: Home) -> list[str]:
    """The links that were opened in the browser of this home."""
    log = home.path / "visits"
    return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def desk(services: SignInEmulator, tmp_path: Path) -> Desk:
    """The room at work in this process, for a person who clicks through."""
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text(CONFIG)
    return Desk(services, tmp_path)


@pytest.fixture
def desk_at_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The same, where the services are asked by AWS's own names, and so in one region each."""
    bundle, answers = hosts.certified(tmp_path)
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text(CONFIG)
    with running(hosts=answers) as services:
        monkeypatch.setenv("HTTPS_PROXY", services.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        desk = Desk(services, tmp_path, bundle=bundle)
        desk.visitor.visits = partial(visit, aws=services.url)
        yield desk
