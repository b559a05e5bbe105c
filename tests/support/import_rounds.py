"""`python import_rounds.py ROUNDS DATA COMMAND…`: puts a key into the kernel's keyring, then runs the command often.

Prints what the command did, one JSON line a run: status, stdout, stderr. For a user namespace of its own, whose
keyrings no other process sees.
"""

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from shellvault.vault.kernel_keyring import KernelKeyring

ROUNDS, DATA, *COMMAND = sys.argv[1:]

KernelKeyring({}, "aws-vault").set_password("", "kernel", Path(DATA).read_text("utf-8"))
for _ in range(int(ROUNDS)):
    done = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    print(json.dumps([done.returncode, done.stdout, done.stderr]), flush=True)
