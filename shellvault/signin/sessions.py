"""The sessions of those who sign in through a browser: what `sessions.acquire` and the commands get from this room."""

from shellvault.sessions.context import SignInTask
from shellvault.sessions.model import Session
from shellvault.signin import aws_sign_in, identity_center
from shellvault.signin.work import Work


def signed_in(task: SignInTask) -> Session:
    """The session of a sign-in, or of the role that is had with it.

    Raises NeedsPersonError where a person is needed and nobody can be asked, SessionError, RefusedError when AWS says
    no, and VaultError.
    """
    work = Work(task.vault.sign_ins, task.prompter, task.context, task.lock, task.sign_in.profile)
    if task.role is None:
        return aws_sign_in.session(work, task.sign_in, task.rejected)
    portal = identity_center.portal(work, task.sign_in, task.role.endpoint)
    return portal.credentials(task.role, task.context.clock())
