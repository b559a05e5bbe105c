"""The entry point of the watcher: `python -I __main__.py SIGN… DESCRIPTOR`, run by path like the agent."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    from shellvault.watcher.main import main

    main(int(sys.argv[-1]), frozenset(sys.argv[1:-1]))
