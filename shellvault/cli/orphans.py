"""What `doctor` says of items in the vault that nothing names, and the removal of those that are of no use."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from shellvault import here
from shellvault.cli import provider
from shellvault.client import agent as client
from shellvault.deadline import within
from shellvault.dialogue import prompters
from shellvault.doctor.finding import Finding
from shellvault.errors import NeedsPersonError, ShellvaultError
from shellvault.protocol import Message
from shellvault.variables import PASSPHRASE_VARIABLES
from shellvault.vault import backends

#: Seconds for a check that was not asked for.
DEADLINE = 1.5

#: Each kind of removable item: singular and plural.
_WORDS = {
    "keys": ("copy of stored keys", "copies of stored keys"),
    "part": ("half-written part", "half-written parts"),
    "session": ("session", "sessions"),
    "sign-in": ("sign-in", "sign-ins"),
}

Operate = Callable[[Message], Message]


def check(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Checks the vault if it is open and no person has to be asked; gives up on a slow one."""
    operate = _open_quietly(environment)
    if operate is None:
        return
    try:
        yield from within(DEADLINE, lambda: list(findings(operate)))
    except (TimeoutError, NeedsPersonError):
        return


def findings(operate: Operate, fix: str = "`shellvault doctor --fix`") -> Iterator[Finding]:
    """What there is to say of the vault's items; `fix` is the command that removes those that can go."""
    listed = operate({"do": "orphans"})
    where = f"the vault ({listed['backend']})"
    safe = [each for each in listed["orphans"] if each["is_safe"]]
    if safe:
        what = f"it holds what nothing names any more: {_counted(safe)}"
        yield Finding("vault-items", "advice", where, what, fix, partial(_remove, where, operate))
    for each in listed["orphans"]:
        if not each["is_safe"]:
            kind, name = each["kind"], each["name"]
            what = f"it holds {'a rotation' if kind == 'rotation' else 'keys'} of {name} that no list names"
            remedy = f"`shellvault remove {name}`; to go on with these keys, `shellvault add {name}`"
            yield Finding("vault-items", "advice", where, what, remedy)


def _remove(where: str, operate: Operate) -> str:
    removed = operate({"do": "remove-orphans"})["orphans"]
    return f"{where}: removed what nothing named ({_counted(removed)})"


def _counted(orphans: Iterable[Mapping[str, Any]]) -> str:
    counts = Counter(each["kind"] for each in orphans)
    return ", ".join(f"{count} {_WORDS[kind][count > 1]}" for kind, count in sorted(counts.items()))


def _open_quietly(environment: Mapping[str, str]) -> Operate | None:
    """Runs operations on the vault without asking; None if a person might have to be asked."""
    # Without a display no keyring shows a dialog.
    quiet = {name: value for name, value in environment.items() if name not in backends.DISPLAYS}
    try:
        places = {backends.choose(None, quiet).backend, backends.session_backend(quiet)}
    except ShellvaultError:
        # The check of the vault reports it.
        return None
    records = [backends.RECORDS[place] for place in places if place in backends.RECORDS]
    if any(record.asks == "anywhere" for record in records) or not _is_open(places, quiet):
        return None
    return provider.vault_operations(None, quiet, prompters.choose("none", quiet))


def _is_open(places: Iterable[str | None], environment: Mapping[str, str]) -> bool:
    if "file" in places:
        if not here.agent_allowed(environment):
            return any(environment.get(name) for name in PASSPHRASE_VARIABLES)
        try:
            found = client.status(environment)
        except ShellvaultError:
            found = None
        if found is None or str(backends.file_path(environment)) not in found["unlocked"]:
            return False
    usable = {status.name for status in backends.probe(environment) if status.usable}
    return {place for place in places if place in backends.BACKENDS} <= usable
