"""The file store of that keyring library: a folder with one JWE (RFC 7516, compact) for each item.

The name of a file is the item's key with `/`, `%` and the like percent-encoded; PBES2-HS256+A128KW wraps the key
of an A256GCM text.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from shellvault.importing import items
from shellvault.importing.items import ImportingError

#: Most bytes of an item's file, and most rounds of PBKDF2 that a file may ask for.
MAX_BYTES, MAX_ROUNDS = 1024 * 1024, 2_000_000

_ALGORITHMS = ["PBES2-HS256+A128KW", "A256GCM"]


def keys_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """The keys of the items in a folder that may be long-term keys, and their files; none where there is no folder."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        key = unquote(path.name)
        if items.is_profile(key) and _is_token(path):
            yield key, path


def _is_token(path: Path) -> bool:
    """Whether the file begins as a JWE does: with an encoded JSON object."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(3) == b"eyJ"
    except OSError:
        return False


def data_in(path: Path, passphrase: str) -> bytes:
    """The data of the item in a file. Raises ImportingError for a wrong passphrase and for what is no such file."""
    from jwcrypto import jwe, jwk
    from jwcrypto.common import JWException

    where = repr(str(path))
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1).decode("ascii").strip()
    except OSError as error:
        raise ImportingError(f"{where} cannot be read ({error.strerror}): make it readable") from error
    except UnicodeDecodeError:
        raise ImportingError(f"{where} is no item of a keyring: leave it out") from None
    token = jwe.JWE(algs=_ALGORITHMS)
    try:
        token.deserialize(text)
        rounds = token.jose_header.get("p2c")
    except (JWException, ValueError, TypeError):
        raise ImportingError(f"{where} is no item of a keyring: leave it out") from None
    if not isinstance(rounds, int) or not 0 < rounds <= MAX_ROUNDS:
        raise ImportingError(f"{where} asks for an absurd key derivation: leave it out")
    try:
        token.decrypt(jwk.JWK.from_password(passphrase))
    except (JWException, ValueError, TypeError):
        raise ImportingError(f"that passphrase does not open {where}: give the one of that store") from None
    return items.data_of(token.payload, where)
