"""A new backend is one module and its line in the list; everything else follows from its record."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import shellvault
from shellvault.vault.backends import RECORDS

MODULE = '''\
"""A folder, for a test: one file an item."""

import os
from pathlib import Path
from urllib.parse import quote, unquote

from keyring.backend import KeyringBackend

from shellvault.vault.backend import Backend
from shellvault.vault.probe_result import ProbeResult


class FolderKeyring(KeyringBackend):
    def __init__(self, folder):
        self.folder = folder

    def _path(self, service, name):
        return self.folder / service / quote(name, safe="")

    def get_password(self, service, name):
        path = self._path(service, name)
        return path.read_text() if path.exists() else None

    def set_password(self, service, name, password):
        assert len(password) <= 100
        self._path(service, name).parent.mkdir(parents=True, exist_ok=True)
        self._path(service, name).write_text(password)

    def delete_password(self, service, name):
        self._path(service, name).unlink()

    def names(self, service):
        return [unquote(path.name) for path in (self.folder / service).glob("*")]


def folder(environment):
    return Path(environment["HOME"], "stand-in")


BACKEND = Backend(
    "folder",
    lambda environment: ProbeResult(True, True, f"its folder is {folder(environment)}"),
    lambda opening: FolderKeyring(folder(opening.environment)),
    is_found=False,
    most_characters=100,
    service_of=lambda key: "ours",
    lasts=lambda environment: "until the test ends",
)
'''

#: The files that a new backend touches: its module, the list, and the page of backends.
TOUCHED = ("shellvault/vault/backends/folder.py", "shellvault/vault/backends/__init__.py", "CHANGELOG.md")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package with one more backend."""
    package = Path(shellvault.__file__).parent
    shutil.copytree(package, tmp_path / "shellvault", ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "shellvault/vault/backends"
    (folder / "folder.py").write_text(MODULE)
    text = (folder / "__init__.py").read_text()
    listed = text.replace("        keyctl.BACKEND,\n", "        keyctl.BACKEND,\n        folder.BACKEND,\n")
    listed = listed.replace("backends import file, ", "backends import file, folder, ")
    assert listed.count("folder") == text.count("folder") + 2
    (folder / "__init__.py").write_text(listed)
    return tmp_path


def test_a_stand_in_works_after_three_files(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = house / "home"
    home.mkdir()
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(house),
        "SHELLVAULT_NO_AGENT": "1",
        "AWS_ACCESS_KEY_ID": "AKIAWORKAKIAWORKAKIA",
        "AWS_SECRET_ACCESS_KEY": "s" * 40,
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from shellvault.cli.main import main; main()", *words]
        return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=60)

    added = run("add", "--env", "--no-check", "--backend", "folder", "work")
    assert added.returncode == 0, added.stderr
    assert "the vault (folder) keeps keys until the test ends" in added.stderr
    assert run("list", "--credentials", "--backend", "folder").stdout == "work\n"
    items = {path.name for path in (home / "stand-in/ours").iterdir()}
    # Its limit is kept: the keys are longer than one item of it holds.
    assert len([name for name in items if name.startswith("keys%2Fwork%23")]) == 2
    shown = json.loads(run("list", "--backends", "--json", "--backend", "folder").stdout)
    assert [each["name"] for each in shown if each["chosen"]] == ["folder"]
    assert shown[-1]["reason"] == f"chosen by SHELLVAULT_BACKEND; its folder is {home}/stand-in"
    assert run("remove", "--force", "--backend", "folder", "work").returncode == 0
    assert not [path for path in (home / "stand-in/ours").iterdir() if path.name.startswith("keys")]
    assert "'folder'" in run("list", "--backend", "nowhere").stderr
    with capsys.disabled():
        print(f" [a backend touches {len(TOUCHED)} files]", end="")


def test_no_code_outside_its_module_depends_on_a_backends_name() -> None:
    package = Path(shellvault.__file__).parent
    # The encrypted file is ours: it has a passphrase that commands ask for.
    names = [f'"{name}"' for name in RECORDS if name != "file"]
    allowed = {
        "vault/password_store.py",  # one class for two programs
        "vault/password_places.py",
        "importing",  # places of other tools
    }
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if any(name in path.read_text() for name in names) and "backends" not in path.parts
    }
    assert {place for place in found if place not in allowed and not place.startswith("importing/")} == set()
