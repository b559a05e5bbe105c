"""Keys in plaintext: in the AWS CLI's credentials and config files, and in the environment. Writes nothing.

Removing keys from a file replaces them by a comment; every other byte stays.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeGuard

from shellvault.importing.found import Found
from shellvault.importing.items import ImportingError, checked_keys
from shellvault.profiles.parse import place, read_bytes
from shellvault.profiles.shapes import looks_as

#: The settings of a long-term key pair, and the one that marks a temporary pair.
ACCESS_KEY_ID, SECRET_ACCESS_KEY = "aws_access_key_id", "aws_secret_access_key"
SESSION_TOKEN = "aws_session_token"  # noqa: S105 - the name of a key

#: Settings that the AWS CLI also reads from the credentials file, but shellvault only from the config file.
_SETTINGS = ("region", "mfa_serial", "role_arn", "source_profile", "endpoint_url")

#: Placeholders for keys in examples and templates.
_PLACEHOLDER = re.compile(r"your|placeholder|change_?me|xxxx|_key", re.IGNORECASE)
_REAL = re.compile(r"A[A-Z]{3}[A-Z2-7]{16}")
_FILLED = re.compile(r"(.)\1{15,}")

COMMENT = "# the keys of this profile are in shellvault"

_HEADER = re.compile(r"\s*\[\s*(?P<name>.*?)\s*\]")
_ASSIGNMENT = re.compile(r"(?P<indent>\s*)(?P<key>[A-Za-z_][A-Za-z0-9_]*)\s*[=:]\s*(?P<value>.*?)\s*$")


def in_file(path: Path, *, is_config: bool) -> Iterator[Found]:
    """The long-term key pairs in a credentials or config file. Raises ConfigError if it cannot be read."""
    for name, (values, line) in _sections(read_bytes(path) or b"", is_config=is_config).items():
        key_id, secret = values.get(ACCESS_KEY_ID), values.get(SECRET_ACCESS_KEY)
        if values.get(SESSION_TOKEN) or not _is_pair(key_id, secret):
            continue
        where = place(path, line)
        yield Found(
            "credentials-file",
            name,
            where,
            lambda _, key_id=key_id, secret=secret, where=where: checked_keys(key_id, secret, where),  # type: ignore[misc]
            key_id,
            {} if is_config else {key: values[key] for key in _SETTINGS if key in values},
            is_plaintext=True,
        )


def _is_pair(key_id: str | None, secret: str | None) -> TypeGuard[str]:
    """Whether these can be keys: placeholders and pairs that `import` would refuse are not found."""
    try:
        checked_keys(key_id, secret, "")
    except ImportingError:
        return False
    key_id = str(key_id)
    is_example = "EXAMPLE" in key_id or (_PLACEHOLDER.search(key_id) and not _REAL.fullmatch(key_id))
    return not is_example and not _FILLED.fullmatch(str(secret))


def in_environment(environment: Mapping[str, str], name: str) -> Iterator[Found]:
    """The long-term keys in the environment, under `name`."""
    key_id = environment.get("AWS_ACCESS_KEY_ID")
    secret = environment.get("AWS_SECRET_ACCESS_KEY")
    if not environment.get("AWS_SESSION_TOKEN") and _is_pair(key_id, secret):
        where = "AWS_ACCESS_KEY_ID in the environment"
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
        yield Found(
            "env",
            name,
            where,
            lambda _: checked_keys(key_id, secret, where),
            key_id,
            {"region": region} if region and looks_as(region, "region") else {},
            is_plaintext=True,
        )


def without_keys(data: bytes, names: Sequence[str], *, is_config: bool) -> bytes:
    """The file without the key pairs of these profiles: one comment replaces each.

    Raises ImportingError if anything else would change.
    """
    kept: list[str] = []
    name, removing, noted = "", False, set()
    lines = data.decode("utf-8", "surrogateescape").splitlines(keepends=True)
    for line in lines:
        text = line.removeprefix("\ufeff")
        header = _HEADER.match(text)
        assignment = None if header else _ASSIGNMENT.match(text.rstrip("\r\n"))
        if header:
            name, removing = _profile(header["name"], is_config=is_config) or "", False
        elif removing and line.strip() and line[0] in " \t" and not assignment:
            continue  # an indented line continues the value above it
        elif line.strip():
            removing = bool(
                assignment
                and name in names
                and assignment["key"].lower() in (ACCESS_KEY_ID, SECRET_ACCESS_KEY)
            )
            if removing and name in noted:
                continue
            if removing:
                noted.add(name)
                line = f"{COMMENT}{line[len(line.rstrip(chr(13) + chr(10))) :]}"
        kept.append(line)
    changed = "".join(kept).encode("utf-8", "surrogateescape")
    _check(data, changed, names, is_config=is_config)
    return changed


def credentials_path(environment: Mapping[str, str]) -> Path:
    """The AWS CLI's credentials file; it may not exist."""
    given = environment.get("AWS_SHARED_CREDENTIALS_FILE")
    home = environment.get("HOME") or str(Path.home())
    return Path(os.path.expanduser(given) if given else f"{home}/.aws/credentials")  # noqa: PTH111 - text in, text out


def _sections(data: bytes, *, is_config: bool) -> dict[str, tuple[dict[str, str], int]]:
    """The settings of each profile, and the line number of its access key id (else of its header)."""
    found: dict[str, tuple[dict[str, str], int]] = {}
    name = None
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").splitlines(), 1):
        stripped = line.removeprefix("\ufeff")
        if stripped.lstrip().startswith(("#", ";")):
            continue
        if header := _HEADER.match(stripped):
            name = _profile(header["name"], is_config=is_config)
            if name is not None:
                found.setdefault(name, ({}, number))
        elif name is not None and (assignment := _ASSIGNMENT.match(stripped)):
            values, first = found[name]
            key = assignment["key"].lower()
            values[key] = _unquoted(re.split(r"\s[#;]", assignment["value"], maxsplit=1)[0].strip())
            found[name] = (values, number if key == ACCESS_KEY_ID else first)
    return found


def _unquoted(value: str) -> str:
    """A value without quotes: no SDK accepts them, but the key inside is real."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _profile(header: str, *, is_config: bool) -> str | None:
    """The profile of a header; in the config file `[profile NAME]` or `[default]`."""
    if not is_config or header == "default":
        return header
    kind, _, name = header.partition(" ")
    return name.strip().strip("\"'") if kind == "profile" and name.strip() else None


def _check(before: bytes, after: bytes, names: Sequence[str], *, is_config: bool) -> None:
    expected = {
        name: {
            key: value
            for key, value in values.items()
            if not (name in names and key in (ACCESS_KEY_ID, SECRET_ACCESS_KEY))
        }
        for name, (values, _) in _sections(before, is_config=is_config).items()
    }
    if {name: values for name, (values, _) in _sections(after, is_config=is_config).items()} != expected:
        raise ImportingError("the keys are in shellvault, but cannot be removed from the file: do so by hand")
