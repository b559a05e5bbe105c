"""Sessions from a sign-in through a browser: the door of this package for `sessions.acquire` and the commands."""

from shellvault.plan.steps import AwsSignIn
from shellvault.sessions.context import SignInTask
from shellvault.sessions.model import Session
from shellvault.signin import aws_sign_in, identity_center
from shellvault.signin.attempt import SignInAttempt


def signed_in(task: SignInTask) -> Session:
    """The session of a sign-in, or of a role that it gives.

    Raises NeedsPersonError where a person is needed and cannot be asked, SessionError, RefusedError when AWS says no,
    and VaultError.
    """
    step = task.step
    work = SignInAttempt(task.vault.sign_ins, task.prompter, task.context, task.lock, step.profile)
    if isinstance(step, AwsSignIn):
        return aws_sign_in.session(work, step, task.rejected)
    portal = identity_center.portal(work, step.sign_in, step.endpoint)
    return portal.credentials(step, task.context.clock())
