"""An emulator of the services behind a sign-in: IAM Identity Center (OIDC, portal) and AWS Sign-In.

Error names, statuses and bodies are those of the service models in botocore (sso, sso-oidc, signin); what the models
do not say (/authorize, callbacks, DPoP) follows RFC 6749, 7636, 8252, 8628, 9449 and what AWS CLI 2 sends and takes.
`tests/signin/test_the_emulator.py` shows that the real AWS CLI signs in there in every way it knows, and
`tests/signin/test_what_the_emulator_refuses.py` lists what it refuses, and why AWS does.
"""

from tests.support.signin.emulator import ACCOUNTS, START_URL, SignInEmulator, running

__all__ = ["ACCOUNTS", "START_URL", "SignInEmulator", "running"]
