"""The table "Roles and MFA" of aws-vault's manual, with the one code too many of its last row left out."""

import pytest

from shellvault.plan import Options, Step, build
from shellvault.plan.steps import StsCall
from shellvault.profiles.model import Profile
from tests.plan.profiles import HOUR, STORED, bar_role2, foo_admin, foo_readonly, jonsmith, lasting

STORED_KEYS = "stored-keys"


def _shown(step: Step) -> str:
    code = " MFA" if step.prompts_mfa else ""
    hours = f" {step.duration / HOUR:g}h" if isinstance(step, StsCall) else ""
    return f"{step.call}{hours}{code} {step.cache}"


@pytest.mark.parametrize(
    ("profile", "options", "expected"),
    [
        pytest.param(jonsmith, Options(no_session=True), [], id="jonsmith --no-session"),
        pytest.param(jonsmith, Options(), ["get-session-token 1h MFA vault"], id="jonsmith"),
        pytest.param(foo_readonly, Options(), ["assume-role 1h memory"], id="foo-readonly"),
        pytest.param(
            foo_admin, Options(), ["get-session-token 8h MFA vault", "assume-role 1h memory"], id="foo-admin"
        ),
        pytest.param(
            lasting(2 * HOUR, foo_admin), Options(), ["assume-role 2h MFA vault"], id="foo-admin -d 2h"
        ),
        pytest.param(
            bar_role2,
            Options(),
            ["get-session-token 8h MFA vault", "assume-role 1h memory", "assume-role 1h memory"],
            id="bar-role2",
        ),
        pytest.param(
            lasting(2 * HOUR, bar_role2),
            Options(),
            ["get-session-token 2h MFA vault", "assume-role 1h memory", "assume-role 1h memory"],
            id="bar-role2 -d 2h",
        ),
        pytest.param(
            bar_role2,
            Options(no_session=True),
            ["assume-role 1h MFA vault", "assume-role 1h memory"],
            id="bar-role2 --no-session",
        ),
        pytest.param(
            jonsmith, Options(console=True), ["get-federation-token 1h memory"], id="login jonsmith"
        ),
    ],
)
def test_the_plan_is_that_of_the_manual(profile: Profile, options: Options, expected: list[str]) -> None:
    plan = build(profile, STORED, options)
    assert [_shown(step) for step in plan.steps] == ["stored-keys none", *expected]
    assert plan.mfa_prompts == sum(" MFA" in step for step in expected)
