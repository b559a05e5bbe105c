"""`pass` and `passage` as a keyring backend: each item is one JSON line in a file encrypted by gpg or age.

Secrets go through standard input and output, never on a command line. A new value goes to a second file, which then
replaces the old one: gpg writes files in place, and may be killed while it writes.
"""

import hashlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from shellvault import waiting
from shellvault.callers_terminal import VARIABLE
from shellvault.errors import VaultError
from shellvault.variables import for_programs
from shellvault.vault.password_places import command, folder

#: Seconds for one call, in which gpg may ask a person for the key's passphrase.
SECONDS = 30.0

#: The remedy when gpg has no terminal to ask on.
NO_TERMINAL = "unlock its key in a terminal, with GPG_TTY=$(tty) exported"

#: Most characters of a file name without its suffix; NAME_MAX is 255.
_LONGEST = 200

#: A shortened file name: a digest replaces the rest of the long one.
_SHORTENED = re.compile(rf"\A.{{{_LONGEST - 33}}}-[0-9a-f]{{32}}\Z")

_SUFFIXES = {"pass": ".gpg", "passage": ".age"}
_STORES = {"pass": "PASSWORD_STORE_DIR", "passage": "PASSAGE_DIR"}


class PasswordStoreKeyring(KeyringBackend):
    """Items below one folder of a password store."""

    def __init__(self, program: str, environment: Mapping[str, str], prefix: str | None = None) -> None:
        """`program` is `pass` or `passage`, run with `environment`.

        `prefix` is the folder of shellvault's items, by default SHELLVAULT_PASS_PREFIX. The variable of aws-vault is
        not read: its folder holds its own items.
        """
        self._program = program
        self._command = command(program, environment)
        store = str(folder(program, environment))
        self._environment = for_programs(environment) | {_STORES[program]: store}
        self._prefix = prefix or environment.get("SHELLVAULT_PASS_PREFIX") or "shellvault"

    def get_password(self, service: str, username: str) -> str | None:
        """The value, None when there is none. Raises VaultError when the program fails."""
        name = self._name(username)
        if not self._file(name).exists():
            return None
        return self._run("show", "--", name).removesuffix("\n")

    def names(self, service: str) -> list[str]:
        """The names of the values, except names too long for a file name. Decrypts nothing."""
        ours = folder(self._program, self._environment) / self._prefix
        files = [path.name for path in ours.glob(f"*{_SUFFIXES[self._program]}")]
        names = [name.removesuffix(_SUFFIXES[self._program]) for name in files]
        return [unquote(name, errors="surrogateescape") for name in names if not _SHORTENED.search(name)]

    def set_password(self, service: str, username: str, password: str) -> None:
        """Stores a one-line value in place of an older one. Raises VaultError; the older one is intact then."""
        name = self._name(username)
        new = f"{name}.new"
        self._run("insert", "--multiline", "--force", "--", new, text=f"{password}\n")
        self._run("mv", "--force", "--", new, name)

    def delete_password(self, service: str, username: str) -> None:
        """Deletes a value. Raises PasswordDeleteError when there is none, VaultError when the program fails."""
        name = self._name(username)
        if not self._file(name).exists():
            raise PasswordDeleteError("there is no such item")
        self._run("rm", "--force", "--", name)

    def _name(self, key: str) -> str:
        return f"{self._prefix}/{_file_name(key)}"

    def _file(self, name: str) -> Path:
        return folder(self._program, self._environment) / f"{name}{_SUFFIXES[self._program]}"

    def _run(self, *arguments: str, text: str | None = None) -> str:
        """The output of the program. Raises VaultError when it fails or does not end in time."""
        if VARIABLE in self._environment:
            # It may ask on the terminal: show nothing else there meanwhile.
            waiting.waits_for("")
        try:
            return self._ran(arguments, text)
        finally:
            waiting.waits_for("the vault")

    def _ran(self, arguments: Sequence[str], text: str | None) -> str:
        try:
            process = subprocess.Popen(
                [self._command, *arguments],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,
            )
        except OSError as error:
            raise VaultError(f"{self._program} cannot be run ({error.strerror}): install it") from error
        with process:
            try:
                output, errors = process.communicate(
                    (text or "").encode("utf-8", "surrogateescape"), timeout=SECONDS
                )
            except BaseException as error:
                # The whole group: gpg would go on waiting for its agent.
                os.killpg(process.pid, signal.SIGKILL)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise VaultError(
                        f"{self._program} has not answered within {SECONDS:g} s: unlock its key, "
                        "then run the command again"
                    ) from None
                raise
        if process.returncode:
            remedy = "unlock its key" if VARIABLE in self._environment else NO_TERMINAL
            raise VaultError(
                f"{self._program} {arguments[0]} failed ({_reason(errors)}): {remedy}, "
                "or choose another vault with --backend"
            )
        return output.decode("utf-8", "surrogateescape")


def _file_name(key: str) -> str:
    """The file name for a key, safe on every file system and for every option parser.

    `/` makes no folders: `pass mv` would move a file into a folder of that name.
    """
    data = key.encode("utf-8", "surrogateescape")
    encoded = quote(data, safe=" @+=,")
    if len(encoded) <= _LONGEST:
        return encoded
    return f"{encoded[: _LONGEST - 33]}-{hashlib.sha256(data).hexdigest()[:32]}"


def _reason(errors: bytes) -> str:
    lines = [line for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    text = lines[-1].strip() if lines else "it said nothing"
    return re.sub(r"[^ -~]", "?", text)[:200]
