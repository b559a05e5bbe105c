"""A config file that is not the user's own may run programs and set variables: said once for each file and content."""

import contextlib
import hashlib
from pathlib import Path

from shellvault import locations
from shellvault.cli import output
from shellvault.cli.options import Wish
from shellvault.errors import ShellvaultError
from shellvault.fastlane import request

#: Digests that are kept of what was said.
_MOST = 1000


def tell_programs(wish: Wish) -> None:
    """Says which programs a profile of a config file elsewhere runs, and what it sets, if that was not said yet."""
    path = Path(request.decode(wish.line)[1]["config"])
    home = wish.environment.get("HOME") or str(Path.home())
    if path == Path(home, ".aws", "config"):
        return
    with contextlib.suppress(ShellvaultError, OSError):
        runs, sets = _done_by(wish)
        noted = locations.state_directory(wish.environment) / "programs-told"
        digest = hashlib.sha256(
            f"{path}\0".encode("utf-8", "surrogateescape") + path.read_bytes()
        ).hexdigest()
        does = [f"it {what}: {', '.join(names)}" for what, names in (("runs", runs), ("sets", sets)) if names]
        if does and digest not in (told := _lines(noted)):
            output.note(f"{path} is not your own config file; {'; '.join(does)}")
            noted.write_text("".join(f"{line}\n" for line in [*told, digest][-_MOST:]), encoding="ascii")


def _done_by(wish: Wish) -> tuple[list[str], list[str]]:
    """The programs of the profile's plan and the variables that it sets, without opening the vault for it.

    Raises ShellvaultError.
    """
    from shellvault.sessions.for_request import plan_for_request

    stored = dict.fromkeys(_lines(locations.names_file(wish.environment)), "")
    profile, plan = plan_for_request(wish.line, stored, wish.environment)[:2]
    programs = dict.fromkeys(program for step in plan.steps for program in step.programs)
    return list(programs), list(profile.variables)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
