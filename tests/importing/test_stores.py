"""Looking around finds the keys of every tool, asks nothing, and reads them when they are wanted."""

import dataclasses
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from shellvault.errors import ShellvaultError
from shellvault.importing import keyrings, makers, stores
from shellvault.importing.found import Found
from shellvault.importing.items import ImportingError
from shellvault.vault import StoredKeys, kernel_keyring
from tests.importing.stores import FIXTURES, PASSPHRASE, credential, item, session, write_encrypted
from tests.real_keyring import PrivateKeyring
from tests.real_password_store import password_store
from tests.real_wallet import private_wallet

PAIR = StoredKeys("AKIAEXAMPLE00000", "se/cr+et=")
DATA = credential(PAIR.access_key_id, PAIR.secret_access_key)


def never_asked(*_: object) -> str:
    raise AssertionError("no person may be asked")


def look(environment: dict[str, str], *profiles: str) -> list[Found]:
    around = stores.look_around(environment, Path(environment["HOME"]) / ".aws" / "config", profiles)
    assert around.troubles == ()
    return list(around.found)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}


def test_an_empty_home_holds_nothing(environment: dict[str, str]) -> None:
    assert look(environment) == []


def test_one_passphrase_opens_all_of_aws_vaults_files(environment: dict[str, str], tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_encrypted(tmp_path / ".awsvault" / "keys", name, DATA, "pass phrase")
    found = look(environment)
    assert [(each.source, each.name, each.access_key_id) for each in found] == [
        ("aws-vault", "one", None),
        ("aws-vault", "two", None),
    ]
    asked: list[str] = []

    def ask(store: str, variable: str, problem: str | None) -> str:
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
    assert [each.load(never_asked) for each in found] == [PAIR, PAIR]


def test_aws_sso_keeps_static_credentials_in_one_item(environment: dict[str, str], tmp_path: Path) -> None:
    pair = {"userName": "me", "accessKeyId": PAIR.access_key_id, "secretAccessKey": PAIR.secret_access_key}
    records = json.dumps({"StaticCredentials": {"arn:aws:iam::123456789012:user/me": pair}})
    write_encrypted(tmp_path / ".aws-sso" / "secure", "aws-sso-cli-records", records, "z")
    (found,) = look(environment | {"AWS_SSO_FILE_PASSWORD": "z"})
    assert found.several
    assert [(each.name, each.load(never_asked)) for each in found.several(never_asked)] == [("me", PAIR)]
    assert makers.static_credentials(b'{"StaticCredentials": {}}', "there") == []
    with pytest.raises(ImportingError, match="damaged"):
        makers.static_credentials(b"[", "there")


def test_pass_decrypts_its_items_and_not_the_other_passwords(
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


def test_items_of_pass_may_lie_in_folders(environment: dict[str, str], tmp_path: Path) -> None:
    store = tmp_path / ".password-store"
    (store / "team").mkdir(parents=True)
    (store / "granted-aws-iam-credentials" / "team").mkdir(parents=True)
    (store / ".git").mkdir()
    names = (
        "team/prod",
        "granted-aws-iam-credentials/team/dev",
        ".hidden",
        "..x",
        "bank",
        "aws-sso-cli-records",
    )
    for name in (*names, ".git/no-item"):
        (store / f"{name}.gpg").write_text("x")
    around = stores.look_around(environment, tmp_path / "config", ["team/prod", ".hidden", "..x"])
    assert {(each.source, each.name) for each in around.found} == {
        ("aws-vault", "team/prod"),
        ("aws-vault", ".hidden"),
        ("aws-vault", "..x"),
        ("granted", "team/dev"),
        ("aws-sso", "static credentials"),
    }
    assert around.hints == (
        "aws-vault in pass: 1 more item not named after a profile: "
        "import one with `shellvault import aws-vault NAME`",
    )


def test_granteds_own_file_says_where_its_items_lie(environment: dict[str, str], tmp_path: Path) -> None:
    configuration = tmp_path / "xdg" / "granted"
    configuration.mkdir(parents=True)
    (configuration / "config").write_text(
        '[Keyring]\nBackend = "file"\nFileDir = "~/granted keys"\nLibSecretCollectionName = "login"\n'
        'PassDir = "~/pass"\n'
    )
    environment["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    write_encrypted(tmp_path / "granted keys", "one", DATA, "")
    write_encrypted(configuration / "secure-storage-aws-iam-credentials", "two", DATA, "")
    found = look(environment)
    assert {each.name: each.load(never_asked) for each in found} == {"one": PAIR, "two": PAIR}
    granted = makers.makers(environment)[1]
    assert (granted.collection, granted.pass_store) == ("login", str(tmp_path / "pass"))


def test_aws_sso_may_keep_its_records_in_plaintext(environment: dict[str, str], tmp_path: Path) -> None:
    pair = {"accessKeyId": PAIR.access_key_id, "secretAccessKey": PAIR.secret_access_key}
    records = {f"arn:aws:iam::123456789012:user/{user}": {"userName": user, **pair} for user in ("a", "b")}
    records["arn:aws:iam::123456789012:user/b"]["Profile"] = "Main"
    (tmp_path / ".aws-sso").mkdir()
    (tmp_path / ".aws-sso" / "store.json").write_text(json.dumps({"StaticCredentials": records}))
    found = look(environment)
    assert [(each.name, each.load(never_asked)) for each in found] == [("a", PAIR), ("Main", PAIR)]


def test_the_tools_settings_name_collections_and_programs(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".config" / "aws-sso").mkdir(parents=True)
    (tmp_path / ".config" / "aws-sso" / "config.yaml").write_text(
        'SecureStore: secret-service\nSecretServiceCollection: "my own"  # a note\n'
    )
    aws_vault, _, aws_sso = makers.makers(environment | {"AWS_VAULT_PASS_CMD": "gopass"})
    assert (aws_vault.pass_command, aws_sso.collection) == ("gopass", "my own")


OLD_SESSIONS = ["session,d29yaw,bWZh,1790000000", "session:d29yaw:bWZh:1790000000", "work session (61663031)"]


@pytest.mark.parametrize("key", OLD_SESSIONS)
def test_sessions_of_older_versions_are_sessions(
    environment: dict[str, str], tmp_path: Path, key: str
) -> None:
    write_encrypted(tmp_path / ".awsvault" / "keys", key, session("ASIAX", "s", "t"), "p")
    assert look(environment) == []


def folder_of_three(tmp_path: Path, passphrase: str) -> list[Path]:
    folder = tmp_path / ".awsvault" / "keys"
    return [write_encrypted(folder, name, DATA, passphrase) for name in ("a", "b", "c")]


def test_a_wrong_passphrase_asks_again_for_the_same_item(environment: dict[str, str], tmp_path: Path) -> None:
    folder_of_three(tmp_path, "right")
    answers, heard = iter(["wrong", "right"]), []

    def ask(store: str, variable: str, problem: str | None) -> str:
        heard.append((variable, problem))
        return next(answers)

    assert [each.load(ask) for each in look(environment)] == [PAIR] * 3
    assert heard == [
        ("AWS_VAULT_FILE_PASSPHRASE", None),
        ("AWS_VAULT_FILE_PASSPHRASE", "that passphrase does not open it"),
    ]


@pytest.mark.parametrize("damaged", [0, 1, 2])
def test_a_damaged_item_among_good_ones_is_called_damaged(
    environment: dict[str, str], tmp_path: Path, damaged: int
) -> None:
    path = folder_of_three(tmp_path, "right")[damaged]
    head, key, rest = path.read_text().split(".", 2)
    path.write_text(f"{head}.{'A' * len(key)}.{rest}")
    asked = []

    def ask(*question: object) -> str:
        asked.append(question)
        return "right"

    for number, found in enumerate(look(environment)):
        if number == damaged:
            with pytest.raises(ImportingError, match="is damaged"):
                found.load(ask)
        else:
            assert found.load(ask) == PAIR
    assert len(asked) == 1


def test_only_the_places_of_a_source_are_looked_into(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".aws" / "credentials").mkdir(parents=True)
    write_encrypted(tmp_path / ".awsvault" / "keys", "work", DATA, "x")
    around = stores.look_around(environment, tmp_path / "config", (), "aws-vault")
    assert (len(around.found), around.troubles) == (1, ())


def test_a_place_that_fails_does_not_hide_the_others(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".aws" / "credentials").mkdir(parents=True)
    write_encrypted(tmp_path / ".awsvault" / "keys", "work", DATA, "x")
    around = stores.look_around(environment, tmp_path / "config", ())
    assert [each.name for each in around.found] == ["work"]
    assert len(around.troubles) == 1
    assert around.troubles[0].startswith("the credentials file: ")


KEPT = StoredKeys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
ITEM, PLAIN = (FIXTURES / "item.json").read_bytes(), (FIXTURES / "data.json").read_bytes()
SESSION = "sts.GetSessionToken,d29yaw,bWZh,1790000000"


def test_a_folder_of_aws_vault_is_found(environment: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "keys", tmp_path / ".awsvault" / "keys")
    found = look(environment)
    assert [each.name for each in found] == ["team/dev", "work"]
    assert [each.load(lambda *_: PASSPHRASE) for each in found] == [KEPT, KEPT]


@pytest.mark.real
def test_an_item_of_aws_vault_in_pass(environment: dict[str, str], tmp_path: Path) -> None:
    with password_store(environment, tmp_path) as there:
        subprocess.run(["pass", "insert", "-m", "-f", "vault/work"], input=ITEM, check=True, env=there)
        there["AWS_VAULT_PASS_PREFIX"] = "vault"
        (found,) = look(there)
        assert (found.source, found.name) == ("aws-vault", "work")
        assert found.load(never_asked) == KEPT


@pytest.mark.real
@pytest.mark.parametrize("collection", ["awsvault", "their own"])
def test_the_secret_service_collection_of_aws_vault(keyring: PrivateKeyring, collection: str) -> None:
    import secretstorage
    from jeepney.io.blocking import open_dbus_connection

    address = keyring.environment["DBUS_SESSION_BUS_ADDRESS"]
    if collection != "awsvault":
        keyring.environment["AWS_VAULT_SECRET_SERVICE_COLLECTION_NAME"] = collection
    keyring.make_collection(collection)
    with open_dbus_connection(address) as connection:
        (theirs,) = (
            each for each in secretstorage.get_all_collections(connection) if each.get_label() == collection
        )
        for name in ("work", SESSION):
            theirs.create_item(name, {"profile": name}, ITEM, content_type="application/json")
    (found,) = look(keyring.environment)
    assert (found.source, found.name) == ("aws-vault", "work")
    assert found.load(never_asked) == KEPT
    keyring.lock(collection)
    around = stores.look_around(keyring.environment, Path(keyring.environment["HOME"]) / "config", ())
    assert around.troubles == (
        f"aws-vault in the Secret Service: the collection {collection} is locked: "
        "unlock it in the desktop's keyring program",
    )
    with pytest.raises(ShellvaultError):
        found.load(never_asked)


@pytest.mark.real
def test_the_wallet_of_aws_vault(tmp_path: Path) -> None:
    with private_wallet(tmp_path) as wallet:
        assert look(wallet.environment) == []
        wallet.open("aws-vault")
        wallet.write("aws-vault", "aws-vault", {"work": ITEM, SESSION: ITEM})
        (found,) = look(wallet.environment)
        assert (found.source, found.name) == ("aws-vault", "work")
        assert found.load(never_asked) == KEPT
        wallet.call("close", "sb", "aws-vault", True)
        around = stores.look_around(wallet.environment, tmp_path / "config", ())
        assert around.troubles == (
            "aws-vault in KWallet: the wallet aws-vault is closed: open it in KDE's wallet manager",
        )


@pytest.mark.real
def test_the_keyring_of_the_kernel(environment: dict[str, str]) -> None:
    if not kernel_keyring.presence().usable:
        pytest.skip("this kernel does not let us use its keyring")
    name = f"aws-vault-test-{os.getpid()}"
    maker = dataclasses.replace(makers.makers({})[0], service=name)
    keyring = kernel_keyring.KernelKeyring({"SHELLVAULT_KEYCTL_TIMEOUT": "60"}, name)
    hints: list[str] = []
    try:
        assert list(keyrings.in_kernel(maker, hints.append)) == []
        for key in ("work", "a;b/ü", SESSION):
            keyring.set_password("", key, PLAIN.decode())
        found = {each.name: each.load(never_asked) for each in keyrings.in_kernel(maker, hints.append)}
        assert found == {"work": KEPT, "a;b/ü": KEPT}
        assert hints == ["a session or sign-in is left out, since it expires"]
    finally:
        ring = subprocess.run(["keyctl", "search", "@u", "keyring", name], capture_output=True, text=True)
        subprocess.run(["keyctl", "unlink", ring.stdout.strip(), "@u"], check=True)


@pytest.mark.real
def test_a_silent_keyring_is_waited_for_and_reported_once(tmp_path: Path) -> None:
    with private_wallet(tmp_path) as wallet:
        wallet.stop()
        started = time.monotonic()
        troubles = stores.look_around(wallet.environment, tmp_path / "config", ()).troubles
        assert time.monotonic() - started < 9
        (line,) = troubles
        assert line.endswith(": it has not answered in time")
        assert "Granted in KWallet" in line
