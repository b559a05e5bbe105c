"""The public facts of a session, none of them secret."""

from shellvault.plan import Plan
from shellvault.plan.steps import AssumeRole, AwsSignIn, NarrowableCall, SsoRole, Step
from shellvault.profiles.model import Profile
from shellvault.sessions.model import Session


def about(plan: Plan, session: Session | None) -> dict[str, str]:
    """The account, role, name and narrowing of a plan's session, each "" if unknown; its calls and how many ask a code.

    `session` is the session itself, if it exists.
    """
    roles = [step.role_arn for step in plan.steps if isinstance(step, NarrowableCall) and step.role_arn]
    role = roles[-1] if roles else _role_of_sso(plan)
    last = plan.steps[-1]
    return {
        "account": (session and session.account_id) or _account(plan, role),
        "role": role,
        "session_name": _name(last, session),
        "narrowed": plan.narrowing.label,
        "calls": ", ".join(step.call for step in plan.steps),
        "codes": str(sum(step.prompts_mfa for step in plan.steps)),
    }


def account_and_role(profile: Profile) -> tuple[str, str]:
    """What the config file says of both, "" where it says nothing; the role without its account."""
    role = profile.role_arn or (profile.sso and profile.sso.role_name) or ""
    account = (
        role.split(":")[4] if role.startswith("arn:") else (profile.sso and profile.sso.account_id) or ""
    )
    return account, role.split("/")[-1]


def _role_of_sso(plan: Plan) -> str:
    return next((step.sso.role_name or "" for step in plan.steps if isinstance(step, SsoRole)), "")


def _account(plan: Plan, role: str) -> str:
    """The account, from ARNs and the config file."""
    arns = [role, *(step.device for step in plan.steps if step.device)]
    arns += [step.login_session for step in plan.steps if isinstance(step, AwsSignIn)]
    named = [step.sso.account_id for step in plan.steps if isinstance(step, SsoRole)]
    found = [arn.split(":")[4] for arn in arns if arn.count(":") >= 5]
    return next(filter(None, [*found[:1], *named, *found]), "")


def _name(last: Step, session: Session | None) -> str:
    """The name of a role's session, as CloudTrail shows it (sessions.calls gives it)."""
    if not isinstance(last, AssumeRole):
        return ""
    return last.session_name or (f"shellvault-{session.issued_at}" if session else "")
