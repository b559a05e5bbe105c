"""The sign-ins of the config file, as the commands see them: their profiles, and what is known of each."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shellvault import here
from shellvault.dialogue.tables import time_left
from shellvault.display import printable
from shellvault.fastlane import request
from shellvault.profiles.parse import ConfigFile, load
from shellvault.profiles.resolve import Overrides

if TYPE_CHECKING:
    from shellvault.plan.steps import SignIn


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a living sign-in. Times are epoch seconds."""

    ends_at: int
    """The end of what it has now."""
    renewable: bool
    """Whether it is renewed without a person after that, for as long as AWS allows."""
    by: str
    """`shellvault`, or `aws` for one of the AWS CLI."""


def config_of(environment: Mapping[str, str]) -> ConfigFile:
    """The AWS config file. Raises ConfigError."""
    return load(here.config_file(environment))


def of_config(config: ConfigFile, environment: Mapping[str, str]) -> dict[str, "SignIn"]:
    """The sign-in that each profile and sso-session begins with."""
    from shellvault.signin.steps import all_sign_ins

    overrides = Overrides(environment=request.overrides(dict(environment)))
    return dict(all_sign_ins(config, overrides))


def distinct(steps: Mapping[str, "SignIn"]) -> dict[str, list[str]]:
    """The names that share each sign-in, by its fingerprint."""
    names: dict[str, list[str]] = {}
    for name, step in steps.items():
        names.setdefault(step.fingerprint, []).append(name)
    return names


def of_aws_cli(config: ConfigFile, environment: Mapping[str, str]) -> Iterator[str]:
    """A line for each living sign-in of the AWS CLI: its use, and its profiles."""
    from shellvault.plan.steps import SsoSignIn
    from shellvault.signin import cli_cache

    now = time.time()
    steps = of_config(config, environment)
    listed: set[Path] = set()
    for names in distinct(steps).values():
        step = steps[names[0]]
        found = known(step, {}, environment)
        if found is None:
            continue
        profiles = [name for name in names if name in config.profiles]
        users = f"by {', '.join(map(printable, profiles))}" if profiles else "once a profile names it"
        if isinstance(step, SsoSignIn):
            listed.add(cli_cache.sso_path(_aws_directory(environment), step.sso))
        yield f"signed in by the AWS CLI: {printable(step.subject)} ({state(found)}): used as it is {users}"
    for url, file, token in cli_cache.portals(_aws_directory(environment)):
        if file.path not in listed and (token.expires_at > now or token.can_refresh(now)):
            found = Known(token.expires_at, token.can_refresh(now), "aws")
            yield (
                f"signed in by the AWS CLI: {printable(url)} ({state(found)}): no profile uses it, "
                "`shellvault configure sso` makes one"
            )


def state(found: Known) -> str:
    """How long a sign-in lives, in words."""
    now = time.time()
    if found.ends_at <= now:
        return "renewed when it is needed"
    return f"{time_left(found.ends_at - now)} left{', renewed by itself' * found.renewable}"


def known(
    step: "SignIn", labels: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]
) -> Known | None:
    """The sign-in of a step, if one lives: ours by the vault's `labels`, else the AWS CLI's."""
    # Importing what reads these takes longer than all else, and most have none.
    from shellvault.plan.steps import SsoSignIn
    from shellvault.signin import cli_cache

    now = time.time()
    label = labels.get(step.fingerprint)
    if label and label["expires_at"] > now:
        return Known(label["valid_until"], label["expires_at"] > label["valid_until"], "shellvault")
    aws_directory = _aws_directory(environment)
    if isinstance(step, SsoSignIn):
        file = cli_cache.read(cli_cache.sso_path(aws_directory, step.sso))
        token = cli_cache.token_of(file) if file else None
        if token and (token.expires_at > now or token.can_refresh(now)):
            return Known(token.expires_at, token.can_refresh(now), "aws")
        return None
    from shellvault.signin.aws_sign_in import login_of

    path = cli_cache.login_path(aws_directory, environment, step.login_session)
    file = cli_cache.read(path)
    login = login_of(file, step.endpoint.region) if file else None
    return Known(login.session.expires_at or 0, True, "aws") if login else None


def tell_of_other_programs(name: str, environment: Mapping[str, str]) -> None:
    """Says after a sign-in what programs without shellvault need for profile `name`: they see no sign-in of ours."""
    from shellvault import settings
    from shellvault.dialogue import output
    from shellvault.profiles.grammar import word

    if settings.exports_token(environment):
        return
    config = config_of(environment)
    shown = word(name) if name in config.profiles else "PROFILE"
    has_token = config.sso_sessions and "login_session" not in config.section(name)
    other = ", or `shellvault signin --export-token`" if has_token else ""
    output.note(f"an IDE, Terraform or boto3 alone needs `shellvault install-process {shown}`{other}")


def _aws_directory(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or os.path.expanduser("~")) / ".aws"  # noqa: PTH111
