"""fish, 3.5 and later."""

from collections.abc import Mapping
from pathlib import Path

from shellvault.shells import model
from shellvault.shells.model import SetUp, Shell


def quote(value: str) -> str:
    r"""Within fish's single quotes `\` and `'` are escaped by `\` (fish-language, Quotes)."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _start_up_file(environment: Mapping[str, str]) -> Path:
    return model.configuration(environment) / "fish" / "conf.d" / "shellvault.fish"


def _opened(
    path: str, text: str, folder: Path, environment: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    return [path, "--init-command", text], {}


SHELL = Shell(
    name="fish",
    executables=("fish",),
    quote=quote,
    evaluated="{} | source",
    exported="set -gx {name} {value}",
    unset="set -eg {name}",
    set_up=SetUp(_start_up_file, "status is-interactive; and shellvault init fish{} | source", _opened),
)
