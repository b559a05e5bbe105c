"""Other tools with stores of keys: the names of each tool's stores, and the content of its items.

aws-vault (99designs and ByteNess), Granted and aws-sso-cli use the same keyring library, each with its own names. The
tool's variables or config file may change them.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shellvault.importing import items
from shellvault.importing.found import AskPassphrase, Found, Hint, Source
from shellvault.importing.items import ImportingError
from shellvault.vault import StoredKeys


@dataclass(frozen=True, slots=True)
class KeyTool:
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
    pass_command: str | None = None
    """The program of this tool in the place of `pass`, if it configures one."""
    default_passphrase: str | None = None
    """The default passphrase of its encrypted files."""


def makers(environment: Mapping[str, str]) -> tuple[KeyTool, ...]:
    """The tools, with their places from the environment and their config files."""
    return _aws_vault(environment), _granted(environment), _aws_sso(environment)


def home_of(environment: Mapping[str, str]) -> Path:
    """The home folder."""
    return Path(environment.get("HOME") or Path.home())


def _expanded(path: str, environment: Mapping[str, str]) -> Path:
    home = home_of(environment)
    return home / path[2:] if path.startswith("~/") else home / path


def _aws_vault(environment: Mapping[str, str]) -> KeyTool:
    return KeyTool(
        "aws-vault",
        "aws-vault",
        (_expanded(environment.get("AWS_VAULT_FILE_DIR") or "~/.awsvault/keys", environment),),
        "AWS_VAULT_FILE_PASSPHRASE",
        environment.get("AWS_VAULT_SECRET_SERVICE_COLLECTION_NAME") or "awsvault",
        "aws-vault",
        environment.get("AWS_VAULT_PASS_PREFIX", ""),
        environment.get("AWS_VAULT_PASS_PASSWORD_STORE_DIR"),
        environment.get("AWS_VAULT_PASS_CMD"),
    )


def _granted(environment: Mapping[str, str]) -> KeyTool:
    name = "granted-aws-iam-credentials"
    folder = home_of(environment) / ".granted"
    if not folder.exists() and (xdg := environment.get("XDG_CONFIG_HOME")):
        folder = Path(xdg, "granted")
    said = _granted_keyring(folder / "config")
    default = folder / "secure-storage-aws-iam-credentials"
    own = said.get("filedir")
    return KeyTool(
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


def _aws_sso(environment: Mapping[str, str]) -> KeyTool:
    return KeyTool(
        "aws-sso",
        "aws-sso-cli",
        tuple(folder / "secure" for folder in _aws_sso_folders(environment)),
        "AWS_SSO_FILE_PASSWORD",
        _aws_sso_setting(environment, "SecretServiceCollection") or "awsssocli",
        "aws-sso-cli",
        "",
        None,
    )


def _aws_sso_folders(environment: Mapping[str, str]) -> list[Path]:
    configuration = environment.get("XDG_CONFIG_HOME") or str(home_of(environment) / ".config")
    return [home_of(environment) / ".aws-sso", Path(configuration) / "aws-sso"]


def _aws_sso_setting(environment: Mapping[str, str], name: str) -> str | None:
    """A setting of one word or path in aws-sso-cli's file; None without it."""
    for folder in _aws_sso_folders(environment):
        try:
            text = (folder / "config.yaml").read_text("utf-8")
        except (OSError, ValueError):
            continue
        if said := re.search(rf"^{name}:[ \t]*(\S.*?)[ \t]*(?:[ \t]#.*)?$", text, re.M):
            return said[1].strip("\"'")
    return None


def in_json_store(environment: Mapping[str, str]) -> Iterator[Found]:
    """The pairs in aws-sso-cli's plaintext store (`SecureStore: json`). Raises ImportingError, OSError."""
    said = _aws_sso_setting(environment, "JsonStore")
    paths = [folder / "store.json" for folder in _aws_sso_folders(environment)]
    for path in dict.fromkeys([*([_expanded(said, environment)] if said else []), *paths]):
        if path.is_file():
            yield from static_credentials(
                path.read_bytes(), f"aws-sso-cli: {path}", str(path), is_plaintext=True
            )


#: The single item of aws-sso-cli.
_AWS_SSO_RECORDS = "aws-sso-cli-records"


def with_keys(maker: KeyTool, keys: Iterable[str], hint: Hint) -> list[str]:
    """The keys of the items that may hold long-term keys; hints at the tool's other items."""
    if maker.source == "aws-sso":
        return [key for key in keys if key == _AWS_SSO_RECORDS]
    names, others = [], 0
    for key in keys:
        if items.is_profile(key):
            names.append(key)
        else:
            others += 1
    if others:
        hint(
            f"{others} sessions and sign-ins are left out, since they expire"
            if others > 1
            else "a session or sign-in is left out, since it expires"
        )
    return names


def found_in(
    maker: KeyTool,
    key: str,
    where: str,
    read: Callable[[AskPassphrase], bytes],
    store: str,
    *,
    by_program: bool = False,
) -> Found:
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
    return Found(
        maker.source,
        key,
        where,
        lambda ask: items.keys_of(read(ask), where),
        store=store,
        by_program=by_program,
    )


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
