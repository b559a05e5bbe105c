"""The passphrase of the encrypted file, asked through whoever can put a question to the person."""

from collections.abc import Callable
from pathlib import Path

from shellvault.errors import VaultError
from shellvault.sessions.model import Challenge, Prompter


def asker(prompter: Prompter) -> Callable[[bool, str | None, Path], str]:
    """`ask_passphrase` for `open_vault`. It raises NeedsPersonError, and VaultError for two that differ."""

    def ask(new: bool, problem: str | None, path: Path) -> str:
        before = f"{problem}; " if problem else ""
        if not new:
            prompt = f"{before}Enter passphrase to unlock {path}: "
            return prompter.ask(Challenge("passphrase", str(path), prompt, hidden=True))
        prompt = f"{before}Enter a new passphrase for {path}: "
        first = prompter.ask(Challenge("new-passphrase", str(path), prompt, hidden=True))
        if first != prompter.ask(Challenge("new-passphrase", str(path), "Enter it again: ", hidden=True)):
            raise VaultError("the two passphrases differ: nothing was written, run the command again")
        return first

    return ask
