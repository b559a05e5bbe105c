"""The door to the worker process: `python -I __main__.py DESCRIPTOR`, run by path as the agent is."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    from shellvault.worker.main import main

    main(int(sys.argv[1]))
