"""Whether a person has to confirm the use of long-term keys, as for `ssh-add -c`; `guard` lists the operations.

An encrypted file is confirmed by its passphrase, which other processes of the user do not know. For a keyring it is a
plain yes, which stops accidents, not an attacker.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from shellvault import guard, settings
from shellvault.display import printable
from shellvault.errors import ConfigError, SessionError

if TYPE_CHECKING:
    from shellvault.plan import Plan
    from shellvault.sessions.model import Challenge, Prompter
    from shellvault.vault import Vault

Policy = Literal["never", "keys", "always"]

#: From the laxest to the strictest. `keys`: confirms what `guard` lists; `always`: also, the agent keeps nothing
#: unlocked.
POLICIES: tuple[Policy, ...] = ("never", "keys", "always")

VARIABLE = "SHELLVAULT_CONFIRM"


def policy(environment: Mapping[str, str], backend: str) -> Policy:
    """The policy of SHELLVAULT_CONFIRM, else of the settings, else the vault's default. Raises ConfigError."""
    own = settings.load(environment)
    for source, named in (
        (VARIABLE, environment.get(VARIABLE)),
        (f"{str(own.path)!r}: confirm", own.confirm),
    ):
        if named:
            found = next((known for known in POLICIES if known == named), None)
            if found is None:
                raise ConfigError(f"{source} is {named!r}: use one of {', '.join(POLICIES)}")
            return found
    return "keys" if backend == "file" else "never"


def stricter(one: str, other: str) -> Policy:
    """The stricter of two policies; an unknown one counts as the strictest."""
    return max((_known(one), _known(other)), key=POLICIES.index)


def confirm(operation: str, subject: str, vault: "Vault", prompter: "Prompter", required: Policy) -> bool:
    """Has a person confirm an operation, where the table (`guard.OPERATIONS`) and `required` demand it.

    An encrypted file is confirmed by its passphrase, a keyring by a plain yes. Returns whether a person confirmed
    this operation, or opened the vault for it. Raises SessionError when the answer is no, and the errors of
    asking.
    """
    wanted = guard.OPERATIONS[operation].confirmation
    if wanted is None or required == "never":
        return vault.is_proven
    if vault.proves_by_passphrase:
        vault.prove(wanted.reason)
        return True
    if prompter.ask(challenge(wanted, subject)).strip().lower() not in ("y", "yes"):
        raise SessionError("not confirmed: nothing was done")
    return True


def challenge(wanted: guard.Confirmation, subject: str) -> "Challenge":
    """The question that a plain yes answers."""
    from shellvault.sessions.model import Challenge

    return Challenge("confirm", subject, f"{wanted.question.format(printable(subject, None))} (y|N) ")


def confirm_keys(plan: "Plan", vault: "Vault", prompter: "Prompter", required: Policy) -> None:
    """The same where the plan hands out stored keys themselves."""
    if hands_out_keys(plan):
        confirm("hand-out", plan.steps[-1].profile, vault, prompter, required)


def hands_out_keys(plan: "Plan") -> bool:
    """Whether a plan ends with long-term keys."""
    from shellvault.plan.steps import StoredKeys

    return isinstance(plan.steps[-1], StoredKeys)


def _known(name: str) -> Policy:
    return next((known for known in POLICIES if known == name), POLICIES[-1])
