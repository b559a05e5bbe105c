"""Profiles out of the text of a config file, for the tests of what a profile resolves to."""

from pathlib import Path

import pytest

from shellvault.errors import ConfigError
from shellvault.profiles.model import Profile
from shellvault.profiles.parse import parse
from shellvault.profiles.resolve import Overrides, resolve

ROLE = "arn:aws:iam::123456789012:role/admin"
OTHER_ROLE = "arn:aws:iam::123456789012:role/team/other"
MFA = "arn:aws:iam::123456789012:mfa/me"


def resolved(text: str, name: str = "work", **environment: str) -> Profile:
    """Profile `name` of a file named `config`, in an environment."""
    return resolve(parse(text.encode(), Path("config")), name, Overrides(environment=environment))


def with_flags(
    text: str, *, region: str | None = None, duration: int | None = None, **environment: str
) -> Profile:
    """Profile `work` of a file named `config`, as the options --region and -d make it."""
    overrides = Overrides(region_flag=region, duration_flag=duration, environment=environment)
    return resolve(parse(text.encode(), Path("config")), "work", overrides)


def refusal(text: str, name: str = "work", **environment: str) -> str:
    """The one line with which a profile is refused."""
    with pytest.raises(ConfigError) as refused:
        resolved(text, name, **environment)
    message = str(refused.value)
    assert message.isprintable()
    return message
