"""The stores of other tools, and looking around in all of them. Nothing is unlocked or asked while looking.

What shares a keyring library (see `makers`) lies in a folder of encrypted files, in a keyring of this machine (see
`keyrings`), or in a folder of `pass` or `passage`.
"""

import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from shellvault import threads
from shellvault.importing import encrypted_files, items, keyrings, plaintext
from shellvault.importing.found import AskPassphrase, Found
from shellvault.importing.items import ImportingError
from shellvault.importing.makers import MAKERS, Maker, found_in, holds_keys, home_of
from shellvault.variables import for_programs
from shellvault.vault import backends

#: Seconds in which `pass` must have answered; gpg may ask for a passphrase meanwhile.
PASS_SECONDS = 60.0

#: Most bytes that `pass` may print.
PASS_BYTES = 1024 * 1024


class _Place(NamedTuple):
    title: str
    look: Callable[[], Iterable[Found]]


def look_around(
    environment: Mapping[str, str], config_path: Path, profiles: Collection[str]
) -> tuple[list[Found], list[str]]:
    """Every key pair that lies around, and a line for each place that could not be looked into.

    `profiles` are the names in the config file: where a store is shared with other things, only they count.
    """
    credentials = plaintext.credentials_path(environment)
    places = [
        _Place("the credentials file", partial(plaintext.in_file, credentials, is_config=False)),
        _Place("the config file", partial(plaintext.in_file, config_path, is_config=True)),
        _Place("the environment", partial(plaintext.in_environment, environment, "default")),
    ]
    for maker in MAKERS:
        places += [
            _Place(f"{maker.title}'s encrypted files", partial(_in_folders, maker, environment)),
            _Place(
                f"{maker.title} in the Secret Service", partial(keyrings.in_collection, maker, environment)
            ),
            _Place(f"{maker.title} in KWallet", partial(keyrings.in_wallet, maker, environment)),
            _Place(f"{maker.title} in the kernel's keyring", partial(keyrings.in_kernel, maker)),
            _Place(f"{maker.title} in pass", partial(_in_pass, maker, environment, profiles)),
        ]
    # At once: a keyring that does not answer takes seconds to say so.
    looked = threads.at_once(
        _look, places, modules=["keyring.errors", *backends.modules(keyrings.BACKENDS, environment)]
    )
    troubles: dict[str, list[str]] = {}
    for place, (_, trouble) in zip(places, looked, strict=True):
        if trouble:
            troubles.setdefault(trouble, []).append(place.title)
    lines = [f"{', '.join(titles)}: {trouble}" for trouble, titles in troubles.items()]
    return [each for found, _ in looked for each in found], lines


def _look(place: _Place) -> tuple[list[Found], str | None]:
    try:
        return list(place.look()), None
    except TimeoutError:
        return [], "it has not answered in time"
    except Exception as error:
        # Whatever another tool's store does: the other places are still of use.
        return [], str(error) or type(error).__name__


def _in_folders(maker: Maker, environment: Mapping[str, str]) -> Iterator[Found]:
    given = next(filter(None, map(environment.get, maker.passphrases)), None)
    for folder in maker.folders(environment):
        opened: dict[str, str] = {} if given is None else {"passphrase": given}
        for key, path in encrypted_files.keys_in(folder):
            if not holds_keys(maker, key):
                continue

            def read(ask: AskPassphrase, path: Path = path, opened: dict[str, str] = opened) -> bytes:
                passphrase = opened.get("passphrase")
                if passphrase is None:
                    passphrase = ask(f"{maker.title}'s files in {path.parent}")
                data = encrypted_files.data_in(path, passphrase)
                # The same one opens all files of a folder; it is asked for again only where it was wrong.
                opened["passphrase"] = passphrase
                return data

            yield found_in(maker, key, f"{maker.title}: {path}", read)


def _in_pass(maker: Maker, environment: Mapping[str, str], profiles: Collection[str]) -> Iterator[Found]:
    """The items of `pass` and `passage`; the names of their files are the names of the items."""
    home = home_of(environment)
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
            if not holds_keys(maker, key):
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
                    _printed(program, name, where, for_programs(environment) | variables), where
                )

            yield found_in(maker, key, where, read)


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
