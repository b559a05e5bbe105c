"""A config file that is not the user's own may run programs and set variables: a warning once per file and content."""

import contextlib
from pathlib import Path

from shellvault import here
from shellvault.cli import shown_once
from shellvault.cli.options import SessionRequest
from shellvault.dialogue import output
from shellvault.errors import ShellvaultError
from shellvault.fastlane import request


def tell_programs(wanted: SessionRequest) -> None:
    """Warns once which programs a profile of a config file elsewhere runs, and what it sets."""
    path = Path(request.decode(wanted.line)[1]["config"])
    home = wanted.environment.get("HOME") or str(Path.home())
    if path == Path(home, ".aws", "config"):
        return
    with contextlib.suppress(ShellvaultError, OSError):
        runs, sets = _done_by(wanted)
        does = [f"it {what}: {', '.join(names)}" for what, names in (("runs", runs), ("sets", sets)) if names]
        if does and shown_once.is_new("programs-shown", path, wanted.environment):
            output.note(f"{path} is not your own config file; {'; '.join(does)}")


def _done_by(wanted: SessionRequest) -> tuple[list[str], list[str]]:
    """The programs of the profile's plan and the variables that it sets, without opening the vault for it.

    Raises ShellvaultError.
    """
    from shellvault.sessions.for_request import parsed, plan_for_request

    names = here.stored_names(wanted.environment)
    profile, plan = plan_for_request(
        parsed(wanted.line), dict.fromkeys(names, ""), wanted.environment, permits=False
    )
    programs = dict.fromkeys(program for step in plan.steps for program in step.programs)
    return list(programs), list(profile.variables)
