"""`signin --check` says whether there is a sign-in, and ends with a status for scripts."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

from tests.support.home import Home

CONFIG = """\
[sso-session {name}]
sso_start_url = https://{name}.awsapps.com/start
sso_region = eu-central-1
[profile {name}-dev]
sso_session = {name}
sso_account_id = 123456789012
sso_role_name = dev
"""


def sign_in(home: Home, name: str, lasts: timedelta) -> None:
    """As `aws sso login` leaves it."""
    file = home.path / ".aws" / "sso" / "cache" / f"{hashlib.sha1(name.encode()).hexdigest()}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    token = {
        "startUrl": f"https://{name}.awsapps.com/start",
        "region": "eu-central-1",
        "accessToken": "x" * 40,
        "expiresAt": (datetime.now(UTC) + lasts).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    file.write_text(json.dumps(token))


def test_check_says_whether_there_is_a_sign_in(home: Home) -> None:
    home.write_config(CONFIG.format(name="corp") + CONFIG.format(name="lab"))
    done = home.shellvault("signin", "--check", "corp-dev")
    assert (done.returncode, done.stdout) == (3, "corp-dev: not signed in\n")
    sign_in(home, "corp", timedelta(hours=2))
    assert home.succeed("signin", "--check", "corp-dev") == "corp-dev: signed in (1h59m left)\n"
    every = home.shellvault("signin", "--check", "--all")
    assert (every.returncode, len(every.stdout.splitlines())) == (3, 2)
    sign_in(home, "lab", timedelta(hours=1))
    home.succeed("signin", "--check", "--all")
    sign_in(home, "corp", timedelta(seconds=-5))
    assert home.shellvault("signin", "--check", "corp-dev").returncode == 3


def test_check_of_what_does_not_sign_in_is_an_error(home: Home) -> None:
    home.write_config("[profile work]\n")
    assert "does not sign in" in home.fail("signin", "--check", "work", status=2)
