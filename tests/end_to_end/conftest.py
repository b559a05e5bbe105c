"""A person with keys in the vault and a few profiles, as most of these tests begin."""

from dataclasses import dataclass
from itertools import count

import pytest

from tests.support.emulator import ACCOUNT, Aws, Keys
from tests.support.home import Home
from tests.support.sts_front import StsFront

_NUMBERS = count()


@dataclass(frozen=True)
class Person:
    """An IAM user, and the home in which `shellvault add work` has stored the user's keys."""

    home: Home
    aws: Aws
    front: StsFront
    user: str
    keys: Keys

    @property
    def arn(self) -> str:
        """The user's ARN."""
        return f"arn:aws:iam::{ACCOUNT}:user/{self.user}"

    def role(self, name: str, *, trusts: str | None = None) -> str:
        """The ARN of a new role of this test, which the user (or `trusts`) may assume."""
        return self.aws.role(f"{self.user}-{name}", trusts=trusts or f"user/{self.user}")

    def configure(self, text: str) -> None:
        """Appends `text` to the AWS config file."""
        with self.home.config_file.open("a") as config:
            config.write(f"\n{text}\n")


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront, worker_id: str) -> Person:
    """A person with the profiles `work` and `guarded` (an MFA device, whose code a program prints)."""
    user = f"{worker_id}-{next(_NUMBERS)}"
    keys = aws.user(user)
    front.knows(keys)
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/{user}"
    home.write_config(
        f"""\
[default]
region = eu-central-1
endpoint_url = {aws.endpoint}

[profile work]

[profile guarded]
mfa_serial = {serial}
mfa_process = echo 123456
"""
    )
    home.environment["AWS_ENDPOINT_URL_STS"] = front.endpoint
    for name in ("work", "guarded"):
        added = home.run(
            "shellvault",
            "add",
            "--env",
            name,
            AWS_ACCESS_KEY_ID=keys.access_key_id,
            AWS_SECRET_ACCESS_KEY=keys.secret_access_key,
        )
        assert added.returncode == 0, added.stderr
    return Person(home, aws, front, user, keys)
