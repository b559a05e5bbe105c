"""Stores written by the tools' own keyring library (fixtures/README.md): every item is imported or named."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from shellvault.importing import stores as places
from shellvault.importing.found import Source
from shellvault.importing.take_over import ImportActions, Taken, take_over
from tests.importing import stores

LIBRARY = json.loads((stores.FIXTURES / "library.json").read_text("utf-8"))

#: The folder of each tool's encrypted files, and the variable for their passphrase.
WHERE: dict[Source, tuple[str, str]] = {
    "aws-vault": (".awsvault/keys", "AWS_VAULT_FILE_PASSPHRASE"),
    "granted": (".granted/secure-storage-aws-iam-credentials", "CF_KEYRING_FILE_PASSWORD"),
    "aws-sso": (".config/aws-sso/secure", "AWS_SSO_FILE_PASSWORD"),
}

#: Names that no config file can hold.
IMPOSSIBLE = {"[x]", "a\xa0b", "a\u200bb", "a\u202eb", "new\nline", "tab\there"}

#: Items without long-term keys, and damaged ones.
BROKEN = {"broken-json", "broken-empty", "temporary", "changed", "cut"}

HINTS = {
    "aws-vault": (
        "aws-vault's encrypted files: 10 sessions and sign-ins are left out, since they expire",
        "aws-vault's encrypted files: left out, since they are no items: 'empty'",
    )
}


class Memory:
    """A vault in memory."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}

    def operate(self, operation: dict[str, Any]) -> dict[str, Any]:
        if operation["do"] == "save-new":
            self.keys |= {name: pair["access_key_id"] for name, pair in operation["keys"].items()}
        return {"keys": {}}


def imported(source: Source, home: Path) -> tuple[dict[str, str], list[Taken], tuple[str, ...]]:
    """The keys in the vault after the import of a tool's store, the outcomes, and the hints."""
    store, (folder, variable) = LIBRARY["stores"][source], WHERE[source]
    (home / folder).mkdir(parents=True)
    for name, content in store["files"].items():
        (home / folder / name).write_text(content, "utf-8")
    environment = {"HOME": str(home), variable: store["passphrase"]}
    around = places.look_around(environment, home / "config", (), source)
    assert around.troubles == ()
    vault = Memory()

    def never(*_: object) -> str:
        raise AssertionError("no person may be asked")

    ways = ImportActions(vault.operate, never, lambda *_: None, lambda *_: False)
    return vault.keys, take_over(around.found, ways), around.hints


@pytest.mark.parametrize("source", WHERE)
def test_each_key_is_imported_and_all_else_named(source: Source, tmp_path: Path) -> None:
    store = LIBRARY["stores"][source]
    kept, taken, hints = imported(source, tmp_path)
    assert kept == {name: key for name, key in store["keys"].items() if name not in IMPOSSIBLE}
    refused = {each.found.name for each in taken if each.problem}
    assert refused == IMPOSSIBLE & set(store["keys"]) | (BROKEN if source == "aws-vault" else set())
    assert hints == HINTS.get(source, ())


@pytest.mark.parametrize("key", LIBRARY["items"])
def test_our_imitation_has_the_librarys_bytes(key: str) -> None:
    theirs = LIBRARY["items"][key]
    data = base64.b64decode(json.loads(theirs)["Data"]).decode()
    pair = json.loads(data)
    assert stores.credential(pair["AccessKeyID"], pair["SecretAccessKey"]) == data
    assert stores.item(key, data) == theirs


def test_our_imitation_of_a_session_has_the_librarys_bytes() -> None:
    theirs = json.loads(LIBRARY["session"])
    assert stores.session("ASIAFAKE00000000", "fake", "fake") == base64.b64decode(theirs["Data"]).decode()


def test_our_encrypted_files_have_the_librarys_header(tmp_path: Path) -> None:
    theirs = header(LIBRARY["stores"]["aws-vault"]["files"]["work"])
    ours = header(stores.write_encrypted(tmp_path, "work", "{}", "x").read_text())
    assert [*ours] == [*theirs]
    for name in ("alg", "enc", "p2c"):
        assert ours[name] == theirs[name]


def header(token: str) -> dict[str, Any]:
    """The protected header of a JWE."""
    found = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
    assert isinstance(found, dict)
    return found
