"""What `shellvault why` prints."""

from dataclasses import replace

from shellvault.plan import describe, to_json
from shellvault.profiles.durations import format_duration, parse_duration
from tests.plan.profiles import HOUR, MFA, bar_role1, foo_admin, jonsmith, lasting, plan_of, process


def test_json_has_what_the_steps_have_and_nothing_else() -> None:
    assert to_json(plan_of(foo_admin)) == {
        "profile": "foo-admin",
        "steps": [
            {"call": "stored-keys", "profile": "jonsmith", "prompts_mfa": False, "cache": "none"},
            {
                "call": "get-session-token",
                "profile": "jonsmith",
                "duration": 28800,
                "mfa_serial": MFA,
                "prompts_mfa": True,
                "cache": "vault",
            },
            {
                "call": "assume-role",
                "profile": "foo-admin",
                "role_arn": foo_admin.role_arn,
                "duration": 3600,
                "prompts_mfa": False,
                "cache": "memory",
            },
        ],
        "mfa_prompts": 1,
    }


def test_a_person_reads_the_steps_in_order() -> None:
    assert describe(plan_of(foo_admin)) == (
        "foo-admin needs one MFA code when nothing is cached:\n"
        "  1. stored-keys (jonsmith), not cached\n"
        f"  2. get-session-token (jonsmith), 8h, MFA code of {MFA}, kept in the vault\n"
        f"  3. assume-role (foo-admin), {foo_admin.role_arn}, 1h, kept in memory"
    )


def test_a_person_reads_what_was_capped() -> None:
    text = describe(plan_of(lasting(2 * HOUR, replace(foo_admin, source=bar_role1))))
    assert "1h (asked for 2h)" in text
    assert "note: foo-admin asks for 2h and gets 1h" in text


def test_hostile_names_are_shown_escaped() -> None:
    text = describe(plan_of(replace(jonsmith, name="jonsmith", notes=("a\x1b[31mnote",))))
    assert "\x1b" not in text


def test_durations_are_written_as_they_are_read() -> None:
    for seconds in (20, 900, 5400, 3600, 129600, 3661):
        assert parse_duration(format_duration(seconds)) == seconds


def test_every_foreign_endpoint_and_every_program_is_shown() -> None:
    elsewhere = replace(jonsmith, endpoint_url="https://aws.example", mfa_process="code\x1b[0m now")
    plan = plan_of(elsewhere)
    assert "asks https://aws.example" in describe(plan)
    assert "runs `code\\x1b[0m now`" in describe(plan)
    [step] = [step for step in to_json(plan)["steps"] if step["call"] == "get-session-token"]
    assert step["endpoint_url"] == "https://aws.example"
    assert step["programs"] == ["code\x1b[0m now"]
    assert "runs `give-me credentials`" in describe(plan_of(process))
    assert "asks" not in describe(plan_of(jonsmith))
    assert "runs" not in describe(plan_of(jonsmith))
