"""What is in the memory of a process, as root sees it (proc_pid_mem(5))."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root to read other processes' memory")


def copies_in(pids: Iterable[int], *secrets: str | bytes) -> int:
    """How often any of the secrets stands in the memory of these processes; one that has ended holds nothing."""
    wanted = [secret.encode() if isinstance(secret, str) else secret for secret in secrets]
    return sum(content.count(secret) for pid in pids for content in _regions(pid) for secret in wanted)


def _regions(pid: int) -> Iterable[bytes]:
    try:
        maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for line in maps:
                bounds, rights = line.split()[:2]
                if not rights.startswith("rw"):
                    continue
                start, end = (int(bound, 16) for bound in bounds.split("-"))
                try:
                    memory.seek(start)
                    yield memory.read(end - start)
                except (OSError, ValueError, OverflowError):
                    # Guard pages, and what was given back in between.
                    continue
    except (FileNotFoundError, ProcessLookupError):
        return
