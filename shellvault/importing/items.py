"""The items of the keyring library that aws-vault, Granted and aws-sso-cli share, the same in all its stores.

A stored item is JSON: {"Key", "Data" (base64), "Label", "Description", …}. The data of long-term keys is the
JSON of one credential: {"AccessKeyID", "SecretAccessKey", "SessionToken", …}. The case of member names is ignored,
as in Go's encoding/json.
"""

import base64
import binascii
import json
import re
from typing import Any

from shellvault.errors import ShellvaultError
from shellvault.vault import StoredKeys

#: Items of aws-vault without long-term keys: `oidc:` tokens, and sessions as `TYPE,BASE64,BASE64,NUMBER`; in older
#: versions as `session,…`, `session:PROFILE:MFA:NUMBER` and `PROFILE session (NUMBER)`.
_NOT_KEYS = re.compile(
    r"oidc:.*|session,.*|session:[^ ]+:[^ ]*:[^:]+|.+? session \([0-9a-f]+\)"
    r"|[A-Za-z_.]+,[A-Za-z0-9_-]*,[A-Za-z0-9_-]*,[0-9]+",
    re.DOTALL,
)

_KEY_ID = re.compile(r"[A-Za-z0-9_]{4,128}")
_SECRET = re.compile(r"[!-~]{4,256}")


class ImportingError(ShellvaultError):
    """Keys cannot be imported; the message names the place and what to do."""


def is_profile(key: str) -> bool:
    """Whether the item of this key may hold long-term keys, not a session or a token."""
    return bool(key) and not _NOT_KEYS.fullmatch(key)


def data_of(item: bytes | str, where: str) -> bytes:
    """The data of a stored item. Raises ImportingError for anything else."""
    members = _members(item, where)
    try:
        return base64.b64decode(members["data"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise ImportingError(f"{where} is no item of a keyring: leave it out") from None


def keys_of(data: bytes | str, where: str) -> StoredKeys:
    """The long-term keys in an item's data. Raises ImportingError for temporary keys or none."""
    members = _members(data, where)
    key_id, secret = members.get("accesskeyid"), members.get("secretaccesskey")
    if members.get("sessiontoken"):
        raise ImportingError(f"{where} holds temporary credentials: there is nothing to keep")
    return checked_keys(key_id, secret, where)


def checked_keys(key_id: Any, secret: Any, where: str) -> StoredKeys:
    """The key pair, if it has the form of AWS's keys. Raises ImportingError."""
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        raise ImportingError(f"{where} holds no access key id: leave it out")
    if key_id.startswith("ASIA"):
        raise ImportingError(f"{where} holds temporary credentials: there is nothing to keep")
    if not isinstance(secret, str) or not _SECRET.fullmatch(secret):
        raise ImportingError(f"{where} holds no secret key: leave it out")
    return StoredKeys(key_id, secret)


def _members(text: bytes | str, where: str) -> dict[str, Any]:
    """The members of a JSON object, by lower-case name."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ImportingError(f"{where} is not readable: leave it out")
    return {str(name).lower(): value for name, value in found.items()}
