"""Clients for AWS's services, as one step or command needs them.

Nothing here reads the user's AWS config file, credentials, profile or variables: the agent's worker runs in an
environment that is not the command's. The Endpoint alone decides where a call goes; botocore chooses the host
from it.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shellvault import __version__
from shellvault.network import CONNECT_SECONDS, READ_SECONDS
from shellvault.plan import Endpoint
from shellvault.profiles.model import Service
from shellvault.waiting import waits_for

if TYPE_CHECKING:
    from shellvault.sessions.model import Session

#: What a person calls each service.
_NAMES: Mapping[Service, str] = {
    "iam": "AWS IAM",
    "signin": "AWS sign-in",
    "sso": "IAM Identity Center",
    "sso-oidc": "IAM Identity Center",
    "sts": "AWS STS",
}


def client_for(service: Service, endpoint: Endpoint, source: "Session | None", attempts: int) -> Any:
    """A client of `service` that signs with `source`, or not at all without one, and tries `attempts` times.

    Making it may take 0.1 s; for its calls see `calls.invoke`. Raises botocore's BotoCoreError, and
    ValueError for an invalid URL.
    """
    import botocore.session
    from botocore import UNSIGNED
    from botocore.config import Config

    from shellvault.sessions.reply_limit import limit_replies

    limit_replies()
    # A variable is its key in the config file, its name in the environment, its default and its conversion.
    # Without the first two, botocore reads neither a config file nor AWS_PROFILE.
    nowhere = (None, None, None, None)
    session = botocore.session.Session(
        session_vars=dict.fromkeys(("profile", "config_file", "credentials_file"), nowhere)
    )
    session.set_config_variable("sts_regional_endpoints", "legacy" if endpoint.legacy else "regional")
    settings: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
        "retries": {"total_max_attempts": attempts, "mode": "standard"},
        "defaults_mode": "legacy",
        "ignore_configured_endpoint_urls": True,
        "use_fips_endpoint": endpoint.fips,
        "use_dualstack_endpoint": endpoint.dual_stack,
        # AWS checks its input; the plan has checked the durations, which may be shorter for an emulator.
        "parameter_validation": False,
        "user_agent_extra": f"shellvault/{__version__}",
    }
    if endpoint.is_direct:
        # None would mean those of the environment.
        settings["proxies"] = {}
    if source is None:
        settings["signature_version"] = UNSIGNED
    if service == "sts":
        session.register_component("data_loader", _loader())
    client = _create(session, service)(
        service,
        region_name=endpoint.region,
        endpoint_url=endpoint.url,
        # Never None: that would make botocore look for a bundle in this process's environment.
        verify=endpoint.ca_bundle or True,
        aws_access_key_id=source.access_key_id if source else None,
        aws_secret_access_key=source.secret_access_key if source else None,
        aws_session_token=source.session_token if source else None,
        config=Config(**settings),
    )
    client.meta.events.register("before-send", lambda request, **_: waits_for(_named(service, request.url)))
    return client


def _named(service: Service, url: str) -> str:
    return f"{_NAMES[service]} at {urlsplit(url).hostname}"


@cache
def _loader() -> Any:
    """botocore's reader of its own files, which keeps what it has read: one for all clients of STS in this process.

    It does not list all services to find one, which takes two thousand disk accesses. boto3 modifies the reader of
    each of its sessions, so it cannot share one.
    """
    from botocore.loaders import Loader

    loader = Loader()
    loader.list_available_services = lambda type_name: ["sts"]  # type: ignore[method-assign]
    return loader


def _create(session: Any, service: Service) -> Any:
    """boto3's way to make a client, except for STS: every session needs that, and boto3 costs 30 ms."""
    if service == "sts":
        return session.create_client
    import boto3

    return boto3.Session(botocore_session=session).client
