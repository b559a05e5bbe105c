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
from shellvault.importing.found import AskPassphrase, Found, Source, Surroundings
from shellvault.importing.items import ImportingError
from shellvault.importing.makers import Maker, found_in, holds_keys, home_of, in_json_store, makers
from shellvault.variables import for_programs
from shellvault.vault import backends

#: Seconds in which `pass` must have answered; gpg may ask for a passphrase meanwhile.
PASS_SECONDS = 60.0

#: Most bytes that `pass` may print.
PASS_BYTES = 1024 * 1024


#: What in a store of passwords is no item of aws-vault's: ours, and the other tools'.
_OTHERS = ("shellvault/", "granted-", "aws-sso-cli-records")


class _Place(NamedTuple):
    source: Source
    title: str
    look: Callable[[], Iterable[Found]]


def look_around(
    environment: Mapping[str, str],
    config_path: Path,
    profiles: Collection[str],
    source: Source | None = None,
) -> Surroundings:
    """Every key pair that lies around, or that lies where `source` keeps its.

    `profiles` are the names in the config file, and those that a person has asked for: where a store is shared with
    other things, only they count.
    """
    credentials = plaintext.credentials_path(environment)
    hints: list[str] = []
    places = [
        _Place(
            "credentials-file",
            "the credentials file",
            partial(plaintext.in_file, credentials, is_config=False),
        ),
        _Place(
            "credentials-file", "the config file", partial(plaintext.in_file, config_path, is_config=True)
        ),
        _Place("env", "the environment", partial(plaintext.in_environment, environment, "default")),
        _Place("aws-sso", "aws-sso-cli's store.json", partial(in_json_store, environment)),
    ]
    for maker in makers(environment):
        name, title = maker.source, maker.title
        places += [
            _Place(name, f"{title}'s encrypted files", partial(_in_folders, maker, environment)),
            _Place(
                name, f"{title} in the Secret Service", partial(keyrings.in_collection, maker, environment)
            ),
            _Place(name, f"{title} in KWallet", partial(keyrings.in_wallet, maker, environment)),
            _Place(name, f"{title} in the kernel's keyring", partial(keyrings.in_kernel, maker)),
            _Place(name, f"{title} in pass", partial(_in_pass, maker, environment, profiles, hints.append)),
        ]
    places = [place for place in places if source in (None, place.source)]
    # At once: a keyring that does not answer takes seconds to say so.
    looked = threads.at_once(
        _look, places, modules=["keyring.errors", *backends.modules(keyrings.BACKENDS, environment)]
    )
    troubles: dict[str, list[str]] = {}
    for place, (_, trouble) in zip(places, looked, strict=True):
        if trouble:
            troubles.setdefault(trouble, []).append(place.title)
    lines = [f"{', '.join(titles)}: {trouble}" for trouble, titles in troubles.items()]
    return Surroundings(tuple(each for found, _ in looked for each in found), tuple(lines), tuple(hints))


def _look(place: _Place) -> tuple[list[Found], str | None]:
    try:
        return list(place.look()), None
    except TimeoutError:
        return [], "it has not answered in time"
    except Exception as error:
        # Whatever another tool's store does: the other places are still of use.
        return [], str(error) or type(error).__name__


def _in_folders(maker: Maker, environment: Mapping[str, str]) -> Iterator[Found]:
    given = environment.get(maker.variable)
    tried = [each for each in (given or None, maker.default_passphrase) if each is not None]
    for folder in dict.fromkeys(maker.folders):
        paths = [(key, path) for key, path in encrypted_files.keys_in(folder) if holds_keys(maker, key)]
        opened = encrypted_files.Folder(maker.title, maker.variable, tried, [path for _, path in paths])
        for key, path in paths:
            yield found_in(maker, key, f"{maker.title}: {path}", partial(opened.data, path), str(folder))


def _in_pass(
    maker: Maker, environment: Mapping[str, str], profiles: Collection[str], hint: Callable[[str], None]
) -> Iterator[Found]:
    """The items of `pass` and `passage`: their names are the paths of their files."""
    home = home_of(environment)
    stores = (
        (
            "pass",
            maker.pass_store or environment.get("PASSWORD_STORE_DIR") or home / ".password-store",
            ".gpg",
        ),
        ("passage", environment.get("PASSAGE_DIR") or home / ".passage" / "store", ".age"),
    )
    for program, root, suffix in stores:
        folder = Path(root, maker.pass_prefix)
        keys = [
            path.relative_to(folder).as_posix().removesuffix(suffix)
            for path in sorted(folder.rglob(f"*{suffix}"))
            if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        ]
        others = 0
        for key in filter(partial(holds_keys, maker), keys):
            if maker.source == "aws-vault" and not maker.pass_prefix and key not in profiles:
                # A person's other passwords, and other programs', lie there too.
                others += not key.startswith(_OTHERS)
                continue
            name = f"{maker.pass_prefix}/{key}" if maker.pass_prefix else key
            where = f"{maker.title}: {program} {name}"
            variables = {"PASSWORD_STORE_DIR": str(root), "PASSAGE_DIR": str(root)}
            read = partial(_shown, program, name, where, for_programs(environment) | variables)
            yield found_in(maker, key, where, read, f"{program}, {root}")
        if others:
            hint(
                f"{program} has {others} more item{'s' * (others != 1)} whose name is no profile's: "
                f"`shellvault import {maker.source} NAME` looks into one"
            )


def _shown(program: str, name: str, where: str, environment: Mapping[str, str], _: AskPassphrase) -> bytes:
    """The data of an item of `pass`. Raises ImportingError."""
    return items.data_of(_printed(program, name, where, environment), where)


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
