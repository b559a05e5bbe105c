"""What the fast lane hands over to: a command of a few fixed words, or the command tree."""

import sys

from shellvault import garbage
from shellvault.cli import plain


def main() -> int:
    """Does the command line in `sys.argv`; its exit status."""
    garbage.look_seldom()
    status = plain.run(sys.argv[1:])
    if status is not None:
        return status
    from shellvault.cli import main as tree

    return tree.main()
