"""The `shellvault` command: a shell script that finds its package and Python, wherever it is installed."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAUNCHER = ROOT / "launcher" / "shellvault"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"

#: Stands in for the package: says what was started how, and with which arguments.
TELL = """
import os, sys
how = sys.flags.isolated, sys.flags.no_site, sys.argv[1:]
os.write(1, os.fsencode(__file__) + b"|" + repr(how).encode())
"""

ARGUMENTS = ["env", "a b", "", "--", "*", "$(touch x)", "é"]


def install(prefix: Path, *, library: str = f"lib/{PYTHON}/site-packages", python: bool = True) -> Path:
    """Lays an installation out below `prefix` as pip does, and returns the command."""
    package = prefix / library / "shellvault"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text(TELL)
    return _install_command(prefix, python=python)


def _install_command(prefix: Path, *, python: bool) -> Path:
    command = prefix / "bin" / "shellvault"
    command.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(LAUNCHER, command)
    command.chmod(0o755)
    if python:
        (command.parent / PYTHON).symlink_to(os.path.realpath(sys.executable))
    return command


def run(*command: str | Path, path: str = "/usr/bin:/bin", cwd: Path | None = None) -> tuple[str, str]:
    """Which package file answered, and what it says of its start and its arguments."""
    done = subprocess.run([*command, *ARGUMENTS], env={"PATH": path}, cwd=cwd, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    file, _, how = done.stdout.partition("|")
    return os.path.realpath(file), how


STARTED = repr((1, 1, ARGUMENTS))


@pytest.mark.parametrize("name", ["plain", "with spaces", "*[a]?$x'\"é"])
def test_a_virtual_environment(tmp_path: Path, name: str) -> None:
    command = install(tmp_path / name)

    assert run(command) == (
        str(tmp_path / name / "lib" / PYTHON / "site-packages/shellvault/__main__.py"),
        STARTED,
    )


@pytest.mark.parametrize(
    "library", [f"lib/{PYTHON}/dist-packages", f"lib64/{PYTHON}/site-packages"], ids=["Debian", "Fedora"]
)
def test_a_system(tmp_path: Path, library: str) -> None:
    assert run(install(tmp_path, library=library))[1] == STARTED


def test_a_user_whose_python_is_on_path(tmp_path: Path) -> None:
    command = install(tmp_path / ".local", python=False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / PYTHON).symlink_to(os.path.realpath(sys.executable))

    assert run(command, path=f"{folder}:/usr/bin:/bin")[1] == STARTED


def test_a_package_left_by_a_python_that_is_gone_is_passed_over(tmp_path: Path) -> None:
    install(tmp_path, library="lib/python3.1/site-packages", python=False)
    command = install(tmp_path)

    assert run(command) == (str(tmp_path / "lib" / PYTHON / "site-packages/shellvault/__main__.py"), STARTED)


def test_links_to_the_command_are_followed(tmp_path: Path) -> None:
    """As pipx and uv make them, absolute or relative, one link to the next."""
    command = install(tmp_path / "venvs" / "shell vault")
    links = tmp_path / "bin"
    links.mkdir()
    (links / "absolute").symlink_to(command)
    (links / "relative").symlink_to("../venvs/shell vault/bin/shellvault")
    (links / "twice").symlink_to("relative")

    for name in ("absolute", "relative", "twice"):
        assert run(links / name)[1] == STARTED


def test_a_command_without_a_slash(tmp_path: Path) -> None:
    install(tmp_path)

    assert run("sh", "shellvault", cwd=tmp_path / "bin")[1] == STARTED


def test_an_editable_installation(tmp_path: Path) -> None:
    checkout = tmp_path / "check out"
    (checkout / "shellvault").mkdir(parents=True)
    (checkout / "shellvault" / "__main__.py").write_text(TELL)
    packages = tmp_path / "env" / "lib" / PYTHON / "site-packages"
    packages.mkdir(parents=True)
    (packages / "_editable_impl_shellvault.pth").write_text(str(checkout))

    assert run(_install_command(tmp_path / "env", python=True)) == (
        str(checkout / "shellvault" / "__main__.py"),
        STARTED,
    )


def test_this_very_installation() -> None:
    """Whatever the installer of this environment has made of the launcher, it goes through the fast lane."""
    command = Path(sysconfig.get_path("scripts"), "shellvault")
    if not command.exists():
        pytest.skip("needs an installed shellvault")
    assert command.read_bytes() == LAUNCHER.read_bytes()


@pytest.mark.parametrize("damage", ["package", "python"])
def test_a_damaged_installation_says_so_in_one_line(tmp_path: Path, damage: str) -> None:
    command = install(
        tmp_path, library="lib/python3.1/site-packages" if damage == "python" else "lib/x/site-packages"
    )
    if damage == "package":
        shutil.rmtree(tmp_path / "lib")
    done = subprocess.run([command, "list"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("shellvault: error: ")
    assert done.stderr.count("\n") == 1


def test_no_process_is_started_on_the_way(tmp_path: Path) -> None:
    command = install(tmp_path)
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    trace = tmp_path / "trace"
    subprocess.run(
        ["strace", "-f", "-e", "trace=fork,vfork,clone,clone3,execve", "-o", trace, command, "list"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    calls = [line.split(maxsplit=1)[1] for line in trace.read_text().splitlines()]

    assert [call.partition("(")[0] for call in calls if "(" in call] == ["execve", "execve"]


@pytest.mark.parametrize("shell", ["dash", "bash", "zsh"])
def test_any_posix_shell_may_be_sh(tmp_path: Path, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    folder = tmp_path / "shells"
    folder.mkdir()
    (folder / "sh").symlink_to(str(shutil.which(shell)))

    assert run(folder / "sh", install(tmp_path))[1] == STARTED
