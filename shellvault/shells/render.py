"""The text that a shell evaluates, rendered from the templates in `shells/<shell>/`."""

import os
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from shellvault import locations
from shellvault.fastlane.request import MARKS
from shellvault.shells import RECORDS
from shellvault.shells.quote import quote
from shellvault.variables import MANAGED_VARIABLES, OVERRIDING_VARIABLES, SESSION_VARIABLES, Change

if TYPE_CHECKING:
    from jinja2 import Environment

#: An empty list, as direnv writes what it watches: base64 of the zlib stream of `[]`. direnv has no documented way to
#: undo its variables outside of a folder of its own (`direnv export` without it looks at the watched files again).
NO_WATCHES = "eJyLjgUAARUAuQ=="


def snippet(shell: str, template: str, **context: object) -> str:
    """Renders `shells/<shell>/<template>.jinja`.

    In a template the filter `quote` makes one word of the shell out of any value; nothing else may put a
    value that is not a constant of ours into the text. It is to be written as UTF-8 with `surrogateescape`.

    Raises:
        UsageError: a value that the shell cannot hold (see `quote`).
    """
    return _environment(shell).get_template(f"{shell}/{template}.jinja").render(context)


def warm_up(shell: str) -> None:
    """Compiles what a session in this shell needs."""
    for template in ("env", "refresh") if RECORDS[shell].set_up else ("env",):
        _environment(shell).get_template(f"{shell}/{template}.jinja")


def env_snippet(shell: str, change: Change) -> str:
    """Leaves the session the shell has, if any, remembers the variables of `change`, and makes the change."""
    return snippet(shell, "env", assignments=_assignments(change, OVERRIDING_VARIABLES))


def leave_snippet(shell: str) -> str:
    """Puts every variable back as it was before the first `env`, if its value is still ours."""
    return snippet(shell, "leave")


def refresh_snippet(shell: str, change: Change) -> str:
    """Replaces the session by a newer one of the same request, where the shell still has it."""
    return snippet(
        shell,
        "refresh",
        assignments=_assignments(change),
        request=change.set["SHELLVAULT_REQUEST"],
    )


def starting(shell: str) -> dict[str, object]:
    """How a text starts the fast lane of this installation, as words of `shell`: `python`, `script`, `fastlane`."""
    # As the file system has the paths, in whatever encoding the locale has made text of them.
    python, script = (
        quote(shell, os.fsencode(path).decode("utf-8", "surrogateescape"))
        for path in (locations.PYTHON, locations.DOOR)
    )
    return {"python": python, "script": script, "fastlane": f"{python} -I -S {script}"}


def template_folder(name: str) -> Path:
    """The folder of templates `name` (`shells`, `completions`): in the installed package, or next to it."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "templates" / name
    return installed if installed.is_dir() else package.parent / name


def _assignments(change: Change, others: tuple[str, ...] = ()) -> Mapping[str, str | None]:
    """The new values of the variables that `change` sets; None: unset."""
    of_profile = change.set.get("SHELLVAULT_VARIABLES", "").split()
    unknown = {*change.set, *change.unset}.difference(MANAGED_VARIABLES, of_profile)
    if unknown:
        raise ValueError(f"not variables that a session may change: {sorted(unknown)}")
    names = (*SESSION_VARIABLES, *of_profile, *others)
    return {name: change.set.get(name) for name in names if name in change.set or name in change.unset}


@cache
def _environment(shell: str) -> "Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template_folder("shells"), template_folder("completions")]),
        autoescape=False,  # noqa: S701 - the output is shell text, and HTML escapes would corrupt it
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quote"] = partial(quote, shell)
    environment.globals["session_variables"] = SESSION_VARIABLES
    environment.globals["no_watches"] = NO_WATCHES
    environment.globals["marks"] = MARKS
    return environment
