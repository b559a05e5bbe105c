"""Whether a person has to confirm that long-term keys leave the vault, as for `ssh-add -c`.

An encrypted file is confirmed by its passphrase, which other processes of the user do not know. For a keyring it is a
plain yes, which stops accidents, not an enemy.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from shellvault import settings
from shellvault.errors import ConfigError, SessionError
from shellvault.plan import Plan
from shellvault.sessions.model import Challenge, Prompter

if TYPE_CHECKING:
    from shellvault.vault import Vault

Policy = Literal["never", "keys", "always"]

#: From the laxest to the strictest. `keys`: when long-term keys are handed out; `always`: the agent keeps nothing
#: unlocked besides.
POLICIES: tuple[Policy, ...] = ("never", "keys", "always")

VARIABLE = "SHELLVAULT_CONFIRM"


def policy(environment: Mapping[str, str], backend: str) -> Policy:
    """What SHELLVAULT_CONFIRM says, else the settings, else what is usual for the vault. Raises ConfigError."""
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
    """The stricter of two policies; what is none counts as the strictest."""
    return max((_known(one), _known(other)), key=POLICIES.index)


def confirm_keys(plan: Plan, vault: "Vault", prompter: Prompter, required: Policy) -> None:
    """Has a person confirm that the plan hands out stored keys themselves, where it does.

    Raises SessionError when they do not, and whatever asking for a passphrase raises.
    """
    step = plan.steps[-1]
    if step.call != "stored-keys" or required == "never":
        return
    if vault.proves_by_passphrase:
        vault.prove()
        return
    prompt = f"Hand out the long-term keys of {step.profile}? (y|N) "
    if prompter.ask(Challenge("confirm", step.profile, prompt)).strip().lower() not in ("y", "yes"):
        raise SessionError("not confirmed: the keys were not handed out")


def _known(name: str) -> Policy:
    return next((known for known in POLICIES if known == name), POLICIES[-1])
