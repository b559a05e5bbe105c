"""`credential_source`: the machine's own credentials, through botocore's providers."""

from collections.abc import Mapping
from typing import Any

from shellvault import __version__, network
from shellvault.deadline import within
from shellvault.display import printable
from shellvault.errors import SessionError
from shellvault.plan.steps import Source
from shellvault.profiles.model import INSTANCE_METADATA_KEYS
from shellvault.sessions.answers import one_line
from shellvault.sessions.model import Session
from shellvault.sessions.replies import checked_session

#: Seconds; botocore gives EC2 one second for each of its three requests, and a container two for each of three.
DEADLINE = 12.0

_MISSING = {
    "Environment": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
    "Ec2InstanceMetadata": "the metadata service gives no role: this is no EC2 instance, or it has none",
    "EcsContainer": "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and …_FULL_URI are not set",
}


def from_source(step: Source, environment: Mapping[str, str], now: float) -> Session:
    """The credentials of the step's `credential_source`, in the command's own `environment`.

    Raises SessionError when the source has none, and for a shellvault session in the environment: the role's own
    session goes there, and must not become its source.
    """
    source = f"credential_source {step.source} of profile {printable(step.profile)}"
    if step.source == "Environment" and environment.get("SHELLVAULT_REQUEST"):
        raise SessionError(
            f"{source}: the keys in the environment are a session of shellvault, not a source: "
            "run `shellvault leave` first"
        )
    try:
        found = within(DEADLINE, lambda: _frozen(step, environment))
    except Exception as error:
        # Any error of botocore's fetchers for a strange reply; it may quote the reply.
        if network.is_cause(error):
            said = network.reason(error)
        elif type(error).__module__ == "botocore.exceptions":
            said = one_line(str(error), ())
        else:
            said = "it cannot be used as it is set, or as it answers"
        raise SessionError(f"{source} failed: {said}") from None
    if found is None:
        raise SessionError(f"{source}: {_MISSING[step.source]}")
    credentials, expires_at = found
    return checked_session(
        source,
        credentials.access_key,
        credentials.secret_key,
        credentials.token,
        expires_at,
        now,
        account_id=getattr(credentials, "account_id", None),
    )


def _frozen(step: Source, environment: Mapping[str, str]) -> tuple[Any, int | None] | None:
    """botocore's current credentials, and their expiry in epoch seconds."""
    loaded = _provider(step, environment).load()
    if loaded is None:
        return None
    frozen = loaded.get_frozen_credentials()
    expiry = getattr(loaded, "_expiry_time", None)
    return frozen, int(expiry.timestamp()) if expiry else None


def _provider(step: Source, environment: Mapping[str, str]) -> Any:
    from botocore import credentials, utils

    from shellvault.sessions.reply_limit import limit_replies

    limit_replies()
    if step.source == "Environment":
        return credentials.EnvProvider(dict(environment))
    if step.source == "EcsContainer":
        return credentials.ContainerProvider(dict(environment))
    config: dict[str, Any] = {
        key: environment.get(f"AWS_{key.upper()}") or step.instance_metadata.get(key)
        for key in INSTANCE_METADATA_KEYS
    }
    config["ec2_metadata_service_endpoint_mode"] = (
        config["ec2_metadata_service_endpoint_mode"] or ""
    ).lower()
    config["ec2_metadata_v1_disabled"] = utils.ensure_boolean(config["ec2_metadata_v1_disabled"])
    fetcher = utils.InstanceMetadataFetcher(
        env=dict(environment), user_agent=f"shellvault/{__version__}", config=config
    )
    return credentials.InstanceMetadataProvider(fetcher)
