"""Imitations of other tools' stores with example keys; test_library_stores.py compares them with the real ones.

`fixtures/keys/` is a folder of aws-vault's encrypted files, `item.json` what it puts for `work` into a collection, a
wallet and `pass`, `data.json` what the kernel gets.
"""

import base64
import json
from pathlib import Path

from jwcrypto import jwe, jwk

FIXTURES = Path(__file__).parent / "fixtures"
PASSPHRASE = "fixture passphrase"

ALGORITHMS = ["PBES2-HS256+A128KW", "A256GCM"]


def credential(key_id: str, secret: str, token: str = "") -> str:
    """The data of a long-term key, as aws-vault and Granted write it."""
    members = {
        "AccessKeyID": key_id,
        "SecretAccessKey": secret,
        "SessionToken": token,
        "Source": "",
        "CanExpire": False,
        "Expires": "0001-01-01T00:00:00Z",
    }
    return go_json(members)


def session(key_id: str, secret: str, token: str) -> str:
    """The data of a session, as aws-vault writes it."""
    members = {
        "AccessKeyId": key_id,
        "Expiration": "2030-01-01T00:00:00Z",
        "SecretAccessKey": secret,
        "SessionToken": token,
    }
    return go_json(members)


def go_json(members: object) -> str:
    """JSON as Go's encoding/json writes it: UTF-8, without what HTML would read."""
    text = json.dumps(members, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def item(key: str, data: str) -> str:
    """A stored item."""
    members = {
        "Key": key,
        "Data": base64.b64encode(data.encode()).decode(),
        "Label": f"aws-vault ({key})",
        "Description": "",
        "KeychainNotTrustApplication": True,
        "KeychainNotSynchronizable": False,
    }
    return go_json(members)


def write_encrypted(folder: Path, key: str, data: str, passphrase: str) -> Path:
    """Puts an item into a folder of encrypted files."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    header = {
        "alg": ALGORITHMS[0],
        "created": "2026-01-02 03:04:05.123456789 +0000 UTC m=+0.138908033",
        "enc": ALGORITHMS[1],
    }
    token = jwe.JWE(item(key, data).encode(), protected=json.dumps(header), algs=ALGORITHMS)
    token.add_recipient(jwk.JWK.from_password(passphrase))
    path = folder / key.replace("%", "%25").replace("/", "%2F")
    path.write_text(token.serialize(compact=True))
    path.chmod(0o600)
    return path
