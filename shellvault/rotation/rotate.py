"""One rotation in steps. If a step fails, the next run completes the rotation.

The steps: note the present keys → create → store the new pair in the note → prove it → replace the old pair
→ make the old key inactive → delete it. The note in the vault records the next step, so that the next run can
resume one that was killed or refused by AWS. The old pair is kept until the new one is proved. So no secret ever
exists only in memory.

It needs iam:CreateAccessKey and iam:DeleteAccessKey. Without the right to list or deactivate keys, it goes on.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from shellvault.display import printable
from shellvault.errors import SessionError, ShellvaultError, VaultError
from shellvault.profiles.grammar import word
from shellvault.rotation.access_keys import AccessKey, AccessKeys
from shellvault.sessions.refusals import RefusedError
from shellvault.vault import StoredKeys

#: Most access keys of a user (IAM User Guide, quotas).
LIMIT = 2
#: Seconds to wait until IAM knows a new key everywhere; the first and the longest pause between two attempts.
PROOF_SECONDS, FIRST_PAUSE, LONGEST_PAUSE = 60.0, 0.5, 4.0


class KeyStore(Protocol):
    """The vault's methods that rotation uses."""

    def load_keys(self, name: str) -> StoredKeys:
        """The key pair of `name`. Raises VaultError."""

    def save_keys(self, name: str, access_key_id: str, secret_access_key: str) -> None:
        """Replaces the key pair and reads it back. Raises VaultError; the old one is intact then."""

    def load_rotation(self, name: str) -> dict[str, Any] | None:
        """The note of an unfinished rotation. Raises VaultError."""

    def save_rotation(self, name: str, note: dict[str, Any]) -> None:
        """Stores the note and reads it back. Raises VaultError."""

    def remove_rotation(self, name: str) -> None:
        """Removes the note. Raises VaultError."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """The result: the ids, and the state of the old key."""

    name: str
    old_id: str
    new_id: str
    created_at: int | None
    old_is: Literal["deleted", "inactive"]
    was_under_way: bool


@dataclass(frozen=True, slots=True)
class Rotation:
    """The parameters of a rotation. `tell` shows a line of progress."""

    name: str
    store: KeyStore
    access_keys: AccessKeys
    tell: Callable[[str], None]
    keep_old: bool = False
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


def rotate(rotation: Rotation) -> Rotated:
    """Replaces the stored keys of a name by new ones, or completes an unfinished rotation.

    Raises SessionError and VaultError; the keys in the vault work in any case.
    """
    note = rotation.store.load_rotation(rotation.name)
    was_under_way = bool(note and "new_id" in note)
    if note and not was_under_way:
        # It stopped around CreateAccessKey: the secret of a key made since then is lost.
        _delete_orphans(rotation, note)
    if not note or not was_under_way:
        note = _new_pair(rotation)
    else:
        rotation.tell(f"completing the unfinished rotation of {printable(rotation.name)}")
    return _completed(rotation, note, was_under_way)


def listed(access_keys: AccessKeys) -> list[AccessKey] | None:
    """Every access key of the user; None if the user may not list them. Raises SessionError."""
    try:
        return access_keys.all()
    except RefusedError as error:
        if error.reason != "denied":
            raise
        return None


def _new_pair(rotation: Rotation) -> dict[str, Any]:
    """Creates a key pair and returns its note, stored in the vault."""
    old = rotation.store.load_keys(rotation.name)
    present = listed(rotation.access_keys)
    if present is not None:
        _check_room(rotation, old.access_key_id, present)
    before = {
        "old_id": old.access_key_id,
        "old_secret": old.secret_access_key,
        "present": None if present is None else sorted(key.access_key_id for key in present),
    }
    rotation.store.save_rotation(rotation.name, before)
    new, created_at = _created(rotation, old.access_key_id)
    note = before | {
        "new_id": new.access_key_id,
        "new_secret": new.secret_access_key,
        "created_at": created_at,
    }
    try:
        rotation.store.save_rotation(rotation.name, note)
    except ShellvaultError as error:
        raise _taken_back(
            rotation, new.access_key_id, f"the vault has not kept the new key: {error}"
        ) from error
    return note


def _created(rotation: Rotation, old_id: str) -> tuple[StoredKeys, int]:
    """A new key pair. Raises SessionError, which says what holds now."""
    name = printable(rotation.name)
    try:
        return rotation.access_keys.create()
    except RefusedError as error:
        rotation.store.remove_rotation(rotation.name)
        raise SessionError(
            f"{error}; nothing was changed: {old_id} of {name} is in use as before "
            "(this step needs iam:CreateAccessKey, and room for a second key)"
        ) from error
    except SessionError as error:
        raise SessionError(
            f"{error}; {old_id} of {name} is in use as before. If AWS has made a new key anyway, the next "
            f"`shellvault rotate {word(rotation.name)}` deletes it"
        ) from error


def _check_room(rotation: Rotation, old_id: str, present: list[AccessKey]) -> None:
    """Raises SessionError when IAM has no room for one more key, or does not know the stored one."""
    if old_id not in (key.access_key_id for key in present):
        raise SessionError(
            f"the stored key {old_id} of {printable(rotation.name)} is not among that user's access keys: "
            f"store the right one with `shellvault add`"
        )
    if len(present) < LIMIT:
        return
    other = next(key for key in present if key.access_key_id != old_id)
    state = "active" if other.is_active else "inactive"
    try:
        used = rotation.access_keys.last_used(other.access_key_id)
        since = f"last used {_date(used)}" if used else f"never used since {_date(other.created_at)}"
    except RefusedError:
        since = f"made {_date(other.created_at)}"
    raise SessionError(
        f"{printable(rotation.name)} has two access keys, and IAM allows no third: {other.access_key_id} is not "
        f"in the vault ({state}, {since}): delete it in IAM if it is not needed, then rotate again"
    )


def _delete_orphans(rotation: Rotation, note: dict[str, Any]) -> None:
    """Deletes the key that CreateAccessKey made just before the last run ended: its secret is lost."""
    old_id, before, now = note.get("old_id"), note.get("present"), listed(rotation.access_keys)
    if before is None or now is None:
        rotation.tell(
            f"a rotation was stopped while AWS made a key: if {printable(rotation.name)} has another one than "
            f"{old_id}, delete it in IAM (with iam:ListAccessKeys it is found here)"
        )
    else:
        for key in now:
            if key.access_key_id not in (old_id, *before):
                rotation.tell(f"deleting {key.access_key_id}, which a rotation made that was stopped")
                rotation.access_keys.delete(key.access_key_id)
    rotation.store.remove_rotation(rotation.name)


def _completed(rotation: Rotation, note: dict[str, Any], was_under_way: bool) -> Rotated:
    """Performs the steps from the proof on. Repeating a finished step is harmless."""
    name, store = rotation.name, rotation.store
    old_id, new = note["old_id"], StoredKeys(note["new_id"], note["new_secret"])
    if store.load_keys(name) != new:
        try:
            _patiently(rotation, lambda: rotation.access_keys.identity(new))
        except ShellvaultError as error:
            raise _taken_back(rotation, new.access_key_id, str(error)) from error
        _put_in_place(rotation, note, new)
    rotation.access_keys.sign_with(new)
    old_is = _retired(rotation, old_id, new.access_key_id)
    try:
        store.remove_rotation(name)
    except ShellvaultError as error:
        raise SessionError(
            f"{error}; the new key {new.access_key_id} of {printable(name)} is in the vault and works, the old key "
            f"{old_id} is {old_is}: run `shellvault rotate {word(name)}` again to remove its note"
        ) from error
    return Rotated(name, old_id, new.access_key_id, note.get("created_at"), old_is, was_under_way)


def _retired(rotation: Rotation, old_id: str, new_id: str) -> Literal["deleted", "inactive"]:
    """Makes the old key inactive, and deletes it. Raises SessionError, which says what holds now."""
    is_inactive = False
    try:
        _patiently(rotation, lambda: rotation.access_keys.deactivate(old_id))
        is_inactive = True
    except SessionError as error:
        # Deletion works without deactivation.
        if rotation.keep_old or not _is_denied(error):
            raise _left(rotation, error, old_id, new_id, is_inactive=False) from error
    if rotation.keep_old:
        return "inactive"
    try:
        _patiently(rotation, lambda: rotation.access_keys.delete(old_id))
    except SessionError as error:
        if not _is_denied(error) or not _is_gone(rotation, old_id):
            raise _left(rotation, error, old_id, new_id, is_inactive=is_inactive) from error
    return "deleted"


def _is_denied(error: SessionError) -> bool:
    return isinstance(error, RefusedError) and error.reason == "denied"


def _is_gone(rotation: Rotation, old_id: str) -> bool:
    """Whether the old key was deleted by hand."""
    present = listed(rotation.access_keys)
    return present is not None and old_id not in (key.access_key_id for key in present)


def _left(
    rotation: Rotation, error: SessionError, old_id: str, new_id: str, *, is_inactive: bool
) -> SessionError:
    """The error of a rotation that stopped after the new pair was stored."""
    right = "iam:UpdateAccessKey" if rotation.keep_old else "iam:DeleteAccessKey"
    by_hand = "make it inactive" if rotation.keep_old else "delete it"
    remedy = f"{by_hand} in IAM, or allow {right} and " if _is_denied(error) else ""
    option = " --keep-old" if rotation.keep_old else ""
    return SessionError(
        f"{error}; the new key {new_id} of {printable(rotation.name)} is in the vault and works, the old key {old_id} "
        f"{'is inactive' if is_inactive else 'still works'}: {remedy}run "
        f"`shellvault rotate {word(rotation.name)}{option}` again"
    )


def _put_in_place(rotation: Rotation, note: dict[str, Any], new: StoredKeys) -> None:
    """Replaces the old pair, which still works, by the new one: both stay in the note until the end."""
    name, store = rotation.name, rotation.store
    try:
        store.save_keys(name, new.access_key_id, new.secret_access_key)
        if store.load_keys(name) != new:
            raise VaultError("the vault has not kept the new key")
    except ShellvaultError as error:
        old = StoredKeys(note["old_id"], note["old_secret"])
        try:
            if store.load_keys(name) != old:
                store.save_keys(name, old.access_key_id, old.secret_access_key)
        except ShellvaultError:
            raise SessionError(
                f"{error}; both keys of {printable(name)} are still in the vault: repair the vault, then run "
                f"`shellvault rotate` again"
            ) from error
        raise _taken_back(rotation, new.access_key_id, str(error)) from error


def _patiently(rotation: Rotation, call: Callable[[], object]) -> None:
    """Makes a call with the new key; retries while AWS does not know that key: IAM is eventually consistent.

    Raises SessionError after the deadline, and at once for any other refusal.
    """
    deadline = rotation.clock() + PROOF_SECONDS
    pause = FIRST_PAUSE
    while True:
        try:
            call()
            return
        except RefusedError as error:
            if error.reason != "rejected-credentials" or rotation.clock() + pause > deadline:
                raise
        if pause == FIRST_PAUSE:
            rotation.tell("waiting for AWS to accept the new key")
        rotation.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _taken_back(rotation: Rotation, new_id: str, reason: str) -> SessionError:
    """Deletes the unused new key and returns the error to raise."""
    name = printable(rotation.name)
    try:
        rotation.access_keys.delete(new_id)
        rotation.store.remove_rotation(rotation.name)
    except ShellvaultError as error:
        return SessionError(
            f"{reason}; the new key {new_id} of {name} could not be deleted again ({error}): "
            f"the old one is in use as before, and the next `shellvault rotate` goes on from here"
        )
    return SessionError(
        f"{reason}; the new key {new_id} of {name} was deleted again, the old one is in use as before"
    )


def _date(epoch: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(epoch))
