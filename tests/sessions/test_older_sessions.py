"""Which roles deny older sessions, from when, and what of a profile no policy ends."""

import json
import time
from email.utils import formatdate
from typing import Any

import pytest

from shellvault.errors import UsageError
from shellvault.profiles.model import Profile, Sso
from shellvault.sessions import older_sessions
from shellvault.sessions.older_sessions import deny, roles, unrevoked
from tests.sessions.parts import session

ROLE, AGENTS = "arn:aws:iam::111111111111:role/Home", "arn:aws:iam::111111111111:role/agents"
RESERVED = "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_x"
PORTAL = Sso("https://d-1.awsapps.com/start", "eu-west-1", "111111111111", "Admin")


@pytest.mark.parametrize("apart", [0, 1, -300, 300])
def test_sessions_until_now_are_denied_by_the_clock_of_aws(
    monkeypatch: pytest.MonkeyPatch, apart: int
) -> None:
    put: list[str] = []

    def invoke(service: str, operation: str, parameters: dict[str, Any], *_: object) -> dict[str, Any]:
        (statement,) = json.loads(parameters["PolicyDocument"])["Statement"]
        put.append(statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"])
        assert (statement["Effect"], statement["Action"]) == ("Deny", ["*"])
        date = formatdate(time.time() + apart, usegmt=True)
        return {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    monkeypatch.setattr(older_sessions, "invoke", invoke)
    before = time.gmtime(time.time() + apart)
    deny(Profile("deploy", True, role_arn=ROLE), ROLE, session(1))
    end = time.strptime(put[-1], "%Y-%m-%dT%H:%M:%SZ")
    assert before[:6] < end[:6] <= time.gmtime(time.time() + apart + 1)[:6]
    assert len(put) == 2 or apart == 0


@pytest.mark.parametrize(
    ("profile", "denying", "rest"),
    [
        (Profile("p", True, role_arn=ROLE), [ROLE], ""),
        (Profile("p", True, role_arn=ROLE, agent_role=AGENTS), [ROLE, AGENTS], ""),
        (Profile("p", True, sso=PORTAL, agent_role=AGENTS), [AGENTS], "end its own sessions there"),
        (Profile("p", True, role_arn=RESERVED, agent_role=AGENTS), [AGENTS], "end its own sessions there"),
    ],
)
def test_every_role_that_can_be_changed_denies(profile: Profile, denying: list[str], rest: str) -> None:
    assert roles(profile) == denying
    assert rest in unrevoked(profile) and bool(rest) == bool(unrevoked(profile))


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        (Profile("p", True), "p has no role: `shellvault rotate p`"),
        (Profile("p", True, sso=PORTAL), "the role of p belongs to IAM Identity Center"),
        (Profile("p", True, role_arn=RESERVED), "belongs to IAM Identity Center"),
    ],
)
def test_where_no_role_can_deny_it_is_an_error(profile: Profile, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        roles(profile)
