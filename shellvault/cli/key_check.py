"""Asks AWS for the owner of a pair of keys, before it is stored or imported."""

from collections.abc import Mapping

from shellvault.display import printable
from shellvault.fastlane import request
from shellvault.plan import endpoint_for
from shellvault.profiles.parse import ConfigFile
from shellvault.profiles.resolve import Overrides, resolve
from shellvault.sessions.calls import invoke
from shellvault.sessions.model import Session
from shellvault.vault import StoredKeys


def owner(
    environment: Mapping[str, str], config: ConfigFile, name: str, keys: StoredKeys, region: str | None = None
) -> str:
    """The ARN behind the keys of profile `name` (sts:GetCallerIdentity needs no permission), "" if unknown.

    `region` is that of a profile which is not written yet. Raises RefusedError when AWS takes the keys for none of
    its own, SessionError when it cannot be asked, ConfigError.
    """
    profile = resolve(config, name, Overrides(region, None, request.overrides(dict(environment))))
    session = Session(keys.access_key_id, keys.secret_access_key)
    endpoint, what = endpoint_for(profile, "sts"), f"the keys of {printable(name)}"
    reply = invoke("sts", "get_caller_identity", {}, endpoint, session, 2, what)
    return printable(str(reply.get("Arn") or ""))
