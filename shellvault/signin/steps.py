"""The sign-in of a name: that of a profile, or of an sso-session."""

from collections.abc import Iterator

from shellvault.display import printable
from shellvault.errors import ConfigError, UsageError
from shellvault.plan.steps import AwsSignIn, SignIn, SsoSignIn
from shellvault.profiles.model import Profile
from shellvault.profiles.parse import ConfigFile
from shellvault.profiles.resolve import Overrides, resolve, resolve_sso_session

#: A profile without one of these begins with no sign-in (`resolve`); `[default]` and variables give none of them.
_KEYS = frozenset(("login_session", "sso_account_id", "sso_role_name", "sso_session", "sso_start_url"))


def sign_in_of(config: ConfigFile, name: str, overrides: Overrides) -> tuple[Profile, SignIn]:
    """The sign-in with which profile or sso-session `name` begins, and the profile whose settings it has.

    Raises UsageError for a name without one, ConfigError for a profile that cannot be used.
    """
    if name not in config.profiles and name in config.sso_sessions:
        root = resolve_sso_session(config, name, overrides)
    else:
        root = resolve(config, name, overrides)
    while root.sso is None and root.login_session is None and root.source is not None:
        root = root.source
    if root.sso is not None:
        return root, SsoSignIn.of(root, root.sso)
    if root.login_session is not None:
        return root, AwsSignIn.of(root, root.login_session)
    known = printable(name)
    if not root.defined:
        raise UsageError(f"there is no profile or sso-session {known}: `shellvault configure sso` makes one")
    raise UsageError(
        f"profile {known} has no sso_session, sso_start_url or login_session: there is nothing to sign in to"
    )


def all_sign_ins(config: ConfigFile, overrides: Overrides) -> Iterator[tuple[str, SignIn]]:
    """Each profile that begins with a sign-in, then each sso-session, with its sign-in; without unusable ones."""
    may_sign_in = _leading_to_sign_ins(config)
    for name in dict.fromkeys([*config.profile_names, *config.sso_sessions]):
        if name in config.profiles and name not in may_sign_in and name not in config.sso_sessions:
            continue
        try:
            yield name, sign_in_of(config, name, overrides)[1]
        except (ConfigError, UsageError):
            continue


def _leading_to_sign_ins(config: ConfigFile) -> set[str]:
    """The profiles with a key of a sign-in, and those that take credentials or keys from them. The others are not
    resolved, which saves 0.1 ms each.
    """
    followed: dict[str, list[str]] = {}
    found = []
    for name, section in config.profiles.items():
        if not _KEYS.isdisjoint(section.values):
            found.append(name)
        for key in ("source_profile", "include_profile"):
            value = section.values.get(key)
            if isinstance(value, str):
                followed.setdefault(value, []).append(name)
    leading = set(found)
    while found:
        for name in followed.get(found.pop(), ()):
            if name not in leading:
                leading.add(name)
                found.append(name)
    return leading
