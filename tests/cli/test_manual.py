"""What is made from commands and settings: the manual page, and three pages of docs/."""

import shutil
import subprocess

import pytest

from scripts import manual as script
from shellvault.cli import aws_vault, main, manual


@pytest.mark.parametrize("path", script.files(), ids=lambda path: path.name)
def test_a_file_is_what_the_command_tree_makes_of_it(path: script.Path) -> None:
    assert path.read_text("utf-8") == script.files()[path], "make it anew: python -m scripts.manual"


def test_every_command_and_option_is_there() -> None:
    paths = {entry.path: entry for entry in manual.entries(main.command)}
    assert {f"shellvault {name}" for name in main.COMMANDS} <= set(paths)
    assert "shellvault agent status" in paths
    assert "-d, --duration TIME" in dict(paths["shellvault exec"].options)
    assert not any("sessions-only" in names for names, _ in paths["shellvault remove"].options)


def test_the_manual_page_is_one_that_man_reads_without_a_warning() -> None:
    reader = shutil.which("mandoc") or shutil.which("groff")
    if reader is None:
        pytest.skip("neither mandoc nor groff is installed")
    check = ["-Tlint", "-Wwarning"] if reader.endswith("mandoc") else ["-man", "-Tutf8", "-ww", "-z"]
    done = subprocess.run([reader, *check], input=manual.troff(main.command), capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


def test_lines_that_troff_would_obey_are_text() -> None:
    assert manual._escaped(".so /etc/passwd") == "\\&.so /etc/passwd"
    assert manual._escaped('a\\b -x "é"') == "a\\eb \\-x \\(dq\\[u00E9]\\(dq"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["help", "aws-vault"], "alias aws-vault=shellvault"),
        (["--help-man"], ".TH SHELLVAULT 1"),
        (["--help-long"], "Usage: shellvault migrate-backend"),
    ],
)
def test_the_command_shows_them(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(arguments) == 0
    assert told in capsys.readouterr().out


def test_every_row_says_what_differs() -> None:
    assert all(all(row) and "|" not in "".join(row) for row in aws_vault.ROWS)
