"""Other tools with stores of keys: the names under which each keeps its items, and what such an item holds.

aws-vault (of both makers), Granted and aws-sso-cli use the same keyring library, each with names of its own.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shellvault.importing import items
from shellvault.importing.found import AskPassphrase, Found, Source
from shellvault.importing.items import ImportingError
from shellvault.vault import StoredKeys


@dataclass(frozen=True, slots=True)
class Maker:
    """A tool, and the names under which it keeps items where nobody has changed them."""

    source: Source
    title: str
    folders: Callable[[Mapping[str, str]], list[Path]]
    passphrases: tuple[str, ...]
    """The variables that hold the passphrase of its encrypted files."""
    collection: str
    """Of the Secret Service."""
    service: str
    """Its wallet, the folder in it, and the kernel's keyring."""
    pass_prefix: str


def home_of(environment: Mapping[str, str]) -> Path:
    """The home folder."""
    return Path(environment.get("HOME") or Path.home())


def _aws_vault_folders(environment: Mapping[str, str]) -> list[Path]:
    given = environment.get("AWS_VAULT_FILE_DIR")
    return [Path(os.path.expanduser(given)) if given else home_of(environment) / ".awsvault" / "keys"]  # noqa: PTH111


def _granted_folders(environment: Mapping[str, str]) -> list[Path]:
    return [home_of(environment) / ".granted" / "secure-storage-aws-iam-credentials"]


def _aws_sso_folders(environment: Mapping[str, str]) -> list[Path]:
    configuration = environment.get("XDG_CONFIG_HOME") or str(home_of(environment) / ".config")
    return [home_of(environment) / ".aws-sso" / "secure", Path(configuration) / "aws-sso" / "secure"]


MAKERS = (
    Maker(
        "aws-vault",
        "aws-vault",
        _aws_vault_folders,
        ("AWS_VAULT_FILE_PASSPHRASE",),
        "awsvault",
        "aws-vault",
        "",
    ),
    Maker(
        "granted",
        "Granted",
        _granted_folders,
        ("CF_KEYRING_FILE_PASSWORD",),
        "granted-aws-iam-credentials",
        "granted-aws-iam-credentials",
        "granted-aws-iam-credentials",
    ),
    Maker(
        "aws-sso",
        "aws-sso-cli",
        _aws_sso_folders,
        ("AWS_SSO_FILE_PASSWORD",),
        "awsssocli",
        "aws-sso-cli",
        "aws-sso-cli",
    ),
)

#: The one item in which aws-sso-cli keeps everything.
_AWS_SSO_RECORDS = "aws-sso-cli-records"


def holds_keys(maker: Maker, key: str) -> bool:
    """Whether the item of this key may hold long-term keys."""
    return key == _AWS_SSO_RECORDS if maker.source == "aws-sso" else items.is_profile(key)


def found_in(maker: Maker, key: str, where: str, read: Callable[[AskPassphrase], bytes]) -> Found:
    """What an item holds, whose data `read` gives: one pair, for aws-sso-cli that of its static credentials."""
    if maker.source == "aws-sso":
        return Found(maker.source, "static credentials", where, lambda ask: only_static(read(ask), where))
    return Found(maker.source, key, where, lambda ask: items.keys_of(read(ask), where))


def only_static(data: bytes, where: str) -> StoredKeys:
    """The static credentials in aws-sso-cli's records, of which there must be one. Raises ImportingError."""
    try:
        records: Any = json.loads(data)
        found = list((records.get("StaticCredentials") or {}).values())
    except (ValueError, AttributeError, RecursionError):
        raise ImportingError(f"{where} is not readable: leave it out") from None
    if not found:
        raise ImportingError(
            f"{where} holds no long-term keys (what it signs in with is IAM Identity Center)"
        )
    if len(found) > 1:
        raise ImportingError(
            f"{where} holds keys of {len(found)} users: take them over with `shellvault add`"
        )
    return items.keys_of(json.dumps(found[0]), where)
