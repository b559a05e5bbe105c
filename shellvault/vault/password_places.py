"""The stores of `pass` and `passage`, and the program to run for each. Imports nothing of `keyring`."""

from collections.abc import Mapping
from pathlib import Path

from shellvault.variables import setting_of


def folder(program: str, environment: Mapping[str, str]) -> Path:
    """The password store of `pass` (pass(1), PASSWORD_STORE_DIR) or `passage` (PASSAGE_DIR)."""
    home = Path(environment.get("HOME") or Path.home())
    given = setting_of("PASS_PASSWORD_STORE_DIR", environment)
    if program == "pass":
        return Path(given or environment.get("PASSWORD_STORE_DIR") or home / ".password-store")
    return Path(given or environment.get("PASSAGE_DIR") or home / ".passage" / "store")


def command(program: str, environment: Mapping[str, str]) -> str:
    """The program to run for `pass` or `passage`; a setting may name one with the same commands, such as gopass."""
    return setting_of("PASS_CMD", environment) or program
