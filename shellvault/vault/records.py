"""The records in the vault, and the checks on reading them: the content of a keyring is not trusted."""

from dataclasses import asdict, dataclass, field
from typing import Any

from shellvault.text import is_visible_ascii


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """The long-term access key pair of an IAM user."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionLabel:
    """The index entry of a stored session. `expires_at`: epoch seconds, None: never."""

    profile: str
    call: str
    expires_at: int | None
    key_id: str | None = None
    """Access key id of the stored keys that it was made from; empty: no stored keys; None: not recorded."""


@dataclass(frozen=True, slots=True)
class SessionIndex:
    """The labels of the stored sessions, by fingerprint."""

    generation: str = ""
    """Changes when sessions are forgotten: a session requested before that is not stored."""
    labels: dict[str, SessionLabel] = field(default_factory=dict)


def keys_from_json(data: Any) -> StoredKeys:
    """Rebuilds a key pair from its `asdict`. Raises ValueError."""
    match data:
        case {"access_key_id": str(key_id), "secret_access_key": str(secret)} if is_visible_ascii(
            key_id
        ) and is_visible_ascii(secret):
            return StoredKeys(key_id, secret)
    raise ValueError("no key pair")


def key_index_from_json(data: Any) -> dict[str, str]:
    """Rebuilds the index of keys, name to access key id; None gives an empty one. Raises ValueError."""
    index = {} if data is None else data
    if not isinstance(index, dict) or not all(
        _is_name(name) and is_visible_ascii(key_id) for name, key_id in index.items()
    ):
        raise ValueError("no index of keys")
    return dict(index)


def session_index_to_json(index: SessionIndex) -> dict[str, Any]:
    """The plain data of an index of sessions."""
    labels = {fingerprint: asdict(label) for fingerprint, label in index.labels.items()}
    return {"generation": index.generation, "sessions": labels}


def session_index_from_json(data: Any) -> SessionIndex:
    """Rebuilds the index of sessions; None gives an empty one. Raises ValueError."""
    match {} if data is None else data:
        case {"generation": str(generation), "sessions": dict(labels)}:
            pass
        case dict(labels):
            # Written before generations existed.
            generation = ""
        case _:
            raise ValueError("no index of sessions")
    checked = {str(fingerprint): _label_from_json(label) for fingerprint, label in labels.items()}
    return SessionIndex(generation, checked)


def _label_from_json(data: Any) -> SessionLabel:
    match data:
        case {"profile": str(profile), "call": str(call), "expires_at": int() | None as expires_at}:
            key_id = data.get("key_id")
            return SessionLabel(profile, call, expires_at, key_id if isinstance(key_id, str) else None)
    raise ValueError("no label of a session")


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name != "" and name.isprintable()
