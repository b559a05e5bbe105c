"""The host that is asked is the one botocore asks for the same profile in the same environment."""

import itertools
import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import botocore.loaders
import botocore.session
import pytest
from botocore.exceptions import BotoCoreError

from shellvault.fastlane import request
from shellvault.plan import endpoint_for
from shellvault.profiles.model import SERVICES, Service
from shellvault.profiles.parse import load
from shellvault.profiles.resolve import Overrides, resolve
from shellvault.sessions.clients import client_for
from shellvault.sessions.model import Session

COMBINATIONS = 240
CALLS: Mapping[Service, tuple[str, dict[str, Any]]] = {
    "sts": ("get_caller_identity", {}),
    "iam": ("list_access_keys", {}),
    "sso": ("get_role_credentials", {"roleName": "r", "accountId": "1" * 12, "accessToken": "t"}),
    "sso-oidc": ("register_client", {"clientName": "n", "clientType": "public"}),
    "signin": (
        "create_o_auth2_token",
        {"tokenInput": {"clientId": "arn:aws:signin:::devtools/same-device", "grantType": "refresh_token"}},
    ),
}
REGIONS = (
    "us-east-1",
    "eu-west-1",
    "af-south-1",
    "us-gov-west-1",
    "us-gov-east-1-fips",
    "fips-us-west-2",
    "cn-north-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "eusc-de-east-1",
)


def switched(key: str, variable: str, on: str, off: str) -> tuple[dict[str, str], ...]:
    """A setting that is nowhere, in the file (key) or in the environment (VARIABLE), or in both."""
    return ({}, {key: on}, {variable: on}, {key: on, variable: off}, {key: off, variable: on})


#: Each setting's possible places: lower-case names are keys of the profile, `sts:` ones of its services.
SETTINGS = (
    (*({"region": region} for region in REGIONS), *({"AWS_DEFAULT_REGION": region} for region in REGIONS)),
    switched("use_fips_endpoint", "AWS_USE_FIPS_ENDPOINT", "true", "False"),
    switched("use_dualstack_endpoint", "AWS_USE_DUALSTACK_ENDPOINT", "TRUE", "false"),
    switched("ignore_configured_endpoint_urls", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", "false"),
    switched("sts_regional_endpoints", "AWS_STS_REGIONAL_ENDPOINTS", "legacy", "regional"),
    ({}, {}, {}, {"endpoint_url": "https://all.example/path"}),
    ({}, {}, {}, {"services": "local"}),
    ({}, {}, {}, {"AWS_ENDPOINT_URL": "http://all.example:4566"}),
    ({}, {}, {}, *({f"AWS_ENDPOINT_URL_{s.replace('-', '_').upper()}": "https://one.example"} for s in SERVICES)),
)  # fmt: skip


class CapturedError(Exception):
    """A request that was about to be sent."""


def combinations() -> Iterator[tuple[Service, dict[str, str]]]:
    """Every service with settings of every kind, the same ones in each run."""
    chosen = random.Random(9)
    for service in itertools.islice(itertools.cycle(SERVICES), COMBINATIONS):
        merged: dict[str, str] = {}
        for setting in SETTINGS:
            merged |= chosen.choice(setting)
        yield service, merged


def asked(client: Any, service: Service) -> str:
    """The URL that a call of the client would go to, and for which region it is signed."""

    def capture(request: Any, **_: Any) -> None:
        authorization = request.headers.get("Authorization", b"").decode()
        scope = authorization.partition("Credential=")[2].split("/")[2:4]
        raise CapturedError(f"{request.url.partition('?')[0]} {' '.join(scope)}")

    client.meta.events.register("before-send", capture)
    operation, parameters = CALLS[service]
    with pytest.raises(CapturedError) as captured:
        getattr(client, operation)(**parameters)
    return str(captured.value)


def by_botocore(path: Path, service: Service, environment: Mapping[str, str]) -> str:
    with mock.patch.dict(os.environ, {"PATH": "", "AWS_CONFIG_FILE": str(path), **environment}, clear=True):
        session = botocore.session.Session(profile="work")
        try:
            made = session.create_client(service, aws_access_key_id="AKIA1", aws_secret_access_key="secret")
            return asked(made, service)
        except BotoCoreError as error:
            return type(error).__name__


def by_shellvault(path: Path, service: Service, environment: dict[str, str]) -> str:
    overrides = Overrides(environment=request.overrides(environment))
    endpoint = endpoint_for(resolve(load(path), "work", overrides), service)
    # The worker's own environment is another one.
    astray = {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_ENDPOINT_URL": "http://astray.example", "AWS_PROFILE": "none",
              "AWS_DEFAULT_REGION": "ap-south-1", "AWS_STS_REGIONAL_ENDPOINTS": "legacy"}  # fmt: skip
    with mock.patch.dict(os.environ, astray, clear=True):
        try:
            return asked(client_for(service, endpoint, Session("AKIA1", "secret"), 1), service)
        except BotoCoreError as error:
            return type(error).__name__


def test_the_host_is_botocores_for_every_service_and_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = botocore.loaders.create_loader()
    monkeypatch.setattr(botocore.session, "create_loader", lambda _paths: shared)
    path, hosts, different = tmp_path / "config", set(), []
    services = "".join(
        f"{service.replace('-', '_')} =\n  endpoint_url = https://{service}.local.example\n"
        for service in SERVICES
    )
    for service, merged in combinations():
        keys = "".join(f"{name} = {value}\n" for name, value in merged.items() if name.islower())
        path.write_text(f"[profile work]\n{keys}[services local]\n{services}")
        environment = {name: value for name, value in merged.items() if name.isupper()}
        theirs, ours = (ask(path, service, environment) for ask in (by_botocore, by_shellvault))
        hosts.add(theirs)
        if ours != theirs:
            different.append((service, merged, theirs, ours))
    assert different == []
    assert len(hosts) > COMBINATIONS // 5  # the settings do make a difference
