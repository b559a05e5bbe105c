"""Plans walked against an emulated AWS that checks signatures, trust and expiry, behind a front that checks
codes.
"""

import sys
import time
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from shellvault.errors import SessionError
from shellvault.profiles.model import Profile
from shellvault.sessions.refusals import RefusedError
from shellvault.vault.records import StoredKeys
from tests.sessions.conftest import Office, lasting
from tests.sessions.parts import person
from tests.support.emulator import ACCOUNT

pytestmark = pytest.mark.real


def _role(office: Office, name: str, trusts: str, conditions: dict[str, object] | None = None) -> str:
    return office.aws.role(f"{office.name}-{name}", trusts=trusts, conditions=conditions)


def _home(office: Office, **settings: object) -> Profile:
    """A role that the user may assume and that asks for the user's device."""
    role = _role(office, "home", f"user/{office.name}")
    return office.profile(
        "home", source=office.profile(), role_arn=role, mfa_serial=office.serial, **settings
    )


def test_a_session_with_a_code_is_the_users(office: Office) -> None:
    session = office.command(office.profile())
    assert office.arn(session) == f"arn:aws:iam::{ACCOUNT}:user/{office.name}"
    assert office.front.calls == {"GetSessionToken": 1}
    assert office.front.forms[0]["SerialNumber"] == office.serial


def test_a_wrong_code_is_asked_again_until_it_is_right(office: Office) -> None:
    office.person = person(
        lambda: office.front.wrong_code(office.serial), lambda: office.front.code(office.serial)
    )
    session = office.command(office.profile())
    assert office.arn(session).endswith(office.name)
    assert office.front.calls == {"GetSessionToken": 2}


def test_a_code_used_elsewhere_is_refused_by_aws_and_asked_again(office: Office) -> None:
    office.front.step = 4
    used = office.front.code(office.serial)
    elsewhere = {"Action": "GetSessionToken", "SerialNumber": office.serial, "TokenCode": used}
    assert office.front.refusal(elsewhere) is None

    def next_one() -> str:
        while (code := office.front.code(office.serial)) == used:
            time.sleep(0.05)
        return code

    office.person = person(used, next_one)
    office.command(office.profile())
    assert office.person.told == ["AWS did not accept that code: try again (2 left)"]


def test_a_code_we_used_is_not_sent_again(office: Office) -> None:
    used = office.front.code(office.serial)
    office.person = person(used, used, lambda: office.front.code(office.serial, 1))
    office.command(office.profile())
    with pytest.raises(SessionError):
        office.command(office.profile(), fresh=True, mfa_token=used)
    assert office.front.calls == {"GetSessionToken": 1}


def test_a_process_waits_for_the_next_code(office: Office, tmp_path_factory: pytest.TempPathFactory) -> None:
    office.front.step = 4
    secret = office.front._devices[office.serial]
    script = tmp_path_factory.mktemp("code") / "code"
    script.write_text(f"import pyotp; print(pyotp.TOTP({secret!r}, interval={office.front.step}).now())")

    profile = office.profile(mfa_process=f"{sys.executable} {script}")
    office.command(profile)
    assert office.arn(office.command(profile, fresh=True)).endswith(office.name)
    assert office.front.calls == {"GetSessionToken": 2}
    assert len(office.person.told) == 1
    assert office.person.asked == []


def test_a_role_is_assumed_from_the_session_that_cost_the_code(office: Office) -> None:
    session = office.command(_home(office))
    assert f"assumed-role/{office.name}-home/shellvault-" in office.arn(session)
    assert office.front.calls == {"GetSessionToken": 1, "AssumeRole": 1}
    assert "TokenCode" not in office.front.forms[1]


def test_without_a_session_the_role_itself_is_sent_the_code(office: Office) -> None:
    session = office.command(_home(office), no_session=True)
    assert f"assumed-role/{office.name}-home" in office.arn(session)
    assert office.front.calls == {"AssumeRole": 1}
    assert "TokenCode" in office.front.forms[0]


def test_a_role_of_a_role_is_assumed_in_turn_with_one_code(office: Office) -> None:
    inner = _role(office, "inner", f"role/{office.name}-home")
    chained = office.profile("inner", source=_home(office), role_arn=inner, mfa_serial=office.serial)
    assert f"assumed-role/{office.name}-inner" in office.arn(office.command(chained))
    assert len(office.person.asked) == 1


def test_an_external_id_opens_a_role_that_demands_it(office: Office) -> None:
    role = _role(office, "ext", f"user/{office.name}", {"StringEquals": {"sts:ExternalId": "sesame"}})
    profile = office.profile("ext", source=office.profile(), role_arn=role)
    with pytest.raises(RefusedError, match=r"AccessDenied.*trust policy"):
        office.command(profile)
    assert f"{office.name}-ext" in office.arn(office.command(replace(profile, external_id="sesame")))


def test_session_name_and_tags_arrive(office: Office) -> None:
    condition = {"StringEquals": {"aws:RequestTag/team": "a b"}}
    role = _role(office, "tag", f"user/{office.name}", condition)
    profile = office.profile(
        "tag",
        source=office.profile(),
        role_arn=role,
        role_session_name="me@here",
        session_tags=(("team", "a b"),),
    )
    assert office.arn(office.command(profile)).endswith("/me@here")


def test_a_session_that_runs_out_is_replaced(office: Office) -> None:
    profile = office.profile(durations=lasting(3), mfa_serial=None)
    first = office.command(profile, min_remaining=1)
    assert office.command(profile, min_remaining=1) == first
    time.sleep(3.1)
    with pytest.raises(ClientError, match="ExpiredToken"):
        office.arn(first)
    assert office.arn(office.command(profile, min_remaining=1)).endswith(office.name)
    assert office.front.calls == {"GetSessionToken": 2}


def test_a_session_that_aws_ended_early_is_replaced_as_a_source(office: Office) -> None:
    home = _home(office)
    office.command(home)
    (fingerprint, kept), *_ = office.vault.kept.items()
    office.vault.kept[fingerprint] = kept | {"access_key_id": "ASIAREVOKED000000000"}
    office.front.step = 60  # a code that was not used yet
    assert f"{office.name}-home" in office.arn(office.command(home))
    assert office.front.calls == {"GetSessionToken": 2, "AssumeRole": 3}


def test_keys_with_a_wrong_secret_say_so(office: Office) -> None:
    office.vault.keys[office.name] = StoredKeys(office.keys.access_key_id, "wrong" * 8)
    with pytest.raises(RefusedError, match="does not accept the secret key"):
        office.command(office.profile(mfa_serial=None))


def test_unknown_keys_say_so(office: Office) -> None:
    office.vault.keys[office.name] = StoredKeys("AKIA0000000000000000", "wrong" * 8)
    with pytest.raises(RefusedError, match="AWS does not know the credentials"):
        office.command(office.profile(mfa_serial=None))


def test_an_unknown_device_is_not_asked_again(office: Office) -> None:
    office.person = person("123456", "234567")
    with pytest.raises(RefusedError, match="check mfa_serial"):
        office.command(office.profile(mfa_serial=f"{office.serial}-lost"))
    assert len(office.person.asked) == 1
