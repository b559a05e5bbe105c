"""`init --install`: one line in the right file, once, and out again."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from shellvault.cli.main import command
from shellvault.doctor import system_checks
from shellvault.doctor.finding import Place
from shellvault.shells import install


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "HOME": str(tmp_path),
        "ZDOTDIR": str(tmp_path / "zdot"),
        "XDG_CONFIG_HOME": "",
        "XDG_STATE_HOME": "",
    }


FILES = {
    "bash": ".bashrc",
    "zsh": "zdot/.zshrc",
    "fish": ".config/fish/conf.d/shellvault.fish",
    "powershell": ".config/powershell/Microsoft.PowerShell_profile.ps1",
}


@pytest.mark.parametrize("shell", FILES)
def test_the_line_is_written_once_and_taken_out_again(
    shell: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    path = tmp_path / FILES[shell]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"# mine \xff\nalias x=y")
    path.chmod(0o640)
    run = CliRunner(env=environment).invoke
    first = run(command, ["init", "--install", shell])
    assert (first.exit_code, first.stdout) == (0, "")
    assert str(path) in first.stderr
    installed = path.read_bytes()
    assert installed.startswith(b"# mine \xff\nalias x=y\n")
    assert installed.count(b" --start ") == 1
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.with_name(path.name + ".before-shellvault").read_bytes() == b"# mine \xff\nalias x=y"
    assert "already" in run(command, ["init", "--install", shell]).stderr
    assert path.read_bytes() == installed
    run(command, ["init", "--uninstall", shell])
    assert path.read_bytes() == b"# mine \xff\nalias x=y\n"


def test_options_are_part_of_the_line(tmp_path: Path, environment: dict[str, str]) -> None:
    arguments = ["init", "--install", "bash", "--no-prompt", "--wrap", "cdk", "--cmd", "sv"]
    assert CliRunner(env=environment).invoke(command, arguments).exit_code == 0
    (line,) = (tmp_path / ".bashrc").read_text().splitlines()
    assert line.endswith("shellvault bash --no-prompt --wrap cdk --cmd sv")
    CliRunner(env=environment).invoke(command, ["init", "--uninstall", "bash"])
    assert (tmp_path / ".bashrc").read_text() == ""


def test_a_symlink_stays_and_its_target_is_changed(tmp_path: Path) -> None:
    target = tmp_path / "dotfiles" / "bashrc"
    target.parent.mkdir()
    target.write_text("a\r\nb\r\n")
    link = tmp_path / ".bashrc"
    link.symlink_to(target)
    install.install(link, "bash", "the line")
    assert link.is_symlink()
    assert target.read_bytes() == b"a\r\nb\r\nthe line\r\n"


@pytest.mark.parametrize(
    "line",
    [
        'eval "$(~/.local/bin/shellvault init bash)"',
        """eval "$('/opt/my tools/shellvault' init bash)" """,
        'eval "$("$HOME/.local/bin/shellvault" init bash --no-prompt)"',
        "shellvault init fish | source",
        "& 'C:\\Tools\\shellvault.cmd' init powershell | Out-String | Invoke-Expression",
    ],
)
def test_install_and_doctor_know_the_same_lines(
    line: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    path = tmp_path / ".bashrc"
    path.write_text(f"{line}\n")
    place = Place({**environment, "SHELL": "/bin/bash"}, tmp_path, tmp_path / "config")
    assert list(system_checks.shells(place)) == []
    assert CliRunner(env=environment).invoke(command, ["init", "--install", "bash"]).exit_code == 0
    assert path.read_text() == f"{line}\n"
    path.write_text(f"# {line}\n")
    assert len(list(system_checks.shells(place))) == 1
    assert install.install(path, "bash", "x") is not None


def test_doctor_advises_to_replace_a_line_that_starts_a_process(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    path = tmp_path / ".bashrc"
    path.write_text('a\neval "$(shellvault init bash --no-prompt)"\nb\n')
    place = Place({**environment, "SHELL": "/bin/bash"}, tmp_path, tmp_path / "config")
    (finding,) = system_checks.shells(place)
    assert finding.fix == "shellvault init bash --install --no-prompt"
    assert CliRunner(env=environment).invoke(command, finding.fix.split()[1:]).exit_code == 0
    lines = path.read_text().splitlines()
    assert (lines[0], lines[2:]) == ("a", ["b"])
    assert list(system_checks.shells(place)) == []


def test_a_line_typed_by_hand_is_recognised_and_left(tmp_path: Path) -> None:
    path = tmp_path / ".bashrc"
    path.write_text('command -v shellvault >/dev/null && eval "$(shellvault  init bash)"\n')
    assert install.install(path, "bash", "x") is None
    assert install.uninstall(path, "bash") is None
    path.write_text('# eval "$(shellvault init bash)"\n')
    assert install.install(path, "bash", install.init_line("bash", [])) is not None


def test_uninstalling_from_nothing_says_so(environment: dict[str, str]) -> None:
    gone = CliRunner(env=environment).invoke(command, ["init", "--uninstall", "bash"])
    assert "nothing was changed" in gone.stderr
