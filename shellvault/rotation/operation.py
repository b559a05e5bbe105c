"""Rotation as an operation on the vault, performed by the agent's worker, or without an agent by the command."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shellvault import guard
from shellvault.display import printable
from shellvault.errors import NeedsPersonError, SessionError, UsageError
from shellvault.fastlane import request
from shellvault.plan import Plan, endpoint_for
from shellvault.plan.steps import StoredKeys
from shellvault.profiles.model import Profile
from shellvault.rotation import ages
from shellvault.rotation.access_keys import IamAccessKeys
from shellvault.rotation.rotate import Rotation, listed, rotate
from shellvault.sessions.acquire import acquire
from shellvault.sessions.cache import DirectCache
from shellvault.sessions.calls import invoke
from shellvault.sessions.context import Context
from shellvault.sessions.for_request import parsed, plan_for_request
from shellvault.sessions.model import Challenge, Prompter, Session

if TYPE_CHECKING:
    from shellvault.vault import Vault


def perform(
    operation: dict[str, Any], vault: "Vault", prompter: Prompter, context: Context, *, is_confirmed: bool
) -> dict[str, Any]:
    """Performs one of OPERATIONS; the result holds no secret. Raises any ShellvaultError.

    An unconfirmed rotation ignores the proxy, endpoints and certificates that its caller names: they could belong to a
    program that wants the new keys.
    """
    if operation["do"] == "prove":
        return _prove(operation, vault, context)
    named = _network_of(operation["request"], context)
    if named and not is_confirmed and not _is_wanted(named, operation["request"], prompter):
        prompter.tell(f"{', '.join(named)} not confirmed: calling AWS without")
        operation = operation | {"request": _without_network(operation["request"])}
        environment = {key: value for key, value in context.environment.items() if key not in named}
        context = replace(context, environment=environment)
        return _rotate(operation, vault, prompter, context, is_direct=True)
    return _rotate(operation, vault, prompter, context)


def _network_of(line: str, context: Context) -> list[str]:
    """The variables in the request that change the network path to AWS."""
    said = {**context.environment, **parsed(line).fields}
    return [name for name in guard.NETWORK_VARIABLES if said.get(name)]


def _is_wanted(named: list[str], line: str, prompter: Prompter) -> bool:
    """Whether a person allows the new keys to pass through what these variables name."""
    name = printable(parsed(line).profile)
    question = f"Make new keys of {name} through the network settings in {', '.join(named)}? (y|N) "
    try:
        return prompter.ask(Challenge("confirm", name, question)).strip().lower() in ("y", "yes")
    except NeedsPersonError:
        return False


def _without_network(line: str) -> str:
    words = line.split(" ")
    return " ".join(word for word in words if word.partition("=")[0] not in guard.NETWORK_VARIABLES)


def _rotate(
    operation: dict[str, Any],
    vault: "Vault",
    prompter: Prompter,
    context: Context,
    *,
    is_direct: bool = False,
) -> dict[str, Any]:
    """Rotates the keys at the root of a request line's profile.

    `operation` has `request` (a line), `keep_old`, and `older_than` (seconds, or None: at any age). `is_direct`: use no
    proxy. Raises UsageError when that profile has no stored keys, and the errors of `rotate`.
    """
    profile, plan = plan_for_request(
        parsed(operation["request"]),
        vault.stored_keys(),
        context.environment,
        context.directory,
        narrows=False,
    )
    root = _root(profile, plan)
    # A killed rotation may have stored the new keys without updating the index.
    vault.mend_key_index(root.name)
    session = _session(operation["request"], root.name, vault, prompter, context, is_direct=is_direct)
    iam, sts = (replace(endpoint_for(root, service), is_direct=is_direct) for service in ("iam", "sts"))
    access_keys = IamAccessKeys(iam, sts, session)
    keys = vault.load_keys(root.name)
    present = listed(access_keys)
    created_at = (
        ages.known(context.environment).get(root.name)
        if present is None
        else next((key.created_at for key in present if key.access_key_id == keys.access_key_id), None)
    )
    common = {"name": root.name, "backend": vault.backend_name}
    least = operation.get("older_than")
    if least is not None and present is None and created_at is None:
        raise SessionError(
            f"the age of {keys.access_key_id} of {printable(root.name)} is unknown: allow iam:ListAccessKeys, "
            "or leave out --older-than"
        )
    is_young = least is not None and created_at is not None and time.time() - created_at < least
    if is_young and vault.load_rotation(root.name) is None:
        return common | {"new_id": None, "old_id": keys.access_key_id, "created_at": created_at}
    done = rotate(Rotation(root.name, vault, access_keys, prompter.tell, bool(operation.get("keep_old"))))
    return common | {
        "new_id": done.new_id,
        "old_id": done.old_id,
        "created_at": done.created_at,
        "old_is": done.old_is,
        "was_under_way": done.was_under_way,
    }


def _prove(operation: dict[str, Any], vault: "Vault", context: Context) -> dict[str, Any]:
    """Asks AWS for the owner of the profile's stored keys. Raises RefusedError when AWS does not know the keys."""
    profile, plan = plan_for_request(
        parsed(operation["request"]), vault.stored_keys(), context.environment, narrows=False
    )
    root = _root(profile, plan)
    keys = vault.load_keys(root.name)
    session = Session(keys.access_key_id, keys.secret_access_key)
    what = f"the keys of {printable(root.name)}"
    reply = invoke("sts", "get_caller_identity", {}, endpoint_for(root, "sts"), session, 2, what)
    return {"arn": str(reply.get("Arn"))}


def _root(profile: Profile, plan: Plan) -> Profile:
    """The profile with the stored keys at the start of the chain."""
    step = plan.steps[0]
    if not isinstance(step, StoredKeys):
        raise UsageError(
            f"{printable(profile.name)} has no stored keys at the end of its chain ({step.call}): "
            "there is nothing to rotate"
        )
    found = profile
    while found.name != step.profile and found.source is not None:
        found = found.source
    return found


def _session(
    line: str, root: str, vault: "Vault", prompter: Prompter, context: Context, *, is_direct: bool
) -> Session:
    """The signer of the calls to IAM: a session with MFA, else the keys themselves.

    A GetSessionToken session without MFA may not call IAM (its API reference). With `no-session` in the line, always
    the keys.
    """
    fields = request.decode(line)[1]
    of_root = " ".join((request.escape(root), *line.split(" ")[1:]))
    stored = vault.stored_keys()
    plan = plan_for_request(parsed(of_root), stored, context.environment, context.directory, narrows=False)[1]
    if "no-session" in fields or not plan.steps[-1].prompts_mfa:
        keys = vault.load_keys(root)
        return Session(keys.access_key_id, keys.secret_access_key)
    steps = [replace(step, endpoint=replace(step.endpoint, is_direct=is_direct)) for step in plan.steps]
    plan = replace(plan, steps=type(plan.steps)(steps))
    cache = DirectCache(vault, Path(context.state_directory), prompter)
    return acquire(plan, vault, cache, prompter, context)
