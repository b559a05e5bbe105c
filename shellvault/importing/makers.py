"""Other tools with stores of keys: the names of each tool's stores, and the content of its items.

aws-vault (99designs and ByteNess), Granted and aws-sso-cli use the same keyring library, each with its own names. The
tool's variables or config file may change them.
"""

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shellvault.importing import items
from shellvault.importing.found import AskPassphrase, Found, Source
from shellvault.importing.items import ImportingError
from shellvault.vault import StoredKeys


@dataclass(frozen=True, slots=True)
class Maker:
    """A tool and its stores."""

    source: Source
    title: str
    folders: tuple[Path, ...]
    """Folders of encrypted files."""
    variable: str
    """The variable for the passphrase of its encrypted files."""
    collection: str
    """Its Secret Service collection."""
    service: str
    """Its wallet, the folder in it, and the kernel's keyring."""
    pass_prefix: str
    """The folder of its items in `pass`; empty: the store itself."""
    pass_store: str | None
    """The `pass` store of this tool, if it configures one."""
    default_passphrase: str | None = None
    """The default passphrase of its encrypted files."""


def makers(environment: Mapping[str, str]) -> tuple[Maker, ...]:
    """The tools, with their places from the environment and their config files."""
    return _aws_vault(environment), _granted(environment), _aws_sso(environment)


def home_of(environment: Mapping[str, str]) -> Path:
    """The home folder."""
    return Path(environment.get("HOME") or Path.home())


def _expanded(path: str, environment: Mapping[str, str]) -> Path:
    home = home_of(environment)
    return home / path[2:] if path.startswith("~/") else home / os.path.expandvars(path)


def _aws_vault(environment: Mapping[str, str]) -> Maker:
    return Maker(
        "aws-vault",
        "aws-vault",
        (_expanded(environment.get("AWS_VAULT_FILE_DIR") or "~/.awsvault/keys", environment),),
        "AWS_VAULT_FILE_PASSPHRASE",
        environment.get("AWS_VAULT_SECRET_SERVICE_COLLECTION_NAME") or "awsvault",
        "aws-vault",
        environment.get("AWS_VAULT_PASS_PREFIX", ""),
        environment.get("AWS_VAULT_PASS_PASSWORD_STORE_DIR"),
    )


def _granted(environment: Mapping[str, str]) -> Maker:
    name = "granted-aws-iam-credentials"
    folder = home_of(environment) / ".granted"
    if not folder.exists() and (xdg := environment.get("XDG_CONFIG_HOME")):
        folder = Path(xdg, "granted")
    said = _granted_keyring(folder / "config")
    default = folder / "secure-storage-aws-iam-credentials"
    own = said.get("filedir")
    return Maker(
        "granted",
        "Granted",
        (default, *([_expanded(own, environment)] if own else [])),
        "CF_KEYRING_FILE_PASSWORD",
        said.get("libsecretcollectionname") or name,
        name,
        name,
        str(_expanded(said["passdir"], environment)) if said.get("passdir") else None,
        default_passphrase="",
    )


def _granted_keyring(path: Path) -> dict[str, str]:
    """The section `[Keyring]` of Granted's file, with lower-case names, as Granted reads it."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    sections = [value for name, value in document.items() if name.lower() == "keyring"]
    section = sections[0] if sections and isinstance(sections[0], dict) else {}
    return {name.lower(): value for name, value in section.items() if isinstance(value, str)}


def _aws_sso(environment: Mapping[str, str]) -> Maker:
    return Maker(
        "aws-sso",
        "aws-sso-cli",
        tuple(folder / "secure" for folder in _aws_sso_folders(environment)),
        "AWS_SSO_FILE_PASSWORD",
        "awsssocli",
        "aws-sso-cli",
        "",
        None,
    )


def _aws_sso_folders(environment: Mapping[str, str]) -> list[Path]:
    configuration = environment.get("XDG_CONFIG_HOME") or str(home_of(environment) / ".config")
    return [home_of(environment) / ".aws-sso", Path(configuration) / "aws-sso"]


def in_json_store(environment: Mapping[str, str]) -> Iterator[Found]:
    """The pairs in aws-sso-cli's plaintext store (`SecureStore: json`). Raises ImportingError, OSError."""
    for folder in _aws_sso_folders(environment):
        path = folder / "store.json"
        try:
            said = re.search(r"^JsonStore:\s*(.+?)\s*$", (folder / "config.yaml").read_text("utf-8"), re.M)
            path = _expanded(said[1].strip("\"'"), environment) if said else path
        except (OSError, ValueError):
            pass
        if path.is_file():
            yield from static_credentials(
                path.read_bytes(), f"aws-sso-cli: {path}", str(path), is_plaintext=True
            )


#: The single item of aws-sso-cli.
_AWS_SSO_RECORDS = "aws-sso-cli-records"


def holds_keys(maker: Maker, key: str) -> bool:
    """Whether the item of this key may hold long-term keys."""
    return key == _AWS_SSO_RECORDS if maker.source == "aws-sso" else items.is_profile(key)


def found_in(maker: Maker, key: str, where: str, read: Callable[[AskPassphrase], bytes], store: str) -> Found:
    """The content of an item, which `read` reads: one pair; for aws-sso-cli all its static credentials."""
    if maker.source == "aws-sso":
        return Found(
            maker.source,
            "static credentials",
            where,
            lambda ask: _only(static_credentials(read(ask), where), where).load(ask),
            store=store,
            several=lambda ask: static_credentials(read(ask), where, store),
        )
    return Found(maker.source, key, where, lambda ask: items.keys_of(read(ask), where), store=store)


def static_credentials(
    data: bytes, where: str, store: str = "", *, is_plaintext: bool = False
) -> list[Found]:
    """The static credentials in aws-sso-cli's records, by its profiles.

    Raises ImportingError for a damaged record.
    """
    try:
        records: Any = json.loads(data)
        found = dict(records.get("StaticCredentials") or {})
    except (ValueError, AttributeError, RecursionError, TypeError):
        raise ImportingError(f"{where} is damaged: leave it out") from None
    return [
        Found(
            "aws-sso",
            _profile(arn, record),
            f"{where}, {arn}",
            lambda _, record=record, arn=arn: _keys(record, f"{where}, {arn}"),  # type: ignore[misc]
            is_plaintext=is_plaintext,
            store=store,
        )
        for arn, record in found.items()
    ]


def _keys(record: object, where: str) -> StoredKeys:
    return items.keys_of(json.dumps(record), where)


def _profile(arn: str, record: object) -> str:
    """The profile in a record, else its user."""
    members = {str(name).lower(): value for name, value in record.items()} if isinstance(record, dict) else {}
    names = (members.get("profile"), members.get("username"), arn.rpartition("/")[2])
    return next(name for name in (*names, "static credentials") if isinstance(name, str) and name)


def _only(found: list[Found], where: str) -> Found:
    if len(found) != 1:
        what = (
            "keys of several users" if found else "no long-term keys (it signs in with IAM Identity Center)"
        )
        raise ImportingError(f"{where} holds {what}")
    return found[0]
