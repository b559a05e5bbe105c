"""Which sign-in a name stands for: a profile's, or that of an sso-session itself."""

from collections.abc import Iterator

from shellvault.display import printable
from shellvault.errors import ConfigError, UsageError
from shellvault.plan import Step, aws_sign_in, sso_sign_in
from shellvault.profiles.model import Profile
from shellvault.profiles.parse import ConfigFile
from shellvault.profiles.resolve import Overrides, resolve, resolve_sso_session


def sign_in_of(config: ConfigFile, name: str, overrides: Overrides) -> tuple[Profile, Step]:
    """The sign-in that profile `name` (or the sso-session of that name) begins with, and whose settings it has.

    Raises UsageError for a name without one, ConfigError for a profile that cannot be used.
    """
    if name not in config.profiles and name in config.sso_sessions:
        root = resolve_sso_session(config, name, overrides)
    else:
        root = resolve(config, name, overrides)
    while root.sso is None and root.login_session is None and root.source is not None:
        root = root.source
    if root.sso is not None:
        return root, sso_sign_in(root, root.sso)
    if root.login_session is not None:
        return root, aws_sign_in(root, root.login_session)
    known = printable(name)
    if not root.defined:
        raise UsageError(f"there is no profile or sso-session {known}: `shellvault configure sso` makes one")
    raise UsageError(
        f"profile {known} has no sso_session, sso_start_url or login_session: there is nothing to sign in to"
    )


def all_sign_ins(config: ConfigFile, overrides: Overrides) -> Iterator[tuple[str, Step]]:
    """Each profile that begins with a sign-in, then each sso-session, with that sign-in; unusable ones are left out."""
    for name in dict.fromkeys([*config.profile_names, *config.sso_sessions]):
        try:
            yield name, sign_in_of(config, name, overrides)[1]
        except (ConfigError, UsageError):
            continue
