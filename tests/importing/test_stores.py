"""Looking around finds the keys of every tool, asks nothing, and reads them when they are wanted."""

import json
import os
from pathlib import Path

import pytest

from shellvault.errors import ShellvaultError
from shellvault.importing import stores
from shellvault.importing.found import Found
from shellvault.importing.items import ImportingError
from shellvault.vault import StoredKeys
from tests.importing.stores import credential, item, write_encrypted
from tests.real_keyring import PrivateKeyring

PAIR = StoredKeys("AKIAEXAMPLE00000", "se/cr+et=")
DATA = credential(PAIR.access_key_id, PAIR.secret_access_key)


def nobody(_: str) -> str:
    raise AssertionError("nobody is to be asked")


def look(environment: dict[str, str], *profiles: str) -> list[Found]:
    found, troubles = stores.look_around(environment, Path(environment["HOME"]) / ".aws" / "config", profiles)
    assert troubles == []
    return found


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}


def test_an_empty_home_holds_nothing(environment: dict[str, str]) -> None:
    assert look(environment) == []


def test_aws_vaults_files_are_opened_by_one_passphrase_asked_once(
    environment: dict[str, str], tmp_path: Path
) -> None:
    for name in ("one", "two"):
        write_encrypted(tmp_path / ".awsvault" / "keys", name, DATA, "pass phrase")
    found = look(environment)
    assert [(each.source, each.name, each.access_key_id) for each in found] == [
        ("aws-vault", "one", None),
        ("aws-vault", "two", None),
    ]
    asked: list[str] = []

    def ask(store: str) -> str:
        asked.append(store)
        return "pass phrase"

    assert [each.load(ask) for each in found] == [PAIR, PAIR]
    assert asked == [f"aws-vault's files in {tmp_path / '.awsvault' / 'keys'}"]


def test_the_tools_own_variables_answer_and_say_where(environment: dict[str, str], tmp_path: Path) -> None:
    write_encrypted(tmp_path / "elsewhere", "work", DATA, "x")
    granted = tmp_path / ".granted" / "secure-storage-aws-iam-credentials"
    write_encrypted(granted, "mine", DATA, "y")
    found = look(
        environment
        | {
            "AWS_VAULT_FILE_DIR": str(tmp_path / "elsewhere"),
            "AWS_VAULT_FILE_PASSPHRASE": "x",
            "CF_KEYRING_FILE_PASSWORD": "y",
        }
    )
    assert [(each.source, each.name) for each in found] == [("aws-vault", "work"), ("granted", "mine")]
    assert [each.load(nobody) for each in found] == [PAIR, PAIR]


def test_aws_sso_keeps_static_credentials_in_one_item(environment: dict[str, str], tmp_path: Path) -> None:
    pair = {"userName": "me", "accessKeyId": PAIR.access_key_id, "secretAccessKey": PAIR.secret_access_key}
    records = json.dumps({"StaticCredentials": {"arn:aws:iam::123456789012:user/me": pair}})
    write_encrypted(tmp_path / ".aws-sso" / "secure", "aws-sso-cli-records", records, "z")
    (found,) = look(environment | {"AWS_SSO_FILE_PASSWORD": "z"})
    assert found.load(nobody) == PAIR
    with pytest.raises(ImportingError, match="no long-term keys"):
        stores.only_static(b'{"StaticCredentials": {}}', "there")
    with pytest.raises(ImportingError, match="not readable"):
        stores.only_static(b"[", "there")


def test_pass_is_read_by_pass_and_a_persons_other_passwords_are_left_alone(
    environment: dict[str, str], tmp_path: Path
) -> None:
    store, programs = tmp_path / ".password-store", tmp_path / "bin"
    (store / "granted-aws-iam-credentials").mkdir(parents=True)
    for name in ("work", "bank", "granted-aws-iam-credentials/mine"):
        (store / f"{name}.gpg").write_text(item(name, DATA))
    programs.mkdir()
    # A stand-in for pass: gpg's part is left out.
    (programs / "pass").write_text('#!/bin/sh\n[ "$1 $2" = "show --" ] && cat "$PASSWORD_STORE_DIR/$3.gpg"\n')
    (programs / "pass").chmod(0o755)
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    found = look(environment, "work", "other")
    assert [(each.source, each.name) for each in found] == [("aws-vault", "work"), ("granted", "mine")]


def test_a_place_that_fails_does_not_hide_the_others(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".aws" / "credentials").mkdir(parents=True)
    write_encrypted(tmp_path / ".awsvault" / "keys", "work", DATA, "x")
    found, troubles = stores.look_around(environment, tmp_path / "config", ())
    assert [each.name for each in found] == ["work"]
    assert len(troubles) == 1
    assert troubles[0].startswith("the credentials file: ")


@pytest.mark.real
def test_the_secret_service_collection_of_aws_vault(keyring: PrivateKeyring) -> None:
    import secretstorage
    from jeepney.io.blocking import open_dbus_connection

    address = keyring.environment["DBUS_SESSION_BUS_ADDRESS"]
    with open_dbus_connection(address) as connection:
        collection = secretstorage.get_collection_by_alias(connection, "default")
        collection.set_label("awsvault")
        for name in ("work", "sts.GetSessionToken,d29yaw,bWZh,1790000000"):
            attributes = {"profile": name}
            collection.create_item(
                name, attributes, item(name, DATA).encode(), content_type="application/json"
            )
    (found,) = look(keyring.environment)
    assert (found.source, found.name) == ("aws-vault", "work")
    assert found.load(nobody) == PAIR
    keyring.lock()
    _, troubles = stores.look_around(keyring.environment, Path(keyring.environment["HOME"]) / "config", ())
    assert troubles == [
        "aws-vault in the Secret Service: the collection awsvault is locked: unlock it in the desktop's keyring program"
    ]
    with pytest.raises(ShellvaultError):
        found.load(nobody)
