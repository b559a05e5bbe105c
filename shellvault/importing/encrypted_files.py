"""The file store of aws-vault's keyring library: a folder with one JWE (RFC 7516, compact) for each item.

The file name is the item's key, with `/`, `%` and the like percent-encoded. PBES2-HS256+A128KW wraps the key of an
A256GCM text.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from shellvault.errors import NeedsPersonError
from shellvault.importing import items
from shellvault.importing.found import AskPassphrase
from shellvault.importing.items import ImportingError

#: Most bytes of an item's file, and most PBKDF2 rounds in its header.
MAX_BYTES, MAX_ROUNDS = 1024 * 1024, 2_000_000

#: Attempts that a person has at the passphrase of an item.
TRIES = 3

_ALGORITHMS = ["PBES2-HS256+A128KW", "A256GCM"]


def keys_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files in a folder, each with the key of its item. Empty without the folder."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        if path.is_file():
            yield unquote(path.name), path


class Folder:
    """A folder of encrypted files and its passphrase, which is asked for once, and again if it was wrong."""

    def __init__(self, title: str, variable: str, given: Sequence[str], paths: Sequence[Path]) -> None:
        """`variable` is the tool's variable for the passphrase; `given` are passphrases to try before asking."""
        self._title = title
        self._variable = variable
        self._untried = list(given)
        self._paths = paths
        self._opening: list[str] = []
        self._is_wrong = bool(given and given[-1])

    def data(self, path: Path, ask: AskPassphrase) -> bytes:
        """The data of the item in a file. Raises ImportingError, and NeedsPersonError if no person can be asked."""
        text = _token(path)
        for passphrase in (*self._opening, *self._untried):
            payload = _opened(text, passphrase)
            if payload is not None:
                self._note(passphrase)
                return items.data_of(payload, repr(str(path)))
        if self._opening or self._opens_another(path, self._untried):
            raise _damaged(path)
        problem = None
        for _ in range(TRIES):
            passphrase = self._asked(ask, problem)
            payload = _opened(text, passphrase)
            if payload is not None:
                self._note(passphrase)
                return items.data_of(payload, repr(str(path)))
            if self._opens_another(path, [passphrase]):
                raise _damaged(path)
            problem = "that passphrase does not open it"
        raise ImportingError(f"no passphrase that was given opens {str(path)!r}: leave it out")

    def _asked(self, ask: AskPassphrase, problem: str | None) -> str:
        try:
            return ask(f"{self._title}'s files in {self._paths[0].parent}", self._variable, problem)
        except NeedsPersonError as error:
            what = f"{self._variable} does not open it" if self._is_wrong else f"{self._variable} is not set"
            raise NeedsPersonError(f"{error} ({what})") from error

    def _note(self, passphrase: str) -> None:
        if passphrase not in self._opening:
            self._opening.append(passphrase)

    def _opens_another(self, path: Path, passphrases: Sequence[str]) -> bool:
        """Whether one of them opens another file of the folder: then this file is damaged."""
        for other in self._paths:
            for passphrase in passphrases if other != path else ():
                try:
                    if _opened(_token(other), passphrase) is not None:
                        self._note(passphrase)
                        return True
                except ImportingError:
                    continue
        return False


def _damaged(path: Path) -> ImportingError:
    return ImportingError(
        f"{str(path)!r} is damaged: the passphrase of the files around it does not open it; leave it out"
    )


def is_item(path: Path) -> bool:
    """Whether the file begins like a JWE, with an encoded JSON object."""
    try:
        with path.open("rb") as stream:
            return stream.read(3) == b"eyJ"
    except OSError:
        return False


def _token(path: Path) -> str:
    """The JWE in a file. Raises ImportingError."""
    from jwcrypto import jwe
    from jwcrypto.common import JWException

    where = repr(str(path))
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1).decode("ascii").strip()
    except OSError as error:
        raise ImportingError(f"{where} cannot be read ({error.strerror}): make it readable") from error
    except UnicodeDecodeError:
        raise ImportingError(f"{where} is no item of a keyring: leave it out") from None
    try:
        token = jwe.JWE(algs=_ALGORITHMS)
        token.deserialize(text)
        rounds = token.jose_header.get("p2c")
    except (JWException, ValueError, TypeError):
        raise ImportingError(f"{where} is no item of a keyring: leave it out") from None
    if not isinstance(rounds, int) or not 0 < rounds <= MAX_ROUNDS:
        raise ImportingError(f"{where} requires too many PBKDF2 rounds: leave it out")
    return text


def _opened(text: str, passphrase: str) -> bytes | None:
    """The content of a JWE; None if the passphrase does not open it."""
    from jwcrypto import jwe, jwk
    from jwcrypto.common import JWException

    token = jwe.JWE(algs=_ALGORITHMS)
    token.deserialize(text)
    try:
        token.decrypt(jwk.JWK.from_password(passphrase))
    except (JWException, ValueError, TypeError):
        return None
    return bytes(token.payload)
