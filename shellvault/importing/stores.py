"""Searches the stores of other tools. The search unlocks nothing and asks nothing.

Tools with the shared keyring library (see `makers`) store items in a folder of encrypted files, in a keyring of this
machine (see `keyrings`), or in a folder of `pass` or `passage`.
"""

import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from shellvault import threads
from shellvault.importing import encrypted_files, items, keyrings, plaintext
from shellvault.importing.found import AskPassphrase, Found, Hint, Source, Surroundings
from shellvault.importing.items import ImportingError
from shellvault.importing.makers import KeyTool, found_in, home_of, in_json_store, makers, with_keys
from shellvault.variables import for_programs
from shellvault.vault import backends

#: Deadline for `pass` in seconds; gpg may ask for a passphrase.
PASS_SECONDS = 60.0

#: Most bytes that `pass` may print.
PASS_BYTES = 1024 * 1024


#: Folders in a password store that are not aws-vault's: those of shellvault and the other tools.
_OTHERS = ("shellvault/", "granted-", "aws-sso-cli-records")


#: Folders in a password store that are no folders of items: git's, and the extensions of pass.
_NOT_ITEMS = frozenset({".git", ".extensions"})


class _Place(NamedTuple):
    source: Source
    title: str
    look: Callable[[Hint], Iterable[Found]]


def look_around(
    environment: Mapping[str, str],
    config_path: Path,
    profiles: Collection[str],
    source: Source | None = None,
) -> Surroundings:
    """Every key pair on this machine, or only those of `source`.

    `profiles` are the names in the config file and on the command line: in a store shared with other items, only those
    are taken.
    """
    credentials = plaintext.credentials_path(environment)
    places = [
        _Place(
            "credentials-file",
            "the credentials file",
            lambda _: plaintext.in_file(credentials, is_config=False),
        ),
        _Place(
            "credentials-file", "the config file", lambda _: plaintext.in_file(config_path, is_config=True)
        ),
        _Place("env", "the environment", lambda _: plaintext.in_environment(environment, "default")),
        _Place("aws-sso", "aws-sso-cli's store.json", lambda _: in_json_store(environment)),
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
            _Place(name, f"{title} in pass", partial(_in_pass, maker, environment, profiles)),
        ]
    places = [place for place in places if source in (None, place.source)]
    # In parallel: a keyring that does not answer takes seconds.
    looked = threads.at_once(
        _look, places, modules=["keyring.errors", *backends.modules(keyrings.BACKENDS, environment)]
    )
    troubles: dict[str, list[str]] = {}
    for place, (_, trouble, _) in zip(places, looked, strict=True):
        if trouble:
            troubles.setdefault(trouble, []).append(place.title)
    lines = [f"{', '.join(titles)}: {trouble}" for trouble, titles in troubles.items()]
    found = tuple(each for found, _, _ in looked for each in found)
    return Surroundings(found, tuple(lines), tuple(hint for _, _, hints in looked for hint in hints))


def _look(place: _Place) -> tuple[list[Found], str | None, list[str]]:
    """The pairs in a place, its trouble if it could not be searched, and hints about what was left out."""
    hints: list[str] = []
    try:
        return list(place.look(lambda hint: hints.append(f"{place.title}: {hint}"))), None, hints
    except TimeoutError:
        return [], "it has not answered in time", hints
    except Exception as error:
        # One bad store must not hide the others.
        return [], str(error) or type(error).__name__, hints


def _in_folders(maker: KeyTool, environment: Mapping[str, str], hint: Hint) -> Iterator[Found]:
    given = environment.get(maker.variable)
    tried = [each for each in (given or None, maker.default_passphrase) if each is not None]
    for folder in dict.fromkeys(maker.folders):
        paths = dict(encrypted_files.keys_in(folder))
        keys = with_keys(maker, paths, hint)
        others = [key for key in keys if not encrypted_files.is_item(paths[key])]
        if others:
            hint(f"left out, since they are no items: {', '.join(map(repr, others))}")
        keys = [key for key in keys if key not in others]
        opened = encrypted_files.Folder(maker.title, maker.variable, tried, [paths[key] for key in keys])
        for key in keys:
            path = paths[key]
            yield found_in(maker, key, f"{maker.title}: {path}", partial(opened.data, path), str(folder))


def _in_pass(
    maker: KeyTool, environment: Mapping[str, str], profiles: Collection[str], hint: Hint
) -> Iterator[Found]:
    """The items of `pass` and `passage`; their names are file paths."""
    home = home_of(environment)
    stores = (
        (
            "pass",
            maker.pass_store or environment.get("PASSWORD_STORE_DIR") or home / ".password-store",
            ".gpg",
        ),
        (
            "passage",
            maker.pass_store or environment.get("PASSAGE_DIR") or home / ".passage" / "store",
            ".age",
        ),
    )
    for program, root, suffix in stores:
        folder = Path(root, maker.pass_prefix)
        keys = [
            path.relative_to(folder).as_posix().removesuffix(suffix)
            for path in sorted(folder.rglob(f"*{suffix}"))
            if _NOT_ITEMS.isdisjoint(path.relative_to(folder).parts[:-1])
        ]
        others = 0
        for key in with_keys(maker, keys, hint):
            if maker.source == "aws-vault" and not maker.pass_prefix and key not in profiles:
                # The store also holds other passwords.
                others += not key.startswith(_OTHERS)
                continue
            name = f"{maker.pass_prefix}/{key}" if maker.pass_prefix else key
            where = f"{maker.title}: {program} {name}"
            variables = {"PASSWORD_STORE_DIR": str(root), "PASSAGE_DIR": str(root)}
            read = partial(
                _shown, maker.pass_command or program, name, where, for_programs(environment) | variables
            )
            yield found_in(maker, key, where, read, f"{program}, {root}", by_program=True)
        if others:
            hint(
                f"{others} more item{'s' * (others != 1)} not named after a profile: "
                f"import one with `shellvault import {maker.source} NAME`"
            )


def _shown(program: str, name: str, where: str, environment: Mapping[str, str], _: AskPassphrase) -> bytes:
    """The data of an item of `pass`. Raises ImportingError."""
    return items.data_of(_printed(program, name, where, environment), where)


def _printed(program: str, name: str, where: str, environment: Mapping[str, str]) -> bytes:
    """The output of `pass show`. Raises ImportingError when it fails or takes too long."""
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
        raise ImportingError(f"{where}: {program} cannot decrypt it: unlock its key, then try again")
    return done.stdout
