"""A real `pass` with a gpg and an agent of its own, with nothing of the user's in reach."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.real_keyring import need_programs

_KEY = """\
Key-Type: eddsa
Key-Curve: ed25519
Subkey-Type: ecdh
Subkey-Curve: cv25519
Name-Real: t
{protection}
%commit
"""


@contextmanager
def password_store(
    environment: Mapping[str, str], folder: Path, passphrase: str | None = None
) -> Iterator[dict[str, str]]:
    """The environment with a store in `folder`, of a key with this passphrase; the agent is gone afterwards.

    The agent knows the passphrase until it ends, and can ask nobody for it.
    """
    need_programs("pass", "gpg")
    # The path of an agent's socket must be short (unix(7)).
    gnupg = Path(f"/tmp/sv-gpg-{os.getpid()}-{time.monotonic_ns() % 10**6}")
    gnupg.mkdir(mode=0o700)
    there = dict(environment) | {"GNUPGHOME": str(gnupg), "PASSWORD_STORE_DIR": str(folder / "store")}
    (gnupg / "gpg-agent.conf").write_text("pinentry-program /bin/false\n")
    protection = "%no-protection" if passphrase is None else f"Passphrase: {passphrase}"
    try:
        subprocess.run(
            ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--generate-key"],
            input=_KEY.format(protection=protection),
            text=True,
            check=True,
            env=there,
        )
        subprocess.run(["pass", "init", "t"], check=True, env=there, capture_output=True)
        if passphrase is not None:
            _unlock(there, passphrase)
        yield there
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=there, check=False)
        shutil.rmtree(gnupg, ignore_errors=True)


def _unlock(environment: Mapping[str, str], passphrase: str) -> None:
    gpg = ["gpg", "--batch", "--quiet"]
    sealed = subprocess.run(
        [*gpg, "-e", "-r", "t"], input=b"x", env=environment, capture_output=True, check=True
    )
    opening = [*gpg, "--pinentry-mode", "loopback", "--passphrase", passphrase, "-d"]
    subprocess.run(opening, input=sealed.stdout, env=environment, capture_output=True, check=True)
