"""A container by podman and runc, in a network namespace; its image is a folder made from this machine's own files."""

import os
import sys
from pathlib import Path

import pytest

from tests.support.clients import CACHE, need

#: What the programs of this machine need to run, where it exists.
_SYSTEM = ("/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr")


def container(folder: Path, network: str, programs: Path) -> list[str]:
    """The words that start a container; options of `podman run` follow, and then `root_of(folder)` and a command.

    It shares the network namespace `network` and nothing else that is not mounted. Skips the test where it cannot run.
    """
    podman = need("podman")
    need("runc")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for name in ("tmp", "proc", "dev", "sys", "run"):
        (folder / "root" / name).mkdir(parents=True)
    # Without registry, daemon and systemd; limits that need no right to raise them.
    words = [
        str(podman),
        "--runtime",
        "runc",
        "--root",
        str(folder / "storage"),
        "--runroot",
        str(folder / "run"),
    ]
    words += ["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none"]
    words += ["run", "--rm", "--network", f"ns:/run/netns/{network}"]
    words += ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=2000:2000"]
    here = [*_SYSTEM, sys.prefix, sys.base_prefix, str(programs), str(CACHE)]
    for path in dict.fromkeys(path for path in here if Path(path).exists()):
        words += ["--volume", f"{path}:{path}:ro"]
    return words


def root_of(folder: Path) -> list[str]:
    """The words that name the image."""
    return ["--rootfs", str(folder / "root")]
