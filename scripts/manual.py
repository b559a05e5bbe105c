"""Writes what is made from commands and settings: `python -m scripts.manual` after a change of either."""

from pathlib import Path

from shellvault.cli import aws_vault, manual
from shellvault.cli.main import command

ROOT = Path(__file__).parents[1]
COMMANDS = ROOT / "docs" / "commands.md"
MANUAL = ROOT / "docs" / "shellvault.1"
CONFIGURATION = ROOT / "docs" / "configuration.md"
AWS_VAULT = ROOT / "docs" / "aws-vault.md"

_BEGIN, _END = "<!-- aws-vault: made by scripts/manual.py -->\n", "<!-- end -->\n"


def files() -> dict[Path, str]:
    """Each file that is made, whole or in part, and what it has to be."""
    before, _, rest = AWS_VAULT.read_text("utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    of_aws_vault = f"{before}{_BEGIN}{aws_vault.markdown()}{_END}{after}"
    return {
        COMMANDS: manual.markdown(command),
        MANUAL: manual.troff(command),
        CONFIGURATION: manual.configuration(),
        AWS_VAULT: of_aws_vault,
    }


def main() -> None:
    """Writes them all."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
