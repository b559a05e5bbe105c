"""A new source of credentials is a step, how it is made, and a line in two lists; the rest follows."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import shellvault
from shellvault.fastlane.sections import SESSION_SOURCES
from shellvault.plan.steps import KINDS, SsoSignIn
from shellvault.profiles.settings import SOURCE_KEYS
from shellvault.sessions.making import CALLS

STEP = '''\
"""Credentials from a drawer, for a test."""

from dataclasses import dataclass
from typing import ClassVar

from shellvault.plan.steps.base import HOUR, Step, fingerprinted


@dataclass(frozen=True, slots=True)
class Drawer(Step):
    """What is in a drawer."""

    call: ClassVar[str] = "drawer"
    longest: ClassVar[int] = HOUR

    key: str

    @classmethod
    def begin(cls, root, partition, options):
        key = root.sources.get("shellvault_drawer")
        return [fingerprinted(cls(root.name, key), None)] if key else ()

    def facts(self):
        return {"drawer": self.key}

    def shown(self):
        return [("drawer", self.key, f"drawer {self.key}")]
'''

CALL = """

def _drawer(step, made):
    return Session(f"AKIA{step.key}", "secret")


CALLS[Drawer] = _drawer
"""

KEY = """    Key("shellvault_drawer", "text", "none", "shellvault_drawer = LEFT", "A drawer.", is_source=True),
"""

#: File → what stands there, and what is put before it for a new source; at the end without the first.
CHANGES = {
    "configuration.py": ('    Key(\n        "shellvault_vault_role",', KEY),
    "plan/steps/__init__.py": ("    Leased,\n    Source,", "    Drawer,\n"),
    "sessions/making.py": ("", CALL),
}
IMPORT = "from shellvault.plan.steps.drawer import Drawer\n"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package with one more source."""
    package = tmp_path / "shellvault"
    shutil.copytree(Path(shellvault.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "plan/steps/drawer.py").write_text(STEP)
    for name, (mark, text) in CHANGES.items():
        before = (package / name).read_text()
        assert not mark or before.count(mark) == 1
        after = before.replace(mark, text + mark) if mark else before + text
        if "Drawer" in text:
            first = "from shellvault.plan.steps"
            after = after.replace(first, IMPORT + first, 1)
        (package / name).write_text(after)
    return tmp_path


def test_a_stand_in_works_after_four_files(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (house / ".aws").mkdir()
    (house / ".aws/config").write_text("[profile work]\nshellvault_drawer = LEFTLEFTLEFTLEFT\n")
    environment = {
        "HOME": str(house),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(house),
        "SHELLVAULT_NO_AGENT": "1",
    }

    def run(*words: str) -> str:
        program = "import sys; from shellvault.cli.main import main; sys.exit(main())"
        command = [sys.executable, "-c", program, *words]
        done = subprocess.run(
            [*command, "--backend=file"],
            env=environment,
            cwd=house,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0 and done.stdout, done.stderr
        return done.stdout

    assert json.loads(run("why", "work", "--format", "json"))["steps"] == [
        {
            "call": "drawer",
            "profile": "work",
            "drawer": "LEFTLEFTLEFTLEFT",
            "prompts_mfa": False,
            "cache": "memory",
        }
    ]
    assert "1. drawer (work), drawer LEFTLEFTLEFTLEFT, kept in memory" in run("why", "work")
    exported = run("export", "work", "--format", "json")
    assert json.loads(exported)["AccessKeyId"] == "AKIALEFTLEFTLEFTLEFT"
    with capsys.disabled():
        print(f" [a source touches {len(CHANGES) + 1} files]", end="")


def test_the_fast_lane_knows_every_source_of_ours() -> None:
    assert set(SOURCE_KEYS) == {key for key in SESSION_SOURCES if key.startswith("shellvault_")}


def test_every_kind_of_step_can_be_made() -> None:
    assert {*CALLS, SsoSignIn} == set(KINDS)
