"""Files are replaced whole, and a crash leaves no copy of what was to be written."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shellvault import files

#: Dies as the new content is on the disk and the old file is not replaced yet.
DIE = """
import os, signal, sys
from pathlib import Path
from shellvault import files
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
files.replace(Path(sys.argv[1]), b"new", 0o600)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.write_bytes(b"old")
    return path


def test_the_new_content_is_there_with_its_mode_and_nothing_else(path: Path) -> None:
    for alone in (False, True):
        files.replace(path, b"new", 0o640, alone=alone)
        assert path.read_bytes() == b"new"
        assert path.stat().st_mode & 0o777 == 0o640
        assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(sys.platform != "linux", reason="files without names are Linux's")
def test_a_killed_process_leaves_the_old_file_alone(path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", DIE, str(path)], timeout=30)
    assert died.returncode == -signal.SIGKILL
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == b"old"


def test_where_files_need_names_they_have_them(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_OWN_FILES", str(path / "none"))
    files.replace(path, b"new", 0o600)
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_refusing_check_leaves_only_the_old_content(path: Path) -> None:
    def refuse() -> None:
        raise OSError("changed meanwhile")

    with pytest.raises(OSError, match="changed meanwhile"):
        files.replace(path, b"new", 0o600, check=refuse)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["file"]
