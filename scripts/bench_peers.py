"""Other programs that give credentials, in turns with ours: those that the package registries have."""

import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from scripts import test_tools
from scripts.bench_report import Row
from scripts.measuring import Case, interleaved, program, ratio
from tests.support.emulator import Keys
from tests.support.home import Home

#: Programs on PyPI that the tests do without, in an environment of their own.
REQUIREMENTS = ("awsume==4.5.4", "keyring==25.6.0", "setuptools<81")
FOLDER = test_tools.CACHE / "bench-awsume-4.5.4"

#: What each is called in a row, its folder (None: from PATH), and its command line.
PEERS: Sequence[tuple[str, Path | None, Sequence[str]]] = (
    (
        "AWS CLI v1, `configure get`",
        test_tools.CACHE / "aws-cli-1",
        ("aws", "configure", "get", "aws_access_key_id", "--profile", "static"),
    ),
    (
        "AWS CLI v2, `configure export-credentials`",
        test_tools.CACHE / "aws-cli-2",
        ("aws", "configure", "export-credentials"),
    ),
    ("awsume, keys of a profile", FOLDER, ("awsumepy", "static")),
    ("keyring's command, `get`", FOLDER, ("keyring", "get", "bench", "missing")),
    ("direnv, `export bash`", None, ("direnv", "export", "bash")),
)

#: keyring says by it that there is no such secret.
STATUSES = (0, 1)


def rows(home: Home, keys: Keys, bare: Case, rounds: int) -> Iterator[Row]:
    """What each takes as a multiple of F, for scale."""
    environment = _environment(home, keys)
    cases = {"F": bare}
    _install()
    for title, folder, command in PEERS:
        path = shutil.which(command[0], path=str(folder / "bin") if folder else None)
        if path:
            cases[title] = program(path, *command[1:], environment=environment, statuses=STATUSES)
    taken = interleaved(cases, max(rounds // 8, 3))
    for title in [title for title in cases if title != "F"]:
        yield Row(f"{title}, for scale", f"{ratio(taken[title], taken['F']):.1f} F", "", True)


def _environment(home: Home, keys: Keys) -> Mapping[str, str]:
    """A profile with plain keys, and a keyring that is empty and always open."""
    credentials = home.path / "credentials-of-peers"
    credentials.write_text(
        f"[static]\naws_access_key_id = {keys.access_key_id}\naws_secret_access_key = {keys.secret_access_key}\n"
        f"[default]\naws_access_key_id = {keys.access_key_id}\naws_secret_access_key = {keys.secret_access_key}\n"
    )
    return home.environment | {
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


def _install() -> None:
    """Installs what the tests do without, once; without the registry its rows are left out."""
    if not FOLDER.exists():
        try:
            venv.create(FOLDER, with_pip=True)
            pip = [FOLDER / "bin" / "python", "-m", "pip", "install", "--quiet", *REQUIREMENTS]
            subprocess.run(pip, check=True, capture_output=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(FOLDER, ignore_errors=True)
            print(f"not installed, its rows are left out: {REQUIREMENTS[0]} ({error})", file=sys.stderr)
