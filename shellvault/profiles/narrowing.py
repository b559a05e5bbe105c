"""AWS's session policies, which limit a session, checked. Pure.

A session may do what both its role (or user) and one of its session policies allow. Several session policies allow
what any of them allows, so ReadOnlyAccess excludes others.

Sources: IAM User Guide, "Session policies"; STS API reference, AssumeRole (Policy, PolicyArns).
"""

import json
import re
from typing import Any

from shellvault.display import printable
from shellvault.errors import ConfigError
from shellvault.profiles.model import Narrowing
from shellvault.profiles.settings import Setting

#: AWS's limits: characters of policy and ARNs together, and managed policies.
MAX_CHARACTERS, MAX_ARNS = 2048, 10

_ARN = re.compile(
    r"arn:[a-z][a-z0-9-]{0,31}:iam::(?:aws|[0-9]{12}):policy/(?:[!-~]{1,510}/)?[\w+=,.@-]{1,128}", re.ASCII
)

#: What separates two ARNs: a comma may also be part of a name.
_BETWEEN = re.compile(r"[\s,]+(?=arn:)")


def of_command_line(
    read_only: bool, arns: str, policy: str | None, *, no_secrets: bool = False
) -> Narrowing | None:
    """The session policies of `--read-only`, `--policy-arn` (ARNs between blanks) and a policy's text; None: none.

    `no_secrets` goes with `read_only`. Raises ConfigError for what AWS would refuse.
    """
    if not (read_only or arns or policy is not None):
        return None
    options = {"--read-only": read_only, "--policy-arn": arns, "--policy": policy is not None}
    named = [name for name, is_given in options.items() if is_given]
    _check_alone(read_only, named)
    text = None if policy is None else checked_policy(policy, "--policy")
    return Narrowing(read_only, _arns(arns, "--policy-arn"), text, no_secrets, where=" and ".join(named))


def of_profile(
    read_only: tuple[Setting, bool] | None, arns: Setting | None, policy_file: Setting | None
) -> Narrowing | None:
    """The session policies of a profile's keys, with the file not yet read; None: none. Raises ConfigError."""
    settings = [setting for setting in (read_only and read_only[0], arns, policy_file) if setting]
    if not settings:
        return None
    is_read_only = bool(read_only and read_only[1])
    named = [
        setting.name for setting in settings if is_read_only or not (read_only and setting is read_only[0])
    ]
    _check_alone(is_read_only, named)
    return Narrowing(
        is_read_only,
        _arns(arns.text, arns.name) if arns else (),
        policy_file=policy_file.text if policy_file else None,
        where=" and ".join(named),
    )


def checked_policy(text: str, where: str) -> str:
    """A policy's JSON without blanks. Raises ConfigError, naming `where`, for a bad policy or one too long for AWS."""
    try:
        policy = json.loads(text, object_pairs_hook=_without_twins, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = printable(str(error)) if isinstance(error, ValueError) else "it is nested too deeply"
        raise ConfigError(f"{where}: this is no policy in JSON: {reason}") from None
    if not isinstance(policy, dict) or not isinstance(policy.get("Statement"), (dict, list)):
        raise ConfigError(f'{where}: this is no policy: it is JSON, but no object with a "Statement"')
    plain = json.dumps(policy, separators=(",", ":"))
    if len(plain) > MAX_CHARACTERS:
        raise ConfigError(
            f"{where}: this policy has {len(plain)} characters without blanks, and AWS takes {MAX_CHARACTERS}: shorten "
            "it, or make it a managed policy and name that (--policy-arn, shellvault_policy_arns)"
        )
    return plain


def read_only_access(partition: str) -> str:
    """The ARN of AWS's managed policy ReadOnlyAccess in a partition."""
    return f"arn:{partition}:iam::aws:policy/ReadOnlyAccess"


def _check_alone(read_only: bool, named: list[str]) -> None:
    if read_only and len(named) > 1:
        raise ConfigError(
            f"{' and '.join(named)} exclude each other: AWS adds session policies up, so the session could do what "
            "either allows; leave one out"
        )


def _arns(text: str, where: str) -> tuple[str, ...]:
    """The ARNs of managed policies, each once, sorted. Raises ConfigError."""
    arns = sorted({arn for arn in _BETWEEN.split(text.strip()) if arn})
    for arn in arns:
        if not _ARN.fullmatch(arn):
            raise ConfigError(
                f"{where}: {arn[:100]!a} is not the ARN of a managed policy: arn:aws:iam::ACCOUNT:policy/NAME "
                "(AWS's own: arn:aws:iam::aws:policy/NAME)"
            )
    if len(arns) > MAX_ARNS:
        raise ConfigError(f"{where}: these are {len(arns)} managed policies, and AWS takes {MAX_ARNS}")
    return tuple(arns)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        # The one that counts decides what is allowed: we must not choose it.
        raise ValueError("a key stands twice in one object")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
