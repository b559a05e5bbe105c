"""Sessions that a person gets by signing in through a browser."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from shellvault.display import printable
from shellvault.errors import ConfigError
from shellvault.plan.endpoints import endpoint_for
from shellvault.plan.options import Options
from shellvault.plan.steps.base import A_ROLE, HOUR, CachePlace, Shown, Step, fingerprinted, following
from shellvault.profiles.model import Profile, Sso
from shellvault.profiles.shapes import canonical_start_url


@dataclass(frozen=True, slots=True)
class SsoSignIn(Step):
    """The sign-in to a portal, which all profiles of the same sso-session (else start URL) share."""

    call: ClassVar[str] = "sso-sign-in"
    is_sign_in: ClassVar[bool] = True
    gives_session: ClassVar[bool] = False

    sso: Sso
    cache: CachePlace = field(default="vault", kw_only=True)

    @classmethod
    def of(cls, root: Profile, sso: Sso) -> "SsoSignIn":
        """The sign-in of a profile with these settings."""
        everyones = replace(sso, account_id=None, role_name=None)
        step = cls(root.name, everyones, endpoint=endpoint_for(root, "sso-oidc", sso.region))
        return fingerprinted(step, None)

    def facts(self) -> dict[str, object]:
        return {"sso": _facts(self.sso)}

    def shown(self) -> list[Shown]:
        return [(None, None, printable(self.subject))]

    @property
    def subject(self) -> str:
        """What a person signs in to."""
        return self.sso.session_name or self.sso.start_url


@dataclass(frozen=True, slots=True)
class SsoRole(Step):
    """The session of a permission set, requested with the token of a sign-in."""

    call: ClassVar[str] = "sso"
    longest: ClassVar[int] = 12 * HOUR
    not_narrowed: ClassVar[str] = (
        "AWS takes no session policy with sso:GetRoleCredentials: choose a permission set that allows less, or "
        "a role_arn that is assumed from this one"
    )

    sso: Sso
    sign_in: SsoSignIn

    @classmethod
    def begin(cls, root: Profile, partition: str, options: Options) -> Sequence[Step]:
        sso = root.sso
        if sso is None:
            return ()
        sign_in = SsoSignIn.of(root, sso)
        if not (sso.account_id and sso.role_name):
            raise ConfigError(
                f"profile {printable(root.name)} needs both sso_account_id and sso_role_name: add them"
            )
        role = cls(root.name, sso, sign_in, endpoint=endpoint_for(root, "sso", sso.region))
        return [sign_in, following([sign_in], role)]

    def facts(self) -> dict[str, object]:
        return {"sso": _facts(self.sso)}

    def shown(self) -> list[Shown]:
        role, account = printable(self.sso.role_name or ""), printable(self.sso.account_id or "")
        return [(None, None, f"{role} in {account}")]

    @property
    def title(self) -> str:
        role, account = printable(self.sso.role_name or ""), printable(self.sso.account_id or "")
        return f"role {role} in account {account} (profile {printable(self.profile)})"


@dataclass(frozen=True, slots=True)
class AwsSignIn(Step):
    """The sign-in to AWS as the principal whose ARN is `login_session`, in the region of the profile itself.

    It can be renewed only in its own region, so a command's region does not count. No session is cached for it: the
    sign-in, which is in the vault, holds the credentials.
    """

    call: ClassVar[str] = "aws-sign-in"
    longest: ClassVar[int] = HOUR // 4
    is_sign_in: ClassVar[bool] = True
    is_cached: ClassVar[bool] = False
    not_narrowed: ClassVar[str] = f"AWS takes no session policy with a sign-in: {A_ROLE}"

    login_session: str
    cache: CachePlace = field(default="vault", kw_only=True)

    @classmethod
    def of(cls, root: Profile, login_session: str) -> "AwsSignIn":
        """The sign-in of a profile as this principal."""
        partition = login_session.split(":")[1] if login_session.count(":") > 4 else "aws"
        endpoint = endpoint_for(root, "signin", root.own_region if root.defined else None, partition)
        return fingerprinted(cls(root.name, login_session, endpoint=endpoint), None)

    @classmethod
    def begin(cls, root: Profile, partition: str, options: Options) -> Sequence[Step]:
        return [cls.of(root, root.login_session)] if root.login_session else ()

    def facts(self) -> dict[str, object]:
        return {"login_session": self.login_session}

    def shown(self) -> list[Shown]:
        return [(None, None, printable(self.login_session))]

    @property
    def subject(self) -> str:
        """The ARN that signs in."""
        return self.login_session


#: The steps that a person signs in for.
SignIn = SsoSignIn | AwsSignIn


def _facts(sso: Sso) -> list[object]:
    """What identifies a sign-in or role; a start URL may be written in several ways."""
    facts = [canonical_start_url(sso.start_url), sso.session_name, sso.region, sso.account_id, sso.role_name]
    scopes = sorted(sso.registration_scopes)
    return [*facts, *([scopes] if scopes else [])]
