"""The files of session policies."""

from dataclasses import replace
from pathlib import Path

from shellvault.display import printable
from shellvault.errors import ConfigError
from shellvault.fastlane.request import policy_text
from shellvault.profiles.model import Profile
from shellvault.profiles.narrowing import MAX_CHARACTERS, checked_policy

#: Bytes; no policy is longer, with any layout.
_LIMIT = 65536


def read_policy(path: str, where: str) -> str:
    """The policy in a file, in the form of a request (`request.policy_text`).

    Raises ConfigError, which begins with `where`.
    """
    shown = ascii(printable(path))
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a pipe (`<(…)`) has no use for a Path
            content = file.read(_LIMIT)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such path"
        raise ConfigError(
            f"{where}: the policy {shown} cannot be read ({reason}): correct the path"
        ) from None
    try:
        return policy_text(content)
    except ValueError:
        raise ConfigError(
            f"{where}: {shown} is no policy: AWS takes JSON (UTF-8) of at most {MAX_CHARACTERS} characters"
        ) from None


def with_policies(profile: Profile, folder: Path, home: str | None) -> Profile:
    """The profile with its session policy read from the file that it names.

    A relative path starts at `folder`, the config file's, not at the current one. A profile without a policy and
    without a role of its own shares its source's session, and so its source's policy. Raises ConfigError.
    """
    narrowing = profile.narrowing
    if narrowing is None:
        if profile.role_arn or profile.source is None:
            return profile
        return replace(profile, source=with_policies(profile.source, folder, home))
    if narrowing.policy_file is None:
        return profile
    path = Path(narrowing.policy_file)
    if home and narrowing.policy_file.startswith("~/"):
        path = Path(home, narrowing.policy_file[2:])
    located = str(folder / path)
    text = checked_policy(read_policy(located, narrowing.where), narrowing.where)
    return replace(profile, narrowing=replace(narrowing, policy=text, policy_file=located))


def policy_files(profile: Profile | None) -> tuple[str, ...]:
    """The files that `with_policies` has read."""
    if profile is None:
        return ()
    narrowing = profile.narrowing
    own = (narrowing.policy_file,) if narrowing and narrowing.policy_file and narrowing.policy else ()
    return own + policy_files(profile.source)
