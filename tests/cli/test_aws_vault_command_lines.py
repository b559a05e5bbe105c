"""aws-vault's command line, flag by flag, as its parser reads it: what each of our commands is then told.

Each row is a line of aws-vault's own reference: global flags and flags of a command, hidden ones and `--no-X` too, in
every place, and the variables that stand for them.
"""

import os
from typing import Any

import pytest

from shellvault.cli import main
from shellvault.cli.global_flags import GLOBAL_OPTIONS
from shellvault.fastlane import request

#: Command line, environment, and what of it must reach the command.
UNDERSTOOD: list[tuple[str, dict[str, str], dict[str, object]]] = [
    # Global flags, before the command and behind it.
    ("--debug exec work", {}, {"debug": True}),
    ("exec --debug work", {}, {"debug": True}),
    ("--no-debug exec work", {}, {"debug": False}),
    ("--debug list", {}, {}),
    ("--backend=file exec work", {}, {"backend": "file", "name": "work"}),
    ("--backend file export work", {}, {"backend": "file", "name": "work"}),
    ("list --backend file", {}, {"backend": "file"}),
    ("--prompt=terminal exec work", {}, {"prompt": "terminal"}),
    ("exec work --prompt terminal", {}, {"prompt": "terminal"}),
    ("--prompt terminal rotate work", {}, {"name": "work", "$SHELLVAULT_PROMPT": "terminal"}),
    ("--file-dir=/keys list", {}, {"$SHELLVAULT_FILE_DIR": "/keys"}),
    ("exec work --file-dir /keys", {}, {"$SHELLVAULT_FILE_DIR": "/keys"}),
    ("--pass-dir /store --pass-cmd gopass --pass-prefix aws list", {},
     {"$SHELLVAULT_PASS_PASSWORD_STORE_DIR": "/store", "$SHELLVAULT_PASS_CMD": "gopass",
      "$SHELLVAULT_PASS_PREFIX": "aws"}),
    ("--secret-service-collection aws list", {}, {"$SHELLVAULT_SECRET_SERVICE_COLLECTION_NAME": "aws"}),
    ("agent status --backend file", {}, {"$SHELLVAULT_BACKEND": "file"}),
    ("--backend file agent status", {}, {"$SHELLVAULT_BACKEND": "file"}),
    # What belongs to vaults that are not here is understood, and said to be without effect.
    *((f"{flag} list", {}, {"told": flag.split("=")[0]}) for flag in (
        "--keychain=x", "--biometrics", "--op-timeout=15s", "--op-vault-id=x",
        "--op-item-title-prefix=x", "--op-item-tag=x", "--op-connect-host=x", "--op-desktop-account-id=x",
        "--proton-pass-share-id=x", "--proton-pass-item-title-prefix=x", "--proton-pass-api-base=x",
        "--proton-pass-timeout=x")),
    ("--no-biometrics list", {}, {}),
    # add
    ("add work", {}, {"name": "work", "from_environment": False, "no_add_config": False}),
    ("add --env work", {}, {"from_environment": True}),
    ("add work --no-env", {}, {"from_environment": False}),
    ("add work --no-add-config", {}, {"no_add_config": True}),
    ("add --add-config work", {}, {"no_add_config": False}),
    # list, ls
    ("ls", {}, {"profiles": False, "credentials": False, "sessions": False}),
    ("list --profiles", {}, {"profiles": True}),
    ("list --credentials", {}, {"credentials": True}),
    ("list --sessions", {}, {"sessions": True}),
    ("list --sessions --no-sessions", {}, {"sessions": False}),
    # rotate
    ("rotate work", {}, {"name": "work", "no_session": False}),
    ("rotate -n work", {}, {"no_session": True}),
    ("rotate work --no-session", {}, {"no_session": True}),
    # exec
    ("exec work", {}, {"name": "work", "program": [], "duration": None, "server": False}),
    ("exec work -- aws s3 ls --recursive", {}, {"program": ["aws", "s3", "ls", "--recursive"]}),
    ("exec work bash -- -c true", {}, {"name": "work", "program": ["bash", "-c", "true"]}),
    ("exec work -d 2h sh -- -c -- x", {}, {"duration": "2h", "program": ["sh", "-c", "--", "x"]}),
    ("exec work aws s3 ls --recursive", {}, {"program": ["aws", "s3", "ls", "--recursive"]}),
    ("exec -d2h work", {}, {"duration": "2h", "program": []}),
    ("exec -nd 1h work env", {}, {"no_session": True, "duration": "1h", "program": ["env"]}),
    ("exec -d2h work env", {}, {"duration": "2h", "program": ["env"]}),
    ("exec -nd 1h work -- env", {}, {"no_session": True, "duration": "1h", "program": ["env"]}),
    ("exec -d 2h work -- env", {}, {"duration": "2h"}),
    ("exec work --duration=12h env", {}, {"duration": "12h", "program": ["env"]}),
    ("exec -n work", {}, {"no_session": True}),
    ("exec --no-session work", {}, {"no_session": True}),
    ("exec --no-session --no-no-session work", {}, {"no_session": False}),
    ("exec --region us-east-1 work", {}, {"region": "us-east-1"}),
    ("exec -t 123456 work", {}, {"mfa_token": "123456"}),
    ("exec --mfa-token=123456 work", {}, {"mfa_token": "123456"}),
    ("exec -j work", {}, {"as_json": True}),
    ("exec --json work", {}, {"as_json": True}),
    ("exec -s work", {}, {"server": True}),
    ("exec --server work", {}, {"server": True}),
    ("exec --ecs-server work", {}, {"server": True}),
    ("exec --no-ecs-server work", {}, {"server": False}),
    ("exec --server --lazy work", {}, {"server": True, "lazy": True}),
    ("exec --no-lazy -s work", {}, {"server": True, "lazy": False}),
    ("exec --ec2-server work", {}, {"ec2_server": True}),
    ("exec --stdout work", {}, {"link_only": True}),
    ("exec work", {"AWS_VAULT_STDOUT": "true"}, {"link_only": True}),
    ("exec work", {"AWS_VAULT_STDOUT": "0"}, {"link_only": False}),
    ("exec work", {"AWS_VAULT_STDOUT": ""}, {"link_only": False}),
    ("exec work", {"AWS_VAULT_STDOUT": "1", "SHELLVAULT_STDOUT": "0"}, {"link_only": False}),
    ("exec --no-stdout work", {"AWS_VAULT_STDOUT": "true"}, {"link_only": False}),
    ("exec --profile-env work", {}, {"profile_env": True}),
    ("exec work", {"AWS_VAULT_PROFILE_ENV": "1"}, {"profile_env": True}),
    ("exec --no-profile-env work", {"AWS_VAULT_PROFILE_ENV": "1"}, {"profile_env": False}),
    # export
    ("export work", {}, {"name": "work", "form": "env"}),
    *((f"export --format={form} work", {}, {"form": form}) for form in ("env", "export-env", "json", "ini")),
    ("export -d 1h -n --region eu-west-1 -t 123456 --stdout work", {},
     {"duration": "1h", "no_session": True, "region": "eu-west-1", "mfa_token": "123456", "link_only": True}),
    # clear, remove
    ("clear", {}, {"name": None}),
    ("clear work", {}, {"name": "work"}),
    ("rm -f work", {}, {"name": "work", "force": True}),
    ("remove work --force", {}, {"force": True, "sessions_only": False}),
    ("remove -s work", {}, {"sessions_only": True}),
    ("remove --sessions-only work", {}, {"sessions_only": True}),
    # login
    ("login work", {}, {"name": "work", "stdout": False, "auto_logout": False}),
    ("login -n -d 1h -t 123456 --path s3 --region eu-west-1 work", {},
     {"no_session": True, "duration": "1h", "mfa_token": "123456", "page": "s3", "region": "eu-west-1"}),
    ("login -a work", {}, {"auto_logout": True}),
    ("login work", {"AWS_VAULT_AUTO_LOGOUT": "true"}, {"auto_logout": True}),
    ("login --no-auto-logout work", {"AWS_VAULT_AUTO_LOGOUT": "true"}, {"auto_logout": False}),
    ("login -s work", {}, {"stdout": True}),
    ("login work", {"AWS_VAULT_STDOUT": "true"}, {"stdout": True}),
    # proxy, server
    ("server --bind 127.0.0.1:9911", {}, {"bind": "127.0.0.1:9911"}),
    # migrate-backend
    ("migrate-backend --from file --to pass --profile work --dry-run --overwrite --delete-source", {},
     {"source_name": "file", "target_name": "pass", "names": ("work",), "dry_run": True, "overwrite": True,
      "delete_source": True}),
    ("version", {}, {}),
]  # fmt: skip

_ALIASES = {"ls": "list", "rm": "remove", "login": "console"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "SHELLVAULT_"))]:
        monkeypatch.delenv(name)
    # What a flag sets is taken back after the test.
    monkeypatch.setattr(os, "environ", dict(os.environ))


@pytest.mark.parametrize(("line", "environment", "expected"), UNDERSTOOD, ids=lambda part: str(part)[:60])
def test_a_command_line_is_understood(
    line: str,
    environment: dict[str, str],
    expected: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    os.environ.update(environment)
    words = line.split()
    reached: dict[str, Any] = {}

    def note(*arguments: Any, **parameters: Any) -> int:
        reached.update(parameters, status=0)
        if arguments:
            reached["program"] = arguments[0].meta.get("program")
        return 0

    import click

    monkeypatch.setattr(
        click.Context,
        "invoke",
        lambda context, callback, *arguments, **parameters: (
            callback() if callback is main.command.callback else note(context, **parameters)
        ),
    )
    assert main.run(words) == 0, capsys.readouterr().err
    assert reached["status"] == 0
    told = capsys.readouterr().err
    for name, value in expected.items():
        if name == "told":
            assert f"{value} has no effect here" in told
        else:
            assert (os.environ.get(name[1:]) if name.startswith("$") else reached[name]) == value, name
    if "told" not in expected:
        assert told == ""


@pytest.mark.parametrize(
    ("line", "environment", "status", "told"),
    [
        ("--backend=op list", {}, 2, "'op' is not one of"),
        ("exec --backend=op work", {}, 2, "'op' is not one of"),
        ("list", {"AWS_VAULT_BACKEND": "op"}, 1, "AWS_VAULT_BACKEND: unknown vault 'op'"),
        ("exec work -- true", {"AWS_VAULT_PROMPT": "pigeon"}, 2, "no prompt driver 'pigeon'"),
        ("exec work -- true", {"AWS_VAULT_STDOUT": "perhaps"}, 2, "'perhaps' is not a valid boolean"),
        ("exec work -- true", {"AWS_VAULT_DURATION": "soon"}, 1, "AWS_VAULT_DURATION"),
        ("exec work -- true", {"AWS_SESSION_TOKEN_TTL": "soon"}, 1, "AWS_SESSION_TOKEN_TTL"),
        ("exec work -- true", {"AWS_ASSUME_ROLE_TTL": "1x"}, 1, "AWS_ASSUME_ROLE_TTL"),
        ("exec work -- true", {"AWS_CHAINED_SESSION_TOKEN_TTL": "-1h"}, 1, "AWS_CHAINED_SESSION_TOKEN_TTL"),
        ("exec work -- true", {"AWS_FEDERATION_TOKEN_TTL": "x"}, 1, "AWS_FEDERATION_TOKEN_TTL"),
        ("exec -- ls", {}, 1, "a profile is missing: `shellvault exec NAME -- COMMAND`"),
        ("exec nosuch -- ls", {}, 1, "nosuch"),
        ("exec --nosuch work -- ls", {}, 2, "has no option"),
        ("exec -x", {}, 2, "has no option"),
        ("exec work --duration", {}, 2, "requires an argument"),
        ("exec --ec2-server --ecs-server work -- ls", {}, 2, "choose one"),
        ("exec -s -j work", {}, 2, "--json prints a session, and a server hands it out instead"),
        ("exec --ec2-server --json work", {}, 2, "--json prints a session"),
        ("exec -d 100h work -- ls", {}, 1, "work"),
        ("export", {}, 1, "name a profile"),
        ("export --format=yaml work", {}, 2, "'yaml' is not one of"),
        ("login --stdout nosuch", {}, 1, "nosuch"),
        ("add --env work", {}, 2, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ("rm -f nosuch", {}, 2, "no keys are stored for nosuch"),
        ("clear nosuch", {}, 2, "there is no profile nosuch"),
        ("rotate nosuch", {}, 1, "nosuch"),
        ("migrate-backend --from file", {}, 2, "Missing option '--to'"),
        ("proxy", {}, 2, "Missing option '--bind'"),
        ("foo", {}, 2, "there is no command"),
        ("migrate-backend --from file --to file", {}, 2, "the same vault"),
        ("rotate work --all", {}, 2, "either a NAME or --all"),
        ("remove", {}, 2, "Missing argument"),
    ],
    ids=lambda part: str(part)[:60],
)
def test_a_command_line_is_refused(
    line: str,
    environment: dict[str, str],
    status: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Any,
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile work]\nregion = eu-central-1\n")
    os.environ.update({
        "HOME": str(tmp_path),
        "AWS_CONFIG_FILE": str(config),
        "SHELLVAULT_NO_AGENT": "1",
        "XDG_STATE_HOME": str(tmp_path / "state"),
        **({} if "BACKEND" in str(environment) or "backend" in line else {"SHELLVAULT_BACKEND": "file"}),
        **environment,
    })  # fmt: skip
    monkeypatch.setattr("shellvault.dialogue.picker.terminal.is_available", lambda: False, raising=False)
    assert main.run(line.split()) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err
    assert captured.err.splitlines()[-1].startswith("shellvault: error: ")


@pytest.mark.parametrize(
    "flag",
    ["--backend", "--file-dir", "--pass-cmd", "--pass-dir", "--pass-prefix", "--secret-service-collection"],
)
def test_a_session_of_one_vault_is_not_served_for_another(flag: str) -> None:
    (variable,) = (option.variable for option in GLOBAL_OPTIONS if option.name == flag)
    assert variable is not None
    lines = {request.encode("work", {}, {"HOME": "/home/me", **more}, "/") for more in ({}, {variable: "x"})}
    assert len(lines) == 2
