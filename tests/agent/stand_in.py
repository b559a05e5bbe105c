"""The agent itself, in the foreground, with the worker of `stand_in_worker.py`: `python stand_in.py FOLDER`.

To itself it gives another word: the descriptor by which it goes on (see shellvault.agent.restart).
"""

import sys

HERE = __file__.rpartition("/")[0]
sys.path.insert(0, f"{HERE}/../..")

from pathlib import Path  # noqa: E402

from shellvault import protocol  # noqa: E402
from shellvault.agent import memory, server, workers  # noqa: E402

# Long enough for a busy machine, and shorter than what users get, so that tests need not wait as long.
protocol.REQUEST_DEADLINE = 3.0
memory.ATTENDED = 1.0
workers.PING, workers.SLOW, workers.DEAD, workers.START = 0.5, 2.0, 5.0, 12.0
server.run(
    Path(sys.argv[1]),
    (sys.executable, f"{HERE}/stand_in_worker.py"),
    (sys.executable, "-S", __file__, sys.argv[1]),
    state=int(sys.argv[2]) if len(sys.argv) > 2 else None,
)
