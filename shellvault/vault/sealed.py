"""The format of the encrypted file. No I/O.

    magic (10), version (1), Argon2id memory in KiB (4), iterations (4), lanes (1), salt (16), key check (16),
    nonce (12): big-endian, sizes in bytes; then
    AES-256-GCM of the content, with everything before it as associated data

Argon2id with RFC 9106's second recommended option (section 4) derives the master key. HMAC-SHA-256 over a label, as in
HKDF-Expand (RFC 5869), derives the encryption key and the key check, which distinguishes a wrong passphrase from a
damaged file. Every write uses a new random nonce (NIST SP 800-38D, 8.3: safe for 2^32 writes).
"""

import hmac
import os
import struct
import threading
from dataclasses import dataclass, field

_HEADER = struct.Struct(">10sBIIB16s16s12s")
_MAGIC = b"shellvault"
_VERSION = 1
_TAG_BYTES = 16
#: Limits for a header: an edited file must not exhaust memory or time before its passphrase is checked.
_MOST_MEMORY_KIB, _MOST_ITERATIONS, _MOST_LANES = 256 * 1024, 16, 16

#: OpenSSL takes the threads of all lanes from one pool: two parallel derivations can deadlock.
_one_derivation = threading.Lock()


@dataclass(frozen=True, slots=True)
class Cost:
    """Argon2id's parameters; the defaults are RFC 9106's second recommended option (t=3, p=4, 64 MiB)."""

    memory_kib: int = 64 * 1024
    iterations: int = 3
    lanes: int = 4

    def is_below(self, other: "Cost") -> bool:
        """Whether guessing costs less memory or fewer passes than with `other`."""
        return self.memory_kib < other.memory_kib or self.iterations < other.iterations


@dataclass(frozen=True, slots=True)
class Key:
    """A master key, with the salt and the cost of its derivation."""

    cost: Cost
    salt: bytes
    master: bytes = field(repr=False)

    def check(self) -> bytes:
        """Identifies this key without revealing it."""
        return self._part(b"key check")[:16]

    def cipher_key(self) -> bytes:
        """The AES-256 key."""
        return self._part(b"encryption")

    def _part(self, word: bytes) -> bytes:
        return hmac.digest(self.master, b"shellvault 1 " + word, "sha256")


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an encrypted file, authenticated only when the file is opened."""

    cost: Cost
    salt: bytes
    check: bytes
    nonce: bytes


def derive(passphrase: str, cost: Cost, salt: bytes) -> Key:
    """Runs Argon2id once: 0.15 s and 64 MiB at the default cost."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    function = Argon2id(
        salt=salt, length=32, iterations=cost.iterations, lanes=cost.lanes, memory_cost=cost.memory_kib
    )
    with _one_derivation:
        return Key(cost, salt, function.derive(passphrase.encode("utf-8", "surrogateescape")))


def new_key(passphrase: str, cost: Cost) -> Key:
    """A key for a new file, with a new salt."""
    return derive(passphrase, cost, os.urandom(16))


def read_header(sealed: bytes) -> Header:
    """The checked header. Raises ValueError with the reason if `seal` cannot have written it."""
    if not sealed.startswith(_MAGIC):
        raise ValueError("it is not a shellvault vault")
    if len(sealed) < _HEADER.size + _TAG_BYTES:
        raise ValueError("it is cut short")
    _, version, memory_kib, iterations, lanes, salt, check, nonce = _HEADER.unpack_from(sealed)
    if version != _VERSION:
        raise ValueError(f"this shellvault does not know its version {version}")
    if not (
        1 <= lanes <= _MOST_LANES
        and 1 <= iterations <= _MOST_ITERATIONS
        and 8 * lanes <= memory_kib <= _MOST_MEMORY_KIB
    ):
        raise ValueError("its header asks for an absurd key derivation")
    return Header(Cost(memory_kib, iterations, lanes), salt, check, nonce)


def opens(key: Key, header: Header) -> bool:
    """Whether the file was written with `key`."""
    return hmac.compare_digest(key.check(), header.check)


def seal(content: bytes, key: Key) -> bytes:
    """The bytes of the file for `content`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce, cost = os.urandom(12), key.cost
    header = _HEADER.pack(
        _MAGIC, _VERSION, cost.memory_kib, cost.iterations, cost.lanes, key.salt, key.check(), nonce
    )
    return header + AESGCM(key.cipher_key()).encrypt(nonce, content, header)


def unseal(sealed: bytes, key: Key) -> bytes:
    """The content. Raises ValueError if any bit differs from what `seal` wrote with this key."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = read_header(sealed).nonce
    try:
        return AESGCM(key.cipher_key()).decrypt(nonce, sealed[_HEADER.size :], sealed[: _HEADER.size])
    except InvalidTag:
        raise ValueError("it was changed by another program") from None
