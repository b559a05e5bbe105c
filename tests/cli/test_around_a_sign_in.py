"""What is proved at AWS is written only afterwards, and a sign-in says what other programs need."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shellvault.cli
from shellvault.cli import host, key_check, main, provider
from shellvault.errors import SessionError
from shellvault.protocol import Message
from shellvault.signin.portal import Account, Found, Portal

CONFIG = """\
[sso-session corp]
sso_start_url = https://d-1.awsapps.com/start
sso_region = eu-west-1
[profile admin]
sso_session = corp
sso_account_id = 111111111111
sso_role_name = Admin
"""
ACCOUNT = Account("111111111111", "Main", "")
NEW_SESSION = "--start-url=https://d-2.awsapps.com/start --sso-region=eu-west-1 --session=new"

#: Every command that writes a profile or keys which AWS has to prove, and what it asks AWS, in order.
DOORS: dict[str, tuple[str, ...]] = {
    f"configure sso {NEW_SESSION} --account=Main --role=Admin --region=eu-west-1 --profile=p": (
        "sign-in",
        "accounts",
        "roles",
    ),
    "signin --new fresh --region eu-west-1": ("sign-in",),
    "sso populate --session corp": ("sign-in", "accounts"),
    "add --env mine": ("owner",),
}
#: What also writes the file, and proves nothing at AWS: the profile calls us, or the keys were proved by `import`.
PROVES_NOTHING = {"install_process", "taken_over"}

WRITES = re.compile(r"import .*\b(?:append_\w+|set_key|change_keys)\b|\bgenerated\.apply\(")

#: Every way to sign in as such, and the profile that is named then.
SIGN_INS = {
    "signin admin": "admin",
    "signin corp": "PROFILE",
    "signin --all": "PROFILE",
    "signin --new fresh --region eu-west-1": "fresh",
    f"configure sso {NEW_SESSION} --account=Main --role=Admin --region=eu-west-1 --profile=p": "p",
}


class World:
    """AWS, which proves everything but what is `refused`; `saved` is what the vault was given."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.refused = ""
        self.saved: list[Message] = []

    def proves(self, what: str, result: Any) -> Callable[..., Any]:
        def answer(*_: object, **__: object) -> Any:
            if what == self.refused:
                raise SessionError(f"AWS refused the {what}")
            return result

        return answer

    def operate(self, operation: Message) -> Message:
        self.saved += [operation] if operation["do"] != "list" else []
        return {"keys": {}, "sessions": [], "backend": "file"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_SESSION_TOKEN", "SHELLVAULT_EXPORT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0000000000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s" * 40)
    (tmp_path / ".aws").mkdir()
    world = World(tmp_path / ".aws/config")
    world.config.write_text(CONFIG)
    sso = {"session_name": ""}
    reply = {
        **{"subject": "corp", "expires_at": 2**31, "renewed_until": None},
        **{"access_token": "t", "endpoint": {"region": "eu-west-1", "url": None}, "sso": sso},
    }
    monkeypatch.setattr(provider, "answer", world.proves("sign-in", json.dumps(reply)))
    monkeypatch.setattr(provider, "vault_operations", lambda *_, **__: world.operate)
    monkeypatch.setattr(host, "protect_process", lambda *_: None)
    monkeypatch.setattr(Portal, "accounts", world.proves("accounts", [ACCOUNT]))
    monkeypatch.setattr(Portal, "roles", world.proves("roles", ["Admin"]))
    monkeypatch.setattr(
        Portal, "roles_of_all", world.proves("roles", Found(roles=[(ACCOUNT, ["Admin"])], refused=[]))
    )
    monkeypatch.setattr(key_check, "owner", world.proves("owner", "arn:aws:iam::111111111111:user/ada"))
    return world


@pytest.mark.parametrize(
    ("command", "refused"), [(line, each) for line, asked in DOORS.items() for each in asked]
)
def test_what_aws_refuses_is_not_written(world: World, command: str, refused: str) -> None:
    world.refused = refused
    assert main.run(command.split()) == 1
    # A portal that has listed accounts is proved; the profile of a role is not.
    written = world.config.read_text().removeprefix(CONFIG)
    assert ("[" in written) == (refused == "roles")
    assert "[profile" not in written
    assert world.saved == []


@pytest.mark.parametrize("command", DOORS)
def test_what_aws_proves_is_written(world: World, command: str) -> None:
    assert main.run(command.split()) == 0
    assert "[profile" in world.config.read_text().removeprefix(CONFIG)


def test_every_command_that_writes_is_on_the_list() -> None:
    folder = Path(shellvault.cli.__file__).parent
    found = {path.stem for path in folder.rglob("*.py") if WRITES.search(path.read_text())}
    assert found - PROVES_NOTHING == {line.split()[0] for line in DOORS}


@pytest.mark.parametrize("command", SIGN_INS)
def test_a_sign_in_says_what_other_programs_need(
    world: World, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(command.split()) == 0
    said = capsys.readouterr().err
    assert said.count("an IDE, Terraform or boto3 alone needs") == 1
    assert f"`shellvault install-process {SIGN_INS[command]}`" in said
    world.config.write_text(CONFIG)
    (world.config.parent.parent / "shellvault").mkdir()
    (world.config.parent.parent / "shellvault/config.toml").write_text("export_token = true\n")
    assert main.run(command.split()) == 0
    assert "boto3 alone" not in capsys.readouterr().err
