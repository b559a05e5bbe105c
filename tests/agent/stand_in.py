"""The agent itself, in the foreground, with the worker of `stand_in_worker.py`: `python stand_in.py FOLDER`."""

import sys

HERE = __file__.rpartition("/")[0]
sys.path.insert(0, f"{HERE}/../..")

from pathlib import Path  # noqa: E402

from shellvault import protocol  # noqa: E402
from shellvault.agent import server  # noqa: E402

# Long enough for a busy machine, and shorter than what users get, so that tests need not wait as long.
protocol.REQUEST_DEADLINE = 3.0
server.run(Path(sys.argv[1]), (sys.executable, f"{HERE}/stand_in_worker.py"))
