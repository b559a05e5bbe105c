"""A real keyring for the stores that lie in one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real_keyring import PrivateKeyring, private_keyring


@pytest.fixture
def keyring(tmp_path: Path) -> Iterator[PrivateKeyring]:
    """An unlocked gnome-keyring on a bus of its own."""
    with private_keyring(tmp_path) as running:
        yield running
