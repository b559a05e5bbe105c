"""Every operation on the vault, behind the table of what a person has to confirm (`guard`).

The agent's worker and a command without an agent both come through here, and nobody does an operation past it.
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
    """Does one operation (docs/protocol.md) once it is confirmed, and returns its result, which holds no secret.

    Raises UsageError for none, SessionError for what is not confirmed, and any other ShellvaultError.
    """
    if asked.get("do") not in guard.VAULT_OPERATIONS:
        raise UsageError("the vault knows no such operation")
    kind, subject = _kind(asked, vault)
    is_confirmed = confirm(kind, subject, vault, prompter, required)
    if kind in OPERATIONS:
        # With what it takes to call AWS.
        from shellvault.rotation import operation

        return operation.perform(asked, vault, prompter, context, is_confirmed=is_confirmed)
    return operations.perform(asked, vault)


def _kind(asked: dict[str, Any], vault: "Vault") -> tuple[str, str]:
    """The operation as the table has it, and what it is done to, as a person is told it."""
    match asked:
        case {"do": "save", "name": str(name)} if vault.has_keys(name):
            return "replace", name
        case {"do": "remove", "name": str(name)} if not vault.has_keys(name):
            # At most sessions go.
            return "clear", name
        case {"do": "restore", "path": str(path)}:
            return "restore", path
        case {"do": str(do), "name": str(name)}:
            return do, name
        case {"do": str(do), "request": str(line)}:
            return do, parsed(line).profile
    return str(asked["do"]), ""
