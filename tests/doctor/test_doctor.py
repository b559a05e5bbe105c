"""A home full of troubles: each is named with place and fix, nothing secret is shown."""

import json
import socket
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pexpect
import pytest

from shellvault.doctor import system_checks
from shellvault.rotation import ages
from shellvault.vault import open_vault, sealed
from shellvault.vault.backends import file_path
from tests.signin.terminal import start
from tests.support.home import CHEAP, PASSPHRASE, Home

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY_ID = "AKIAQ3EGDOCTORPAIR23"
KEYS = f"aws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"

CONFIG = f"""\
[default]
region = eu-central-1

[profile good]
mfa_serial = arn:aws:iam::123456789012:mfa/me

[profile plain]
{KEYS}
[profile circle-a]
source_profile = circle-b
role_arn = arn:aws:iam::123456789012:role/a

[profile circle-b]
source_profile = circle-a
role_arn = arn:aws:iam::123456789012:role/b

[profile nowhere]
source_profile = missing
role_arn = arn:aws:iam::123456789012:role/c

[profile half-sso]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-central-1
sso_account_id = 123456789012

[work]
region = eu-west-1
"""


@pytest.fixture
def healthy(home: Home) -> Home:
    """A home with a profile, its stored keys, and a shell that runs `init`."""
    home.write_config("[default]\nregion = eu-central-1\n\n[profile good]\n")
    home.environment["SHELL"] = "/bin/bash"
    (home.path / ".bashrc").write_text('eval "$(~/bin/shellvault init bash)"\n')
    added = home.run(
        "shellvault",
        "add",
        "--env",
        "--no-check",
        "good",
        AWS_ACCESS_KEY_ID=KEY_ID,
        AWS_SECRET_ACCESS_KEY=SECRET,
    )
    assert added.returncode == 0, added.stderr
    return home


def findings(home: Home, *options: str, **environment: str) -> list[tuple[str, str, str]]:
    """Check, severity and place of what the doctor finds."""
    done = home.run("shellvault", "doctor", "--offline", "--json", *options, **environment)
    assert SECRET not in done.stdout + done.stderr
    return [(each["check"], each["severity"], each["where"]) for each in json.loads(done.stdout)]


def test_a_healthy_home_says_what_was_looked_at(healthy: Home) -> None:
    done = healthy.shellvault("doctor", "--offline")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "", 1)
    assert done.stderr.startswith(
        "shellvault: all is well: looked at plaintext keys, permissions, profiles, "
    )


def test_a_weak_passphrase_is_found_where_the_environment_has_it(healthy: Home) -> None:
    assert ("passphrase", "advice", "the passphrase of the encrypted file") in findings(
        healthy, SHELLVAULT_FILE_PASSPHRASE="a" * 16
    )
    assert "passphrase" not in [check for check, _, _ in findings(healthy)]


@pytest.mark.parametrize("is_weak", [True, False])
def test_the_passphrase_that_opens_the_vault_is_looked_at(home: Home, is_weak: bool) -> None:
    given = "a" * 16 if is_weak else PASSPHRASE
    path = file_path(home.environment)
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_bytes(sealed.seal(b"{}", sealed.new_key(given, CHEAP)))
    path.chmod(0o600)
    del home.environment["SHELLVAULT_FILE_PASSPHRASE"]
    assert "passphrase" not in home.shellvault("doctor", "--offline").stderr
    doctor = start(home, "doctor", "--offline", "--keys")
    doctor.expect("Enter passphrase to unlock .*: ")
    doctor.sendline(given)
    doctor.expect(pexpect.EOF)
    printed = str(doctor.before)
    assert ("it is weak: it is the same text again and again" in printed) is is_weak
    assert is_weak or ("all is well: looked at" in printed and "passphrase" in printed)


def test_every_seeded_trouble_is_named_and_nothing_else(healthy: Home) -> None:
    home, config = healthy, healthy.config_file
    home.write_config(CONFIG)
    config.chmod(0o666)
    credentials = home.path / ".aws" / "credentials"
    credentials.write_text(f"[old]\n{KEYS}\n[session]\n{KEYS}aws_session_token = t\n[older]\n{KEYS}")
    credentials.chmod(0o644)
    (home.path / ".aws" / "config.shellvault-backup").write_text(f"[profile plain]\n{KEYS}")
    (home.path / ".aws" / "config.shellvault-backup").chmod(0o640)
    (home.path / ".bash_history").write_text(f"ls\nexport AWS_SECRET_ACCESS_KEY={SECRET}\naws s3 ls\n")
    (home.path / ".zsh_history").write_text(
        f": 1700000000:0;aws_secret_access_key='{SECRET}' terraform plan\n"
    )
    fish = home.path / ".local" / "share" / "fish" / "fish_history"
    fish.parent.mkdir(parents=True, exist_ok=True)
    fish.write_text(f"- cmd: set -x AWS_SECRET_ACCESS_KEY {SECRET}\n  when: 1\n")
    (home.path / ".env").write_text(f"A=1\nAWS_SECRET_ACCESS_KEY={SECRET}\n")
    (home.path / ".env.local").write_text("AWS_SECRET_ACCESS_KEY=op://vault/item\nAWS_SECRET_KEY=$X\n")
    (home.path / ".env.prod").write_text(f'{{"awsSecretAccessKey": "{SECRET}"}}\n')
    (home.path / ".bashrc").write_text("# shellvault init is for later\n")
    settings = home.path / ".config" / "shellvault" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('backend = "file"\n')
    settings.chmod(0o622)
    vault = next(home.path.rglob("vault.shellvault"))
    vault.chmod(0o644)
    ages.record(home.environment, "good", int(time.time()) - 200 * 86400)

    backup = config.with_name("config.shellvault-backup")
    line = CONFIG.splitlines().index(f"aws_access_key_id = {KEY_ID}") + 1
    found = findings(home, AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET)
    seeded = {
        ("plaintext-keys", "danger", f"{credentials}:2"),
        ("plaintext-keys", "danger", f"{config}:{line}"),
        ("plaintext-keys", "danger", f"{backup}:2"),
        ("plaintext-keys", "danger", f"{home.path}/.bash_history:2"),
        ("plaintext-keys", "danger", f"{home.path}/.zsh_history:1"),
        ("plaintext-keys", "danger", f"{fish}:1"),
        ("plaintext-keys", "danger", f"{home.path}/.env:2"),
        ("plaintext-keys", "danger", f"{home.path}/.env.prod:1"),
        ("plaintext-keys", "danger", "AWS_SECRET_ACCESS_KEY in the environment"),
        ("permissions", "danger", str(credentials)),
        ("permissions", "danger", str(backup)),
        ("permissions", "danger", str(config)),
        ("permissions", "danger", str(settings)),
        ("permissions", "danger", str(vault)),
        ("profiles", "trouble", "profile circle-a"),
        ("profiles", "trouble", "profile circle-b"),
        ("profiles", "trouble", "profile nowhere"),
        ("profiles", "trouble", "profile half-sso"),
        ("old-keys", "advice", "profile good"),
        ("shells", "advice", str(home.path / ".bashrc")),
    }
    assert len(seeded) >= 20
    others = {each for each in found if each[0] != "config-file"}
    assert others == seeded
    assert any(where.startswith(f"{config}:") for check, _, where in found if check == "config-file")
    done = home.shellvault("doctor", "--offline")
    assert done.returncode == 4
    assert done.stdout.count(" fix: ") >= len(seeded) - 1
    assert SECRET not in done.stdout


def test_safe_fixes_are_done_and_announced_and_the_rest_stays(healthy: Home) -> None:
    credentials = healthy.path / ".aws" / "credentials"
    credentials.write_text(f"[old]\n{KEYS}")
    credentials.chmod(0o644)
    done = healthy.shellvault("doctor", "--offline", "--fix")
    assert f"{credentials} has mode 0600 now" in done.stderr
    assert credentials.stat().st_mode & 0o777 == 0o600
    assert done.returncode == 4
    assert KEYS in credentials.read_text()
    assert [check for check, _, _ in findings(healthy)] == ["plaintext-keys"]


def test_orphans_are_reported_and_fixed_but_not_the_only_keys(
    healthy: Home,
) -> None:
    vault = open_vault(None, healthy.environment, lambda new, problem, path: PASSPHRASE)
    vault._items.write("sessions/left", {"token": SECRET})
    vault._items.write("keys/lost", {"access_key_id": KEY_ID[:-1] + "X", "secret_access_key": "only-copy"})
    said = healthy.shellvault("doctor", "--offline").stdout
    assert "the vault (file): it holds what nothing names any more: 1 session" in said
    assert "keys of lost that no list names" in said
    done = healthy.shellvault("doctor", "--offline", "--fix")
    assert "removed what nothing named (1 session)" in done.stderr
    assert "keys of lost" in done.stdout
    assert vault.load_keys("lost").secret_access_key == "only-copy"
    assert [where for check, _, where in findings(healthy) if check == "vault-items"] == ["the vault (file)"]
    healthy.succeed("remove", "--force", "lost")
    assert findings(healthy) == []


def test_a_locked_vault_is_not_looked_into_unless_asked_for(healthy: Home) -> None:
    vault = open_vault(None, healthy.environment, lambda new, problem, path: PASSPHRASE)
    vault._items.write("sessions/left", {"token": SECRET})
    locked = healthy.environment | {"SHELLVAULT_FILE_PASSPHRASE": ""}
    assert healthy.run("shellvault", "doctor", "--offline", **locked).stdout == ""
    assert "passphrase" in healthy.run("shellvault", "doctor", "--offline", "--keys", **locked).stderr
    # With the agent: once it is unlocked.
    del healthy.environment["SHELLVAULT_NO_AGENT"]
    assert healthy.shellvault("doctor", "--offline").stdout == ""
    healthy.succeed("unlock")
    assert "1 session" in healthy.shellvault("doctor", "--offline").stdout


def test_a_vault_that_is_none_is_a_trouble(healthy: Home) -> None:
    assert ("vault", "trouble", "the vault") in findings(healthy, SHELLVAULT_BACKEND="safe")
    assert ("vault", "trouble", "the vault") in findings(healthy, SHELLVAULT_SESSION_BACKEND="safe")
    found = findings(healthy, SHELLVAULT_SESSION_BACKEND="wincred")
    assert ("vault", "trouble", "the vault of sessions (wincred)") in found


def test_it_takes_no_longer_than_two_seconds_whatever_hangs(healthy: Home, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        healthy.run(
            "shellvault", "doctor", AWS_ENDPOINT_URL_STS=f"http://127.0.0.1:{silent.getsockname()[1]}"
        )
        assert time.monotonic() - started < 10


@pytest.mark.parametrize(("ahead", "severity"), [(0, None), (100, "advice"), (-900, "trouble")])
def test_a_clock_that_aws_would_refuse_is_reported(ahead: int, severity: str | None) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(403)
            self.send_header("Date", formatdate(time.time() - ahead, usegmt=True))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        found = list(system_checks.clock(f"http://127.0.0.1:{server.server_port}/", 5))
    assert [finding.severity for finding in found] == ([severity] if severity else [])


def test_without_the_network_the_clock_is_not_judged() -> None:
    assert list(system_checks.clock("http://127.0.0.1:1/", 1)) == []


def test_many_keys_in_one_file_are_one_line(healthy: Home) -> None:
    path = healthy.path / ".aws" / "credentials"
    path.write_text("".join(f"[p{number}]\n{KEYS}\n" for number in range(2002)))
    path.chmod(0o600)
    (healthy.path / ".bash_history").write_text(f"export AWS_SECRET_ACCESS_KEY={SECRET}\n" * 2002)
    lines = healthy.shellvault("doctor", "--offline").stdout.splitlines()
    assert next(line for line in lines if "credentials:" in line).endswith(
        "credentials:2: the keys of p0, p1, p2 and 1999 more are in plaintext"
    )
    assert len([line for line in lines if "fix:" not in line]) == 2
