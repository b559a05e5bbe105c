"""Notes every module that a thread imports: `python thread_imports.py FILE command ARGUMENT…`, `… agent FOLDER`.

The agent's worker is watched, too: that is this script as `… worker DESCRIPTOR`.
"""

import os
import sys
import threading
from pathlib import Path

NOTES, WHAT, *REST = sys.argv[1:]


def note(event: str, arguments: tuple[object, ...]) -> None:
    """Hears of every module that is not loaded yet (sys.addaudithook, `import`)."""
    if event == "import" and threading.current_thread() is not threading.main_thread():
        with open(NOTES, "a", encoding="utf-8") as notes:
            notes.write(f"{threading.current_thread().name} {arguments[0]}\n")


sys.addaudithook(note)
sys.path.insert(0, str(Path(__file__).parents[2]))
if WHAT == "command":
    from shellvault.cli.main import main

    sys.argv = ["shellvault", *REST]
    main()
elif WHAT == "agent":
    from shellvault.agent import server

    us = (sys.executable, "-I", os.path.abspath(__file__), NOTES)
    folder, *state = REST
    server.run(Path(folder), (*us, "worker"), (*us, "agent", folder), state=int(state[0]) if state else None)
else:
    from shellvault.worker.main import main as serve

    serve(int(REST[0]))
