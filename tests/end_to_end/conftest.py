"""A person with keys in the vault and a few profiles, as most of these tests begin."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.real_keyring import PrivateKeyring, private_keyring
from tests.support.emulator import ACCOUNT, Aws, Keys
from tests.support.home import Home
from tests.support.sts_front import StsFront

_NUMBERS = count()


@dataclass(frozen=True)
class Person:
    """An IAM user, and the home whose vault has the user's keys for `work`, as by `shellvault add work`."""

    home: Home
    aws: Aws
    front: StsFront
    user: str
    keys: Keys

    @property
    def arn(self) -> str:
        """The user's ARN."""
        return f"arn:aws:iam::{ACCOUNT}:user/{self.user}"

    def role(self, name: str, *, trusts: str | None = None, **trust: Any) -> str:
        """The ARN of a new role of this test, which the user (or `trusts`) may assume; `trust` as for `Aws.role`."""
        return self.aws.role(f"{self.user}-{name}", trusts=trusts or f"user/{self.user}", **trust)

    def configure(self, text: str) -> None:
        """Appends `text` to the AWS config file."""
        with self.home.config_file.open("a") as config:
            config.write(f"\n{text}\n")


def settle(home: Home, aws: Aws, front: StsFront, *, by_command: bool = False) -> Person:
    """A new IAM user whose keys the vault of `home` has for `work`, and for `guarded`, which needs a code.

    `by_command`: put there by `shellvault add`, which takes seconds and starts an agent.
    """
    user = f"user-{os.getpid()}-{next(_NUMBERS)}"
    keys = aws.user(user)
    front.knows(keys)
    home.write_config(
        f"""\
[default]
region = eu-central-1
endpoint_url = {aws.endpoint}

[profile work]

[profile guarded]
mfa_serial = arn:aws:iam::{ACCOUNT}:mfa/{user}
mfa_process = shuf -i 100000-999999 -n 1
"""
    )
    home.environment["AWS_ENDPOINT_URL_STS"] = front.endpoint
    for name in ("work", "guarded"):
        if by_command:
            exported = {
                "AWS_ACCESS_KEY_ID": keys.access_key_id,
                "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
            }
            added = home.run("shellvault", "add", "--env", "--no-check", name, **exported)
            assert added.returncode == 0, added.stderr
        else:
            home.store(name, keys)
    return Person(home, aws, front, user, keys)


def unlocked(home: Home, aws: Aws, front: StsFront) -> Person:
    """The same with an agent that keeps the encrypted file unlocked, and no passphrase in the environment."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    found = settle(home, aws, front, by_command=True)
    del home.environment["SHELLVAULT_FILE_PASSPHRASE"]
    return found


@pytest.fixture(params=["alone", "agent"])
def person(home: Home, aws: Aws, front: StsFront, request: pytest.FixtureRequest) -> Person:
    """A person whose vault is an encrypted file, served by the command alone and by the agent."""
    if request.param == "agent":
        del home.environment["SHELLVAULT_NO_AGENT"]
    return settle(home, aws, front)


@pytest.fixture
def keyring(tmp_path: Path) -> Iterator[PrivateKeyring]:
    """A gnome-keyring of this test's own, unlocked."""
    folder = tmp_path / "keyring"
    folder.mkdir()
    with private_keyring(folder) as running:
        yield running


@pytest.fixture
def keyring_person(home: Home, aws: Aws, front: StsFront, keyring: PrivateKeyring) -> Person:
    """A person whose vault is that gnome-keyring, found without being named."""
    del home.environment["SHELLVAULT_BACKEND"], home.environment["SHELLVAULT_FILE_PASSPHRASE"]
    address = "DBUS_SESSION_BUS_ADDRESS"
    home.environment[address] = keyring.environment[address]
    return settle(home, aws, front, by_command=True)
