"""The proof that the emulator behaves: the real AWS CLI 2 signs in there, in every way it knows."""

import base64
import hashlib
import json

import pexpect
import pytest

from tests.support.clients import need
from tests.support.home import Home
from tests.support.signin import START_URL, SignInEmulator
from tests.support.signin.emulator import visit
from tests.support.signin.replies import oidc_error

pytestmark = pytest.mark.real


def _aws(home: Home, *arguments: str) -> str:
    done = home.run(str(need("aws-cli-2")), *arguments, timeout=90)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def _token(home: Home, key: str) -> dict[str, str]:
    name = hashlib.sha1(key.encode()).hexdigest()
    found: dict[str, str] = json.loads((home.path / ".aws" / "sso" / "cache" / f"{name}.json").read_text())
    return found


def _role(home: Home, profile: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(
        _aws(home, "configure", "export-credentials", "--profile", profile, "--format", "process")
    )
    return found


@pytest.mark.parametrize(
    ("profile", "key", "options"),
    [("admin", "corp", ()), ("admin", "corp", ("--use-device-code",)), ("legacy", START_URL, ())],
)
def test_the_cli_signs_in_to_identity_center(
    at_home: Home, services: SignInEmulator, profile: str, key: str, options: tuple[str, ...]
) -> None:
    _aws(at_home, "sso", "login", "--profile", profile, *options)
    assert services.oidc.is_alive(_token(at_home, key)["accessToken"])
    assert _role(at_home, profile)["AccessKeyId"].startswith("ASIA")
    uses_device = bool(options) or profile == "legacy"
    assert services.calls["POST /device_authorization"] == uses_device
    assert services.calls["GET /authorize"] == (not uses_device)


def test_the_cli_refreshes_and_signs_out(at_home: Home, services: SignInEmulator) -> None:
    services.access_token_lifetime = 600
    _aws(at_home, "sso", "login", "--profile", "admin")
    first = _token(at_home, "corp")
    _role(at_home, "admin")
    second = _token(at_home, "corp")
    assert second["refreshToken"] != first["refreshToken"]
    assert services.oidc.is_alive(second["accessToken"])
    _aws(at_home, "sso", "logout")
    assert not services.oidc.is_alive(second["accessToken"])


@pytest.mark.parametrize("person", ["deny", "wrong-state"])
def test_the_cli_is_refused_as_by_aws(at_home: Home, services: SignInEmulator, person: str) -> None:
    services.consenting = person  # type: ignore[assignment]
    done = at_home.run(str(need("aws-cli-2")), "sso", "login", "--profile", "admin", timeout=90)
    assert done.returncode == 255
    assert services.calls["POST /token"] == 0


def test_the_cli_slows_down_on_request(at_home: Home, services: SignInEmulator) -> None:
    services.fail(
        "POST /token", oidc_error("AuthorizationPendingException"), oidc_error("ExpiredTokenException")
    )
    done = at_home.run(
        str(need("aws-cli-2")), "sso", "login", "--profile", "admin", "--use-device-code", timeout=90
    )
    assert done.returncode == 255
    assert "expired" in done.stderr


def test_the_cli_logs_in_to_aws_on_this_machine(at_home: Home, services: SignInEmulator) -> None:
    _aws(at_home, "login", "--profile", "me", "--region", "eu-central-1")
    name = hashlib.sha256(services.principal.encode()).hexdigest()
    kept = json.loads((at_home.path / ".aws" / "login" / "cache" / f"{name}.json").read_text())
    assert kept["refreshToken"] in services.login.refresh_tokens
    assert _role(at_home, "me")["AccessKeyId"] == kept["accessToken"]["accessKeyId"]


def test_the_cli_refreshes_a_login(at_home: Home, services: SignInEmulator) -> None:
    services.login_credentials_lifetime = 200
    _aws(at_home, "login", "--profile", "me", "--region", "eu-central-1")
    services.login_credentials_lifetime = 900
    first = _role(at_home, "me")
    assert services.calls["POST /v1/token"] == 2
    assert _role(at_home, "me")["AccessKeyId"] == first["AccessKeyId"]


def test_the_cli_logs_in_from_another_machine(at_home: Home, services: SignInEmulator) -> None:
    command = [str(need("aws-cli-2")), "login", "--remote", "--profile", "me", "--region", "eu-central-1"]
    child = pexpect.spawn(
        command[0], command[1:], env=at_home.environment, cwd=at_home.path, encoding="utf-8", timeout=60
    )
    child.expect(r"(http://127\S+/v1/authorize\S+)")
    visit(str(child.match.group(1)))  # type: ignore[union-attr]
    shown = services.shown_codes[-1]
    assert b"code=" in base64.b64decode(shown)
    child.sendline(shown)
    child.expect(pexpect.EOF)
    assert child.wait() == 0
    assert _role(at_home, "me")["AccessKeyId"].startswith("ASIA")
