"""fish makes completions from our manual page (`fish_update_completions`): ours win for every command and position."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shellvault.cli.main import command
from shellvault.shells.completions import tree
from tests.in_shell.conftest import Open
from tests.support.terminal import Terminal

ROOT = Path(__file__).parents[2]
GENERATOR = Path("/usr/share/fish/tools/create_manpage_completions.py")

#: What is typed behind each command.
WORDS = ("-", "--", "", "work -", "work --p")


def offered(terminal: Terminal) -> str:
    """What TAB offers for every command and position, one line each."""
    place = terminal.home / "offered"
    lines = [
        f"shellvault {node.path} {word}".replace("  ", " ")
        for node in tree(command)
        for word in (WORDS if node.path != "exec" else WORDS[:3])
    ]
    script = terminal.home / "ask.fish"
    script.write_text("".join(f"echo '== {line}'; complete -C '{line}'\n" for line in lines))
    terminal.run(f"source {script} >{place}")
    return place.read_text()


@pytest.mark.real
def test_completions_from_the_manual_page_are_not_shown(opened: Open, tmp_path: Path) -> None:
    if shutil.which("fish") is None or not GENERATOR.exists():
        pytest.skip("needs fish")
    generated = tmp_path / "generated"
    generated.mkdir()
    subprocess.run(
        [sys.executable, str(GENERATOR), "--directory", str(generated), str(ROOT / "docs" / "shellvault.1")],
        check=True,
        capture_output=True,
        timeout=60,
    )
    made = generated / "shellvault.fish"
    assert made.read_text().count("complete -c shellvault") > 20
    alone = offered(opened("fish"))
    # fish 3.6 keeps them in the data folder, fish 4 in the cache.
    kept = f"for folder in ~/.local/share/fish ~/.cache/fish; cp {made} $folder/generated_completions/; end"
    # Whether fish finds them first, or has read them before ours.
    beside = offered(opened("fish", before=f"{kept}; source {made}"))
    assert beside == alone
    assert alone.count("==") > 40
