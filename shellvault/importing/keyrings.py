"""The items of other tools in this machine's keyrings: Secret Service, KWallet and the kernel's.

Unlocks nothing: a locked keyring raises an error.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing

from shellvault.errors import VaultError
from shellvault.importing import items
from shellvault.importing.found import AskPassphrase, Found, Hint
from shellvault.importing.makers import KeyTool, found_in, with_keys
from shellvault.vault import bus_address

#: The backends whose modules this file imports.
BACKENDS = ("secret-service", "kwallet", "keyctl")


def in_collection(maker: KeyTool, environment: Mapping[str, str], hint: Hint) -> Iterator[Found]:
    """The items in the tool's Secret Service collection. Raises VaultError and D-Bus errors."""
    address = bus_address.of_session(environment)
    if address is None:
        return
    from shellvault.vault import secret_service

    collection = secret_service.OtherCollection(address, maker.collection)
    for key in with_keys(maker, collection.keys(), hint):
        where = f"{maker.title}: collection {maker.collection} of the Secret Service, item {key!r}"

        def read(_: AskPassphrase, key: str = key, where: str = where) -> bytes:
            return items.data_of(collection.secret(key), where)

        yield found_in(maker, key, where, read, f"the collection {maker.collection} of the Secret Service")


def in_wallet(maker: KeyTool, environment: Mapping[str, str], hint: Hint) -> Iterator[Found]:
    """The items in the tool's wallet. Raises VaultError and D-Bus errors."""
    address = bus_address.of_session(environment)
    if address is None:
        return
    from keyring.errors import KeyringLocked

    from shellvault.vault import kwallet

    wallet = maker.service
    if wallet not in kwallet.wallets(address):
        return
    try:
        with closing(kwallet.KWalletKeyring(address, None, wallet)) as keyring:
            keys = keyring.names(maker.service)
    except KeyringLocked:
        raise VaultError(f"the wallet {wallet} is closed: open it in KDE's wallet manager") from None
    # One connection for all entries: opened by the first read.
    reader = kwallet.KWalletKeyring(address, None, wallet)
    for key in with_keys(maker, keys, hint):
        where = f"{maker.title}: wallet {wallet} of KWallet, entry {key!r}"

        def read(_: AskPassphrase, key: str = key, where: str = where) -> bytes:
            return items.data_of(reader.data(maker.service, key), where)

        yield found_in(maker, key, where, read, f"the wallet {wallet} of KWallet")


def in_kernel(maker: KeyTool, hint: Hint) -> Iterator[Found]:
    """The items in the kernel keyring of this user, which holds the plain data. Raises VaultError."""
    from shellvault.vault import kernel_keyring

    if not kernel_keyring.presence().usable:
        return
    keyring = kernel_keyring.KernelKeyring({}, maker.service)
    for key in with_keys(maker, keyring.names(), hint):
        where = f"{maker.title}: keyring {maker.service} of the kernel, key {key!r}"

        def read(_: AskPassphrase, key: str = key) -> bytes:
            return (keyring.get_password(maker.service, key) or "").encode("utf-8", "surrogateescape")

        yield found_in(maker, key, where, read, f"the keyring {maker.service} of the kernel")
