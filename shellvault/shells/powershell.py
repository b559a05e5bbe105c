"""PowerShell 7."""

import base64
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from shellvault.shells import model
from shellvault.shells.model import SetUp, Shell

_PRINTABLE_ASCII = re.compile(r"[ -~]*")


def quote(value: str) -> str:
    """Printable ASCII as a literal string; everything else as base64 of UTF-8.

    A pipeline may decode text outside ASCII by another code page, and it splits at newlines. So of the five
    characters that end a literal (CharTraits.cs, IsSingleQuote) only the ASCII one can stand in one, doubled.
    """
    if _PRINTABLE_ASCII.fullmatch(value):
        return "'" + value.replace("'", "''") + "'"
    encoded = base64.b64encode(value.encode()).decode("ascii")
    return f"([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('{encoded}')))"


def _start_up_file(environment: Mapping[str, str]) -> Path:
    # about_Profiles: current user, current host.
    profile = "Microsoft.PowerShell_profile.ps1"
    if sys.platform == "win32":
        return model.home(environment) / "Documents" / "PowerShell" / profile
    return model.configuration(environment) / "powershell" / profile


def _opened(
    path: str, text: str, folder: Path, environment: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    return [path, "-NoExit", "-Command", text], {}


SHELL = Shell(
    name="powershell",
    executables=("pwsh", "pwsh-preview", "powershell"),
    quote=quote,
    evaluated="{} | Out-String | Invoke-Expression",
    exported="$env:{name} = {value}",
    unset="$env:{name} = $null",
    set_up=SetUp(_start_up_file, "Invoke-Expression (& shellvault init powershell{} | Out-String)", _opened),
    holds_bytes=False,
)
