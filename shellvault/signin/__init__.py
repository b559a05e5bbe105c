"""Signing in through a browser: IAM Identity Center (`sso_session`, `sso_start_url`), AWS sign-in (`login_session`).

A sign-in lies in the vault (`vault.sign_ins`), or in the AWS CLI's cache when the CLI made a newer one; it is renewed
without a person for as long as AWS allows. What only a person can do is a `Challenge` of kind `sign-in`.
Sources: the service models sso-oidc, sso and signin in botocore; RFC 6749, 7636, 8252, 8628 and 9449.
"""
