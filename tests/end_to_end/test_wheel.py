"""What a user installs: the wheel, away from the checkout."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Person
from tests.support.terminal import SHELLS

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=100)
    return next(folder.glob("shellvault-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment with the wheel in it; its dependencies are borrowed from this one."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=60)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    subprocess.run([*pip, "--quiet", "--no-index", "--no-deps", str(wheel)], check=True, timeout=60)
    packages = next(environment.glob("lib/python*/site-packages"))
    # The path files of a folder that a path file adds are not read: the editable checkout stays out of reach.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin"


def test_the_wheel_holds_every_template(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name.removeprefix("shellvault/templates/") for name in archive.namelist()}
    for folder in ("shells", "completions"):
        templates = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.jinja")}
        assert templates, f"no template in {folder}"
        assert templates <= packed


@pytest.mark.parametrize("shell", SHELLS)
def test_the_installed_command_serves_every_shell(person: Person, installed: Path, shell: str) -> None:
    person.home.environment["PATH"] = f"{installed}:{person.home.environment['PATH']}"
    where = "import shellvault; print(shellvault.__file__)"
    package = person.home.run(str(installed / "python"), "-c", where).stdout
    assert package.startswith(str(installed.parent))
    assert "AWS_SESSION_TOKEN" in person.home.succeed("env", "work", "--shell", shell)
    assert "AWS_SESSION_TOKEN" in person.home.succeed("env", "--leave", "--shell", shell)
