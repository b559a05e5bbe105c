"""Asks a person, through a prompter, for the passphrase of the encrypted file."""

from collections.abc import Callable
from pathlib import Path

from shellvault.errors import VaultError
from shellvault.sessions.model import Challenge, ChallengeKind, Prompter
from shellvault.vault.passphrases import weakness

#: Weak or empty answers after which the next one is accepted.
_TRIES = 3


def asker(prompter: Prompter) -> Callable[[bool, str | None, Path], str]:
    """`ask_passphrase` for `open_vault`. It raises NeedsPersonError, and VaultError for two that differ."""

    def ask(new: bool, problem: str | None, path: Path) -> str:
        before = f"{problem}; " if problem else ""
        if new:
            return ask_new(prompter, path, "new-passphrase", before)
        prompt = f"{before}Enter passphrase to unlock {path}: "
        return prompter.ask(Challenge("passphrase", str(path), prompt, hidden=True))

    return ask


def ask_new(prompter: Prompter, path: Path, kind: ChallengeKind, before: str = "") -> str:
    """A new passphrase for the encrypted file, given twice. A weak one causes a warning, and is accepted when repeated.

    `kind` is `new-passphrase` for a new file, and `changed-passphrase`, which no variable answers, for an existing
    one. Raises NeedsPersonError, and VaultError for two that differ.
    """

    def ask(prompt: str) -> str:
        return prompter.ask(Challenge(kind, str(path), prompt, hidden=True))

    first = ask(f"{before}Enter a new passphrase for {path}: ")
    for _ in range(_TRIES):
        if not first:
            prompter.tell("a passphrase cannot be empty")
            first = ask("Enter a new passphrase: ")
            continue
        problem = weakness(first)
        if problem is None:
            break
        prompter.tell(f"that passphrase is weak: {problem}")
        again = ask("Enter a better one, or the same again to keep it: ")
        if again == first:
            return first
        first = again
    if not first:
        raise VaultError("a passphrase cannot be empty: nothing was written, run the command again")
    if first != ask("Enter it again: "):
        raise VaultError("the two passphrases differ: nothing was written, run the command again")
    return first
