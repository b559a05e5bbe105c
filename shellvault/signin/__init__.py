"""Signing in through a browser: IAM Identity Center (`sso_session`, `sso_start_url`), AWS sign-in (`login_session`).

A sign-in is kept in the vault (`vault.sign_ins`), or in the AWS CLI's cache when the CLI made a newer one. It is
renewed without a person for as long as AWS allows. A step for a person is a `Challenge` of kind `sign-in`.
Sources: the service models sso-oidc, sso and signin in botocore; RFC 6749, 7636, 8252, 8628 and 9449.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shellvault.sessions.context import SignInTask
    from shellvault.sessions.model import Session


def signed_in(task: "SignInTask") -> "Session":
    """`signin.sessions.signed_in`, imported only when it is called: other commands stay fast."""
    from shellvault.signin import sessions

    return sessions.signed_in(task)
