"""Performs operations on the vault, after the confirmation that `guard` requires.

The agent's worker and a command without an agent both call this; no operation may bypass it.
"""

from typing import TYPE_CHECKING, Any

from shellvault import guard
from shellvault.errors import UsageError
from shellvault.rotation import OPERATIONS
from shellvault.sessions.confirmation import Policy, confirm
from shellvault.sessions.context import Context
from shellvault.sessions.for_request import parsed
from shellvault.sessions.model import Prompter
from shellvault.vault import operations

if TYPE_CHECKING:
    from shellvault.vault import Vault


def perform(
    asked: dict[str, Any], vault: "Vault", prompter: Prompter, context: Context, required: Policy
) -> dict[str, Any]:
    """Performs an operation (docs/protocol.md) once it is confirmed. The result holds no secret.

    Raises UsageError for an unknown one, SessionError for an unconfirmed one, and any other ShellvaultError.
    """
    if asked.get("do") not in guard.VAULT_OPERATIONS:
        raise UsageError("the vault knows no such operation")
    kind, subject = _kind(asked, vault)
    is_confirmed = confirm(kind, subject, vault, prompter, required)
    if kind in OPERATIONS:
        # Imports the AWS client.
        from shellvault.rotation import operation

        return operation.perform(asked, vault, prompter, context, is_confirmed=is_confirmed)
    return operations.perform(asked, vault)


def _kind(asked: dict[str, Any], vault: "Vault") -> tuple[str, str]:
    """The operation's name in the table of `guard`, and its object in words for a person."""
    match asked:
        case {"do": "save", "name": str(name)} if vault.has_keys(name):
            return "replace", name
        case {"do": "remove", "name": str(name)} if not vault.has_keys(name):
            # It removes sessions at most.
            return "clear", name
        case {"do": "restore", "path": str(path)}:
            return "restore", path
        case {"do": str(do), "name": str(name)}:
            return do, name
        case {"do": str(do), "request": str(line)}:
            return do, parsed(line).profile
    return str(asked["do"]), ""
