"""The stores of other tools, and looking around in all of them. Nothing is unlocked or asked while looking.

aws-vault (of both makers), Granted and aws-sso-cli keep their items by the same keyring library, each under names of
its own: a folder of encrypted files, a collection of the Secret Service, a folder of `pass` or `passage`.
"""

import json
import os
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shellvault.importing import encrypted_files, items, plaintext
from shellvault.importing.found import AskPassphrase, Found, Source
from shellvault.importing.items import ImportingError
from shellvault.variables import for_children
from shellvault.vault import StoredKeys

#: Seconds in which `pass` must have answered; gpg may ask for a passphrase meanwhile.
PASS_SECONDS = 60.0

#: Most bytes that `pass` may print.
PASS_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Maker:
    """A tool, and the names under which it keeps items where nobody has changed them."""

    source: Source
    title: str
    folders: Callable[[Mapping[str, str]], list[Path]]
    passphrases: tuple[str, ...]
    """The variables that hold the passphrase of its encrypted files."""
    collection: str
    pass_prefix: str


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or Path.home())


def _aws_vault_folders(environment: Mapping[str, str]) -> list[Path]:
    given = environment.get("AWS_VAULT_FILE_DIR")
    return [Path(os.path.expanduser(given)) if given else _home(environment) / ".awsvault" / "keys"]  # noqa: PTH111


def _granted_folders(environment: Mapping[str, str]) -> list[Path]:
    return [_home(environment) / ".granted" / "secure-storage-aws-iam-credentials"]


def _aws_sso_folders(environment: Mapping[str, str]) -> list[Path]:
    configuration = environment.get("XDG_CONFIG_HOME") or str(_home(environment) / ".config")
    return [_home(environment) / ".aws-sso" / "secure", Path(configuration) / "aws-sso" / "secure"]


MAKERS = (
    Maker("aws-vault", "aws-vault", _aws_vault_folders, ("AWS_VAULT_FILE_PASSPHRASE",), "awsvault", ""),
    Maker(
        "granted",
        "Granted",
        _granted_folders,
        ("CF_KEYRING_FILE_PASSWORD",),
        "granted-aws-iam-credentials",
        "granted-aws-iam-credentials",
    ),
    Maker("aws-sso", "aws-sso-cli", _aws_sso_folders, ("AWS_SSO_FILE_PASSWORD",), "awsssocli", "aws-sso-cli"),
)

#: The one item in which aws-sso-cli keeps everything.
_AWS_SSO_RECORDS = "aws-sso-cli-records"


def look_around(
    environment: Mapping[str, str], config_path: Path, profiles: Collection[str]
) -> tuple[list[Found], list[str]]:
    """Every key pair that lies around, and a line for each place that could not be looked into.

    `profiles` are the names in the config file: where a store is shared with other things, only they count.
    """
    places: list[tuple[str, Callable[[], Iterator[Found]]]] = [
        (
            "the credentials file",
            lambda: plaintext.in_file(plaintext.credentials_path(environment), is_config=False),
        ),
        ("the config file", lambda: plaintext.in_file(config_path, is_config=True)),
        ("the environment", lambda: plaintext.in_environment(environment, "default")),
    ]
    for maker in MAKERS:
        places += [
            (f"{maker.title}'s encrypted files", lambda maker=maker: _in_folders(maker, environment)),  # type: ignore[misc]
            (f"{maker.title} in the Secret Service", lambda maker=maker: _in_collection(maker, environment)),  # type: ignore[misc]
            (f"{maker.title} in pass", lambda maker=maker: _in_pass(maker, environment, profiles)),  # type: ignore[misc]
        ]
    found: list[Found] = []
    troubles: list[str] = []
    for title, look in places:
        try:
            found += look()
        except Exception as error:
            # Whatever another tool's store does: the other places are still of use.
            troubles.append(f"{title}: {str(error) or type(error).__name__}")
    return found, troubles


def _in_folders(maker: Maker, environment: Mapping[str, str]) -> Iterator[Found]:
    given = next(filter(None, map(environment.get, maker.passphrases)), None)
    for folder in maker.folders(environment):
        opened: dict[str, str] = {} if given is None else {"passphrase": given}
        for key, path in encrypted_files.keys_in(folder):

            def read(ask: AskPassphrase, path: Path = path, opened: dict[str, str] = opened) -> bytes:
                passphrase = opened.get("passphrase")
                if passphrase is None:
                    passphrase = ask(f"{maker.title}'s files in {path.parent}")
                data = encrypted_files.data_in(path, passphrase)
                # The same one opens all files of a folder; it is asked for again only where it was wrong.
                opened["passphrase"] = passphrase
                return data

            yield from _pairs(maker, key, f"{maker.title}: {path}", read)


def _in_collection(maker: Maker, environment: Mapping[str, str]) -> Iterator[Found]:
    from shellvault.vault.backends import bus_address

    address = bus_address(environment)
    if address is None:
        return
    from shellvault.vault import secret_service

    with closing(secret_service.connect(address)) as connection:
        for key in secret_service.keys_in_collection(connection, maker.collection):
            if not (items.is_profile(key) and (maker.source != "aws-sso" or key == _AWS_SSO_RECORDS)):
                continue
            where = f"{maker.title}: collection {maker.collection} of the Secret Service, item {key!r}"

            def read(_: AskPassphrase, key: str = key, where: str = where) -> bytes:
                with closing(secret_service.connect(address)) as connection:
                    secret = secret_service.secret_in_collection(connection, maker.collection, key)
                return items.data_of(secret, where)

            yield from _pairs(maker, key, where, read)


def _in_pass(maker: Maker, environment: Mapping[str, str], profiles: Collection[str]) -> Iterator[Found]:
    """The items of `pass` and `passage`; the names of their files are the names of the items."""
    home = _home(environment)
    stores = (
        (
            "pass",
            environment.get("AWS_VAULT_PASS_PASSWORD_STORE_DIR") or environment.get("PASSWORD_STORE_DIR"),
            ".gpg",
        ),
        ("passage", environment.get("PASSAGE_DIR"), ".age"),
    )
    prefix = (
        environment.get("AWS_VAULT_PASS_PREFIX", "") if maker.source == "aws-vault" else maker.pass_prefix
    )
    for program, given, suffix in stores:
        default = home / (".password-store" if program == "pass" else ".passage/store")
        root = Path(given) if given else default
        folder = root / prefix if prefix else root
        for path in sorted(folder.glob(f"*{suffix}")) if folder.is_dir() else ():
            key = path.name.removesuffix(suffix)
            if not items.is_profile(key) or (maker.source == "aws-sso" and key != _AWS_SSO_RECORDS):
                continue
            if not prefix and key not in profiles:
                continue  # a person's other passwords lie there too
            name = f"{prefix}/{key}" if prefix else key
            where = f"{maker.title}: {program} {name}"

            def read(
                _: AskPassphrase,
                program: str = program,
                name: str = name,
                where: str = where,
                root: Path = root,
            ) -> bytes:
                variables = {"PASSWORD_STORE_DIR": str(root), "PASSAGE_DIR": str(root)}
                return items.data_of(
                    _printed(program, name, where, for_children(environment) | variables), where
                )

            yield from _pairs(maker, key, where, read)


def _pairs(maker: Maker, key: str, where: str, read: Callable[[AskPassphrase], bytes]) -> Iterator[Found]:
    """What an item holds: one pair, or for aws-sso-cli all of its static credentials once it is opened."""
    if maker.source == "aws-sso":
        if key == _AWS_SSO_RECORDS:
            yield Found(maker.source, "static credentials", where, lambda ask: only_static(read(ask), where))
        return
    yield Found(maker.source, key, where, lambda ask: items.keys_of(read(ask), where))


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


def _printed(program: str, name: str, where: str, environment: Mapping[str, str]) -> bytes:
    """What `pass show` prints. Raises ImportingError when it fails or takes too long."""
    try:
        done = subprocess.run(
            [program, "show", "--", name],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PASS_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImportingError(f"{where}: {program} cannot be run or does not answer") from error
    if done.returncode or len(done.stdout) > PASS_BYTES:
        raise ImportingError(f"{where}: {program} does not show it: unlock its key, then try again")
    return done.stdout
