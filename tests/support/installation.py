"""shellvault as its users have it: this checkout's wheel in an environment of its own, linked onto PATH as by pipx."""

import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).parents[2]

#: A path as some users have it. The link adds a `..`.
_ODD = "à moi & à toi"


@dataclass(frozen=True)
class Installation:
    """An installed shellvault; nothing in it leads to the checkout."""

    folder: Path

    @property
    def programs(self) -> Path:
        """What a user has on PATH: a folder with a link to the command, and nothing else."""
        return self.folder / "bin"

    @property
    def environment(self) -> Path:
        """The virtual environment."""
        return self.folder / _ODD

    @property
    def command(self) -> Path:
        """The command itself."""
        return self.environment / "bin" / "shellvault"

    @property
    def python(self) -> Path:
        """The interpreter that the command starts."""
        return self.environment / "bin" / "python{}.{}".format(*sys.version_info)

    @property
    def package(self) -> Path:
        """The folder of the installed package."""
        return self.environment / f"lib/{self.python.name}/site-packages/shellvault"

    @property
    def wheel(self) -> Path:
        """What was installed."""
        return next(self.folder.glob("shellvault-*.whl"))


def install(folder: Path) -> Installation:
    """Builds the wheel and installs it below `folder`, in about a second; once, however many processes ask at once.

    The dependencies are those of the environment that runs the tests.
    """
    installed = Installation(folder)
    done = folder / "done"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        if done.exists():
            return installed
        _run("-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
        venv.create(installed.environment, symlinks=True)
        _run(
            *("-m", "pip", "--python", installed.python, "install"),
            *("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", installed.wheel),
        )
        # The path files of a folder that a path file adds are not read: an editable checkout stays out of reach.
        borrowed = sysconfig.get_path("purelib")
        (installed.package.parent / "borrowed.pth").write_text(f"{borrowed}\n", "utf-8")
        installed.programs.mkdir()
        (installed.programs / "shellvault").symlink_to(f"../{_ODD}/bin/shellvault")
        done.touch()
    return installed


def _run(*arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stdout}{done.stderr}")
