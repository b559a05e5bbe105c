"""What a wrapped program gets: its arguments and AWS_PROFILE as typed, plus a session where we have one.

It is decided from the command line, the environment and the AWS files (`sections`), so that a program without a session
does not wait; the full command line uses the same functions. The AWS CLI uses keys in the environment together with
AWS_PROFILE, but not with `--profile` (botocore.credentials.create_credential_resolver). So the option becomes the
variable, and the program still reads and writes the profile's other settings.

On the warm path: builtins only.
"""

from time import time

from shellvault.fastlane import PROFILE_OPTION, aws_cli, sections
from shellvault.fastlane.program import changed
from shellvault.fastlane.request import MARKS, narrowing
from shellvault.fastlane.sections import Environment

#: The AWS CLI under its names.
AWS_CLI = ("aws", "awslocal")
#: What runs a program whose SDK (for JavaScript) passes over keys in the environment when AWS_PROFILE is set.
JAVASCRIPT = (b"node", b"bun", b"deno")

#: What names the region, to one program or another.
REGIONS = ("AWS_DEFAULT_REGION", "AWS_REGION")

#: Variables that a session removes because they name a profile, not because they hold credentials.
PROFILE_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SDK_LOAD_CONFIG")


class Choice:
    """Which session a program is given, and how."""

    __slots__ = ("beside_profile", "is_there", "lacks_region", "narrowing", "profile", "program", "variables")

    def __init__(
        self,
        profile: str,
        program: list[str],
        *,
        beside_profile: bool,
        is_there: bool,
        variables: Environment,
        narrowing: dict[str, str],
        lacks_region: bool = False,
    ) -> None:
        self.profile = profile
        self.program = program
        """The command line that is to run."""
        self.beside_profile = beside_profile
        """Whether only credentials are given, and AWS_PROFILE says the rest; else everything that `exec` gives."""
        self.lacks_region = lacks_region
        """Whether the program finds no region in its profile, so that one which `exec` finds elsewhere is given too."""
        self.is_there = is_there
        """Whether the environment has the session already."""
        self.variables = variables
        """The variables that replace the option removed from the command line."""
        self.narrowing = narrowing
        """The options that have narrowed the environment's own session of the profile: the next is no wider."""


def parse(arguments: list[str]) -> tuple[list[str], str]:
    """The command line in the arguments of `wrap [--default NAME] PROGRAM…`, and that name ("" without it)."""
    if arguments[:1] == ["--default"]:
        return arguments[2:], "".join(arguments[1:2])
    return arguments, ""


def choose(
    program: list[str], script: bytes, default: str, environment: Environment, directory: str
) -> Choice | None:
    """The session for the command line `program`; None to run it untouched.

    Args:
        script: the beginning of the program's file.
        default: the profile for when nothing names another ("" for none), as a shim may have one.
        directory: the current one, as an absolute path.
    """
    name, *arguments = program
    if "COMP_LINE" in environment:
        return None
    is_option_ours = name in PROFILE_OPTION
    named, rest = aws_cli.profile_option(arguments, name in AWS_CLI)
    if name in AWS_CLI and aws_cli.needs_no_session(arguments, named is not None, environment):
        return None
    profile = named
    if named is None:
        profile = _profile_of(environment)
        if profile is None:
            return _without_profile(program, default, environment)
    if not profile:
        return None
    served, defined = sections.serves(profile, environment, directory)
    is_there = profile == environment.get("AWS_VAULT") and is_live(environment)
    if not served or (is_there and named is None):
        return None
    beside_profile = defined and not _runs_javascript(script)
    takes_out = named is not None and is_option_ours
    return Choice(
        profile,
        [name, *rest] if takes_out else program,
        beside_profile=beside_profile,
        is_there=is_there,
        variables={"AWS_PROFILE": profile} if takes_out and beside_profile else {},
        narrowing=narrowing(profile, environment),
        lacks_region=beside_profile and not sections.names_region(profile, environment, directory),
    )


def is_live(environment: Environment) -> bool:
    """Whether the environment has a session of ours that has not run out."""
    expiry = environment.get("SHELLVAULT_EXPIRES_AT", "")
    if not environment.get("SHELLVAULT_REQUEST"):
        return False
    return not expiry or (
        expiry.isascii() and expiry.isdigit() and len(expiry) <= 12 and time() < int(expiry)
    )


def given(choice: Choice, values: Environment, unset: list[str], environment: Environment) -> Environment:
    """The environment of the program: `environment` with the session, which sets `values` and takes `unset` away."""
    if choice.variables:
        environment = {name: value for name, value in environment.items() if name != "AWS_DEFAULT_PROFILE"}
    if choice.is_there:
        taken = () if choice.beside_profile else PROFILE_VARIABLES
        return {name: value for name, value in environment.items() if name not in taken} | choice.variables
    if choice.beside_profile:
        # Settings, which the program reads from its profile by itself.
        settings = (*MARKS, *MARKS.values())
        missing = [name for name in REGIONS if choice.lacks_region and not _is_users(REGIONS, environment)]
        values = {name: value for name, value in values.items() if name not in settings or name in missing}
        unset = [name for name in unset if name not in settings and name not in PROFILE_VARIABLES]
        # Not set by the user, but by a session of another profile.
        unset += [
            name
            for name, mark in MARKS.items()
            if environment.get(name) == environment.get(mark) and name not in values
        ]
        unset += MARKS.values()
    return changed(environment, values | choice.variables, unset)


def _is_users(names: tuple[str, ...], environment: Environment) -> bool:
    """Whether the user has set one of these variables, which a session of ours may have set, too."""
    return any(environment.get(name) not in (None, "", environment.get(MARKS[name])) for name in names)


def _profile_of(environment: Environment) -> str | None:
    """The profile that the variables name, with no keys but ours; "" for one that must stay, None for none."""
    name = environment.get("AWS_PROFILE")
    if name is None:
        name = environment.get("AWS_DEFAULT_PROFILE") or None
    are_its_own = environment.get("AWS_ACCESS_KEY_ID") and not environment.get("SHELLVAULT_REQUEST")
    return "" if name and are_its_own else name


def _without_profile(program: list[str], default: str, environment: Environment) -> Choice | None:
    """Where nothing names a profile: this environment's own session again when it has run out, else the default."""
    if environment.get("SHELLVAULT_REQUEST"):
        profile = "" if is_live(environment) else environment.get("AWS_VAULT", "")
    else:
        profile = "" if environment.get("AWS_ACCESS_KEY_ID") else default
    if not profile:
        return None
    narrowed = narrowing(profile, environment)
    return Choice(profile, program, beside_profile=False, is_there=False, variables={}, narrowing=narrowed)


def _runs_javascript(script: bytes) -> bool:
    """Whether the file is a script for an interpreter of JavaScript."""
    line = script.partition(b"\n")[0]
    return line.startswith(b"#!") and any(word in line for word in JAVASCRIPT)
