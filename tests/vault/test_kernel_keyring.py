"""The real kernel keyring: items expire, it can be revoked, and users other than root have a small quota."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shellvault.vault import kernel_keyring, open_vault
from shellvault.vault.kernel_keyring import KernelKeyring
from tests.real_keyring import need_programs
from tests.vault.conftest import never_asked

pytestmark = pytest.mark.real

NAME = f"shellvault-test-{os.getpid()}"

FILL = """
import os
from shellvault.errors import VaultError
from shellvault.vault import open_vault
vault = open_vault("keyctl", os.environ, None)
names = []
try:
    for number in range(1000):
        vault.save_keys(f"p{number}", f"AKIA{number:04}", "s" * 40)
        names.append(f"p{number}")
except VaultError as error:
    print(error)
assert list(vault.stored_keys()) == names, names
assert [vault.load_keys(name).access_key_id for name in names] == [f"AKIA{n:04}" for n in range(len(names))]
for name in names:
    vault.remove_keys(name)
print(len(names))
"""


@pytest.fixture
def keyring() -> Iterator[KernelKeyring]:
    if not kernel_keyring.presence().usable:
        pytest.skip("this kernel does not let us use its keyring")
    need_programs("keyctl")
    yield KernelKeyring({"SHELLVAULT_KEYCTL_TIMEOUT": "60"}, NAME)
    if ring := number_of_ring():
        subprocess.run(["keyctl", "unlink", ring, "@u"], check=True)


def number_of_ring() -> str:
    found = subprocess.run(["keyctl", "search", "@u", "keyring", NAME], capture_output=True, text=True)
    return found.stdout.strip()


def test_what_it_keeps_is_gone_after_its_time(keyring: KernelKeyring) -> None:
    short = KernelKeyring({"SHELLVAULT_KEYCTL_TIMEOUT": "1"}, NAME)
    short.set_password("shellvault", "keys/work", "secret")
    assert short.get_password("shellvault", "keys/work") == "secret"
    deadline = time.monotonic() + 5
    while short.get_password("shellvault", "keys/work") is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_without_a_setting_nothing_has_an_end(keyring: KernelKeyring) -> None:
    name = f"keys/without-end-{os.getpid()}"
    keyring.set_password("shellvault", name, "soon gone")
    KernelKeyring({}, NAME).set_password("shellvault", name, "secret")
    described = Path("/proc/keys").read_text()
    [line] = [line for line in described.splitlines() if f" {name}: " in line]
    assert line.split()[3] == "perm", line


@pytest.mark.parametrize(
    ("seconds", "said"),
    [("", "until a restart, or the end of your last process"), ("3600", "(SHELLVAULT_KEYCTL_TIMEOUT)")],
)
def test_storing_keys_says_once_until_when(seconds: str, said: str, tmp_path: Path) -> None:
    if not kernel_keyring.presence().usable:
        pytest.skip("this kernel does not let us use its keyring")
    messages: list[str] = []
    environment = {"HOME": str(tmp_path), "SHELLVAULT_KEYCTL_TIMEOUT": seconds}
    vault = open_vault("keyctl", environment, never_asked, tell=messages.append)
    try:
        for name in ("until-when", "until-when-2"):
            vault.save_keys(name, "AKIAWORK", "secret")
        assert len(messages) == 1
        assert said in messages[0]
    finally:
        for name in ("until-when", "until-when-2"):
            vault.remove_keys(name)


def test_its_items_are_listed_by_name(keyring: KernelKeyring) -> None:
    assert keyring.names() == []
    names = ["a", "with space", "a;b/../ü", "x" * 300]
    for name in names:
        keyring.set_password("shellvault", name, "secret")
    assert sorted(keyring.names()) == sorted(names)


def test_a_revoked_one_holds_nothing_and_is_replaced(keyring: KernelKeyring) -> None:
    keyring.set_password("shellvault", "keys/work", "secret")
    subprocess.run(["keyctl", "revoke", number_of_ring()], check=True)
    assert keyring.get_password("shellvault", "keys/work") is None
    keyring.set_password("shellvault", "keys/work", "again")
    assert keyring.get_password("shellvault", "keys/work") == "again"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user, whose keyring is small")
def test_one_that_is_full_says_so_and_keeps_what_it_has(keyring: KernelKeyring) -> None:
    need_programs("setpriv")
    number = 50_000 + os.getpid() % 10_000
    another = ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups"]
    home = Path(tempfile.mkdtemp())
    try:
        os.chown(home, number, number)
        filled = subprocess.run(
            [*another, sys.executable, "-c", FILL],
            env={"HOME": str(home), "PATH": os.environ["PATH"]},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=100,
        )
    finally:
        subprocess.run([*another, "keyctl", "clear", "@u"], check=True)
        shutil.rmtree(home)
    assert filled.stderr == ""
    message, count = filled.stdout.splitlines()
    assert message.endswith(": it is full: choose another vault"), filled.stdout
    assert 10 < int(count) < 1000
