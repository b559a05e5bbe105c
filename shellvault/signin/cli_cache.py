"""The AWS CLI's sign-ins on disk: found, and renewed in place as the SDKs do. Nothing else there is changed.

Files as the CLI and botocore write them: `~/.aws/sso/cache/SHA1.json`, the SHA-1 of the sso-session's name or of the
start URL; `~/.aws/login/cache/SHA256.json` or below AWS_LOGIN_CACHE_DIRECTORY, the SHA-256 of the login_session.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shellvault import files
from shellvault.errors import SessionError
from shellvault.profiles.model import Sso
from shellvault.sessions.replies import epoch
from shellvault.signin.model import Client, Token, is_visible

_FILE_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True)
class CachedFile:
    """One file of the cache, as it was read."""

    path: Path
    written_at: int
    """Epoch seconds."""
    document: Mapping[str, Any] = field(repr=False)

    def replace(self, changes: Mapping[str, Any]) -> "CachedFile":
        """The file with some members replaced, written whole, for its owner alone. Raises SessionError."""
        document = {**self.document, **changes}
        _write(self.path, document)
        return CachedFile(self.path, self.written_at, document)


def sso_path(aws_directory: Path, sso: Sso) -> Path:
    """Where the AWS CLI keeps this sign-in to IAM Identity Center."""
    key = sso.session_name or sso.start_url
    name = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()
    return aws_directory / "sso" / "cache" / f"{name}.json"


def portals(aws_directory: Path) -> Iterator[tuple[str, CachedFile, Token]]:
    """Every sign-in to IAM Identity Center in the cache: its start URL, its file and its token."""
    try:
        paths = sorted((aws_directory / "sso" / "cache").glob("*.json"))
    except OSError:
        return
    for path in paths:
        file = read(path)
        token = token_of(file) if file else None
        url = file.document.get("startUrl") if file else None
        if file and token and isinstance(url, str) and is_visible(url):
            yield url, file, token


def login_path(aws_directory: Path, environment: Mapping[str, str], login_session: str) -> Path:
    """Where the AWS CLI keeps this AWS sign-in."""
    given = environment.get("AWS_LOGIN_CACHE_DIRECTORY")
    name = hashlib.sha256(login_session.encode()).hexdigest()
    if not given:
        return aws_directory / "login" / "cache" / f"{name}.json"
    # As the CLI reads it: variables, then `~`.
    text = _expanded(given, environment)
    home = str(aws_directory.parent)
    return Path(home + text[1:] if text == "~" or text.startswith("~/") else text) / f"{name}.json"


def read(path: Path) -> CachedFile | None:
    """The file; None when it is not there, too long or no JSON object, as for the CLI."""
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            found = json.loads(stream.read(_FILE_LIMIT))
    except (OSError, ValueError, RecursionError):
        return None
    return CachedFile(path, int(status.st_mtime), found) if isinstance(found, dict) else None


def token_of(file: CachedFile) -> Token | None:
    """The sign-in to IAM Identity Center in a file; None when it holds none."""
    given = file.document
    expires_at = _epoch(given.get("expiresAt"))
    if not is_visible(given.get("accessToken")) or expires_at is None:
        return None
    client_end = _epoch(given.get("registrationExpiresAt"))
    client = None
    if is_visible(given.get("clientId")) and is_visible(given.get("clientSecret")) and client_end is not None:
        client = Client(given["clientId"], given["clientSecret"], client_end)
    refresh = given.get("refreshToken")
    return Token(
        given["accessToken"],
        file.written_at,
        expires_at,
        refresh if is_visible(refresh) else None,
        client,
    )


def refresh_in_place(file: CachedFile, token: Token) -> None:
    """Puts a renewed sign-in in the place of the old one. Raises SessionError."""
    changes: dict[str, Any] = {"accessToken": token.access_token, "expiresAt": iso(token.expires_at)}
    if token.refresh_token:
        changes["refreshToken"] = token.refresh_token
    file.replace(changes)


def export(path: Path, sso: Sso, token: Token) -> None:
    """Writes a sign-in as `aws sso login` would. Raises SessionError."""
    document = {
        "startUrl": sso.start_url,
        "region": sso.region,
        "accessToken": token.access_token,
        "expiresAt": iso(token.expires_at),
    }
    if token.client:
        document |= {
            "clientId": token.client.client_id,
            "clientSecret": token.client.client_secret,
            "registrationExpiresAt": iso(token.client.expires_at),
        }
    if token.refresh_token:
        document["refreshToken"] = token.refresh_token
    _write(path, document)


def iso(seconds: int) -> str:
    """An epoch second as the CLI writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write(path: Path, document: Mapping[str, Any]) -> None:
    try:
        for folder in reversed([path.parent, *path.parent.parents]):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        files.replace(path, json.dumps(document).encode(), 0o600)
    except OSError as error:
        raise SessionError(
            f"cannot write {str(path)!a} ({error.strerror}): make its folder writable"
        ) from error


def _epoch(text: object) -> int | None:
    try:
        return epoch("the AWS CLI's file", text)
    except SessionError:
        return None


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    import string

    try:
        return string.Template(text).safe_substitute(environment)
    except ValueError:
        return text
