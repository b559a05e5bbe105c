"""Whatever forgets does it in the agent first, then where it can, and ends with status 1 where something is left."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import shellvault.cli
from shellvault.cli import host, main, provider
from shellvault.client import agent
from shellvault.errors import AgentError, VaultError
from shellvault.protocol import Message

#: Every command that forgets: what it has the agent do, what the vault, and its status when the vault is locked.
DOORS: dict[str, tuple[str, set[str], int]] = {
    "clear": ("forget", {"list"}, 1),
    "clear work": ("forget", {"list"}, 1),
    "remove --force work": ("forget", {"list", "remove"}, 1),
    "remove --sessions-only work": ("forget", {"list"}, 1),
    "signout work": ("forget", {"sign-out", "list"}, 1),
    "signout --all": ("forget", {"sign-out", "list", "forget-sign-ins"}, 1),
    "revoke work": ("end-permit", {"sign-out", "list"}, 1),
    "lock": ("lock", set(), 0),
    "agent lock": ("lock", set(), 0),
    "agent stop": ("stop", set(), 0),
    "env --leave --shell bash --force": ("revoke", set(), 0),
}

#: What a source says that takes something away from the agent or the vault.
FORGETS = re.compile(
    r'"do": "(?:clear|remove|forget-sign-ins)"|"sign-out"|client\.(?:forget|lock|stop|revoke)\('
    r"|\bvault_leases\.(?:leave|revoke)\(|provider\.forget\(|permits\.end\(|\bsign_out\(|\bclear\.forget\("
)


class World:
    """An agent with a session of `work`, and a vault that is locked; `done` is what both were asked for, in order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.is_agent_deaf = False

    def told(self, what: str, result: Any) -> Callable[..., Any]:
        def tell(*_: object, **__: object) -> Any:
            self.done.append(what)
            if self.is_agent_deaf:
                raise AgentError("the agent does not answer")
            return result

        return tell

    def say(self, _: object, message: Message) -> Message:
        """The agent has one permit, for `work`."""
        if message["do"] == "permits":
            about = {
                "number": 1,
                "process": 1,
                "program": "x",
                "narrowing": {},
                "is_lease": True,
                "until": 2**31,
            }
            return {"permits": [{"profiles": ["work"], **about}]}
        return dict(self.told(message["do"], {"number": 1})())

    def operate(self, operation: Message) -> Message:
        self.done.append(operation["do"])
        raise VaultError("the keyring is locked")

    def answer(self, _: object, form: str) -> str:
        self.done.append(form)
        raise VaultError("the keyring is locked")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    world = World()
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("AWS_CONFIG_FILE", raising=False)
    monkeypatch.setenv("SHELLVAULT_LEASED", "1")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text(
        "[profile work]\nsso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\n"
        "sso_account_id = 123456789012\nsso_role_name = reader\n"
    )
    session = {"profile": "work", "expires_at": 2**31, "users": []}
    monkeypatch.setattr(agent, "status", lambda _: {"sessions": [session]})
    for name, result in {"forget": 1, "lock": 1, "stop": 1, "revoke": {"revoked": [], "kept": []}}.items():
        monkeypatch.setattr(agent, name, world.told(name, result))
    monkeypatch.setattr(agent, "say", world.say)
    monkeypatch.setattr(provider, "vault_operations", lambda *_, **__: world.operate)
    monkeypatch.setattr(provider, "answer", world.answer)
    return world


@pytest.mark.parametrize("command", DOORS)
def test_the_agent_forgets_first_and_the_rest_is_tried(
    world: World, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    in_agent, in_vault, status = DOORS[command]
    assert main.run(command.split()) == status
    asked = [each for each in world.done if each not in ("list", "revoke") or in_agent == "revoke"]
    assert asked[0] == in_agent
    assert in_vault <= set(world.done)
    if status:
        assert "the keyring is locked" in capsys.readouterr().err


@pytest.mark.parametrize("command", DOORS)
def test_a_deaf_agent_does_not_keep_the_vault_from_being_tried(world: World, command: str) -> None:
    world.is_agent_deaf = True
    assert main.run(command.split()) == (0 if "leave" in command else 1)
    assert DOORS[command][1] <= set(world.done)


def test_a_changed_passphrase_is_said_before_a_deaf_agent(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.is_agent_deaf = True
    vault = SimpleNamespace(change_passphrase=lambda ask: None)
    monkeypatch.setattr(host, "opened_vault", lambda *_, **__: vault)
    monkeypatch.setenv("SHELLVAULT_BACKEND", "file")
    assert main.run(["passphrase"]) == 1
    said = capsys.readouterr().err
    assert said.index("is changed") < said.index("the agent does not answer")


def test_every_command_that_forgets_is_on_the_list() -> None:
    folder = Path(shellvault.cli.__file__).parent
    found = {path.stem for path in folder.rglob("*.py") if FORGETS.search(path.read_text())}
    # Helpers of the commands, and two that forget what they have copied elsewhere, or sealed again.
    helpers = {"provider", "forgetting", "migrate_backend", "passphrase", "vault_leases"}
    assert found - helpers == {command.split()[0] for command in DOORS}
