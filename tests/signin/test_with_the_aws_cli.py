"""Living together: botocore and the AWS CLI renew from the files that we write, and we from theirs."""

import json
import os
import sys
import time

import pytest

from tests.signin.conftest import visits
from tests.signin.terminal import run
from tests.signin.test_the_emulator import _aws, _role, _token
from tests.support.home import Home
from tests.support.signin import SignInEmulator

pytestmark = pytest.mark.real

BOTO3 = "import boto3; print(boto3.Session(profile_name='admin').get_credentials().access_key)"


def test_botocore_renews_the_sign_in_that_we_export(at_home: Home, services: SignInEmulator) -> None:
    services.access_token_lifetime = 600
    run(at_home, "signin", "admin", "--export-token")
    first = _token(at_home, "corp")
    services.access_token_lifetime = 3600
    assert at_home.run(sys.executable, "-c", BOTO3).stdout.startswith("ASIA")
    second = _token(at_home, "corp")
    assert (second["refreshToken"], second["clientId"]) != (first["refreshToken"], None)
    assert second["clientId"] == first["clientId"]
    at_home.succeed("exec", "admin", "--", "true")
    assert len(visits(at_home)) == 1
    assert services.calls["POST /token"] == 2


def test_the_cli_uses_and_ends_the_sign_in_that_we_export(at_home: Home, services: SignInEmulator) -> None:
    run(at_home, "signin", "admin", "--export-token")
    assert _role(at_home, "admin")["AccessKeyId"].startswith("ASIA")
    token = _token(at_home, "corp")["accessToken"]
    assert "signed out of corp" in at_home.shellvault("signout", "admin").stderr
    assert not services.oidc.is_alive(token)
    assert not list((at_home.path / ".aws" / "sso" / "cache").glob("*.json"))


def test_a_sign_in_of_the_cli_is_renewed_in_place_for_both(at_home: Home, services: SignInEmulator) -> None:
    services.access_token_lifetime = 600
    _aws(at_home, "sso", "login", "--profile", "admin")
    services.access_token_lifetime = 3600
    for path in (at_home.path / ".aws" / "sso" / "cache").glob("*.json"):
        os.utime(path, (time.time() - 3000, time.time() - 3000))
    at_home.succeed("exec", "admin", "--", "true")
    assert services.calls["POST /token"] == 2
    assert _role(at_home, "admin")["AccessKeyId"].startswith("ASIA")
    assert services.calls["POST /token"] == 2
    done = at_home.shellvault("signout", "admin")
    assert "the AWS CLI is still signed in to corp: `aws sso logout` ends that" in done.stderr


def test_a_login_of_the_cli_is_renewed_in_place_for_both(at_home: Home, services: SignInEmulator) -> None:
    services.login_credentials_lifetime = 250
    _aws(at_home, "login", "--profile", "me", "--region", "eu-central-1")
    services.login_credentials_lifetime = 900
    shown = json.loads(at_home.succeed("export", "me", "--format", "json", "--force"))
    assert services.calls["POST /v1/token"] == 2
    assert _role(at_home, "me")["AccessKeyId"] == shown["AccessKeyId"]
    assert services.calls["POST /v1/token"] == 2


def test_two_thousand_profiles_are_listed_in_a_moment(at_home: Home, services: SignInEmulator) -> None:
    many = "".join(
        f"[profile p{number}]\nsso_session = corp\nsso_account_id = {number:012}\nsso_role_name = R\n"
        for number in range(2000)
    )
    with at_home.config_file.open("a") as config:
        config.write(many)
    run(at_home, "signin", "corp")
    begun = time.monotonic()
    assert len(json.loads(at_home.succeed("list", "--json"))) > 2000
    assert time.monotonic() - begun < 8


def test_a_session_that_outlives_the_clis_sign_in_is_named(at_home: Home) -> None:
    _aws(at_home, "sso", "login", "--profile", "admin")
    at_home.succeed("exec", "admin", "--", "true")
    assert "is over" not in at_home.shellvault("list").stderr
    _aws(at_home, "sso", "logout")
    listed = at_home.shellvault("list").stderr
    assert "the sign-in of admin is over, its session is not: `shellvault clear admin` forgets it" in listed
    at_home.succeed("clear", "admin")
    assert "sign-in to corp is needed" in at_home.fail("exec", "admin", "--", "true")
