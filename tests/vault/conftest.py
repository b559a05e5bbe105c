"""What the vault's tests share: an environment of their own, and vaults that are cheap to open."""

from pathlib import Path

import pytest

from shellvault.vault import sealed
from tests.support.home import CHEAP

PASSPHRASE = "correct horse"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home without display, bus or anything else."""
    return {"HOME": str(tmp_path / "home"), "SHELLVAULT_FILE_PASSPHRASE": PASSPHRASE}


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """New encrypted files take no time to unlock."""
    monkeypatch.setattr(
        sealed.Cost.__init__, "__defaults__", (CHEAP.memory_kib, CHEAP.iterations, CHEAP.lanes)
    )


def never_asked(new: bool, problem: str | None, path: Path) -> str:
    raise AssertionError("no person may be asked")
