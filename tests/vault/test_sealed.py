"""The encrypted file's format: whatever is not exactly as it was written does not open."""

import threading

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import given, settings
from hypothesis import strategies as st

from shellvault.vault import sealed
from tests.vault.conftest import CHEAP

KEY = sealed.new_key("correct horse", CHEAP)
CONTENT = b'{"shellvault":{"keys/work":"..."}}'
FILE = sealed.seal(CONTENT, KEY)


@given(st.binary(max_size=500), st.text(max_size=20))
@settings(max_examples=30, deadline=None)
def test_what_was_sealed_comes_back(content: bytes, passphrase: str) -> None:
    key = sealed.new_key(passphrase, CHEAP)
    file = sealed.seal(content, key)
    header = sealed.read_header(file)
    again = sealed.derive(passphrase, header.cost, header.salt)
    assert sealed.opens(again, header)
    assert sealed.unseal(file, again) == content


def test_the_default_cost_is_rfc_9106s_second_option() -> None:
    assert sealed.Cost() == sealed.Cost(memory_kib=64 * 1024, iterations=3, lanes=4)
    key = sealed.new_key("p", sealed.Cost())
    expected = Argon2id(salt=key.salt, length=32, iterations=3, lanes=4, memory_cost=64 * 1024).derive(b"p")
    assert key.master == expected


def test_a_wrong_passphrase_differs_from_a_damaged_file() -> None:
    header = sealed.read_header(FILE)
    assert not sealed.opens(sealed.derive("wrong horse", header.cost, header.salt), header)
    assert sealed.opens(KEY, header)


@pytest.mark.parametrize("position", range(len(FILE)))
def test_no_byte_can_be_changed(position: int) -> None:
    for bit in range(8):
        edited = bytearray(FILE)
        edited[position] ^= 1 << bit
        with pytest.raises(ValueError):
            sealed.unseal(bytes(edited), KEY)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_edit_opens(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(FILE)))
    end = data.draw(st.integers(start, len(FILE)))
    edited = FILE[:start] + data.draw(st.binary(max_size=40)) + FILE[end:]
    if edited != FILE:
        with pytest.raises(ValueError):
            sealed.unseal(edited, KEY)


@pytest.mark.parametrize("length", range(len(FILE)))
def test_a_file_that_is_cut_short_does_not_open(length: int) -> None:
    with pytest.raises(ValueError):
        sealed.unseal(FILE[:length], KEY)


@pytest.mark.parametrize(
    "cost",
    [
        sealed.Cost(memory_kib=2**32 - 1),
        sealed.Cost(iterations=2**32 - 1),
        sealed.Cost(lanes=255),
        sealed.Cost(memory_kib=8, lanes=4),
        sealed.Cost(iterations=0),
        sealed.Cost(lanes=0),
    ],
)
def test_a_header_cannot_ask_for_an_absurd_key_derivation(cost: sealed.Cost) -> None:
    file = sealed.seal(CONTENT, sealed.Key(cost, KEY.salt, KEY.master))
    with pytest.raises(ValueError, match="absurd"):
        sealed.read_header(file)


def test_neither_file_nor_repr_shows_content_or_key() -> None:
    assert b"work" not in FILE
    assert KEY.master not in FILE
    assert KEY.cipher_key() not in FILE
    assert repr(KEY.master) not in repr(KEY)


def test_every_write_has_a_nonce_of_its_own() -> None:
    nonces = {sealed.read_header(sealed.seal(CONTENT, KEY)).nonce for _ in range(100)}
    assert len(nonces) == 100


def test_many_threads_may_derive_keys_at_once() -> None:
    # With as many lanes as the default has: these are what two derivations contend for.
    cost = sealed.Cost(memory_kib=8 * 1024, iterations=1, lanes=4)

    def derive() -> None:
        for _ in range(30):
            sealed.derive("passphrase", cost, b"0" * 16)

    threads = [threading.Thread(target=derive, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
