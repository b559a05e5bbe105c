"""The profiles of aws-vault's manual ("Roles and MFA"), and short ways to write others."""

from dataclasses import replace

from shellvault.plan import Options, Plan, Step, build
from shellvault.profiles.model import Durations, Profile, Sso

HOUR = 3600
MFA = "arn:aws:iam::111111111111:mfa/jonsmith"
STORED = {"jonsmith": "AKIAJONSMITH00000000"}

jonsmith = Profile("jonsmith", defined=True, mfa_serial=MFA)
foo_readonly = Profile("foo-readonly", True, jonsmith, role_arn="arn:aws:iam::222222222222:role/ReadOnly")
foo_admin = Profile(
    "foo-admin", True, jonsmith, role_arn="arn:aws:iam::222222222222:role/Administrator", mfa_serial=MFA
)
bar_role1 = Profile(
    "bar-role1", True, jonsmith, role_arn="arn:aws:iam::333333333333:role/Role1", mfa_serial=MFA
)
bar_role2 = Profile(
    "bar-role2", True, bar_role1, role_arn="arn:aws:iam::333333333333:role/Role2", mfa_serial=MFA
)
login = Profile("login", True, login_session="arn:aws:iam::111111111111:user/ada")
sso = Profile("sso", True, sso=Sso("https://x.awsapps.com/start", "eu-west-1", "111111111111", "Admin"))
process = Profile("process", True, credential_process="give-me credentials")
web = Profile(
    "web", True, role_arn="arn:aws:iam::111111111111:role/Web", web_identity_token_file="/var/run/token"
)


def lasting(seconds: int, profile: Profile) -> Profile:
    """The profile, and all it comes from, as `-d` makes it."""
    source = lasting(seconds, profile.source) if profile.source else None
    durations = Durations(assume_role=seconds, session_token=seconds, chained_session_token=seconds)
    return replace(profile, source=source, durations=durations)


def plan_of(profile: Profile, **options: bool) -> Plan:
    """The plan for a profile where only jonsmith has stored keys."""
    return build(profile, STORED, Options(**options))


def calls(plan: Plan) -> list[str]:
    """The plan's calls, in order."""
    return [step.call for step in plan.steps]


def last(profile: Profile, **options: bool) -> Step:
    """The last step of the profile's plan."""
    return plan_of(profile, **options).steps[-1]
