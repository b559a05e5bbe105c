"""The sessions of those who sign in through a browser: what `sessions.acquire` and the commands get from this room."""

from shellvault.plan import Step
from shellvault.sessions.calls import get_role_credentials
from shellvault.sessions.context import SignInTask
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import RefusedError
from shellvault.signin import aws_sign_in, identity_center
from shellvault.signin.work import Work


def signed_in(task: SignInTask) -> Session:
    """The session of a sign-in, or of the role that is had with it.

    Raises NeedsPersonError where a person is needed and nobody can be asked, SessionError, RefusedError when AWS says
    no, and VaultError.
    """
    work = work_of(task)
    if task.role is None:
        return aws_sign_in.session(work, task.sign_in, task.rejected)
    return _role_session(work, task.sign_in, task.role)


def work_of(task: SignInTask) -> Work:
    """What a sign-in of this task has to work with."""
    return Work(task.vault.sign_ins, task.prompter, task.context, task.lock, task.sign_in.profile)


def _role_session(work: Work, sign_in: Step, role: Step) -> Session:
    """GetRoleCredentials. A token that AWS no longer takes is replaced, once: only 401 means that."""
    token = identity_center.token(work, sign_in)
    try:
        return _credentials(work, role, token.access_token)
    except RefusedError as error:
        if error.reason != "rejected-credentials":
            raise
    token = identity_center.token(work, sign_in, frozenset([token.access_token]))
    try:
        return _credentials(work, role, token.access_token)
    except RefusedError as error:
        if error.reason == "rejected-credentials":
            raise work.needs_person("AWS does not accept the sign-in, however new") from error
        raise


def _credentials(work: Work, role: Step, access_token: str) -> Session:
    assert role.sso is not None  # noqa: S101 - the plan says so
    return get_role_credentials(role, role.sso, access_token, work.context.clock())
