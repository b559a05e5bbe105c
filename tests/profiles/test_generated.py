"""Profiles that are written and kept up to date: only marked ones are touched, every other byte stays."""

from pathlib import Path

import pytest

from shellvault.errors import ConfigError
from shellvault.profiles.generated import MARK, apply
from shellvault.profiles.parse import load

MINE = (
    "# mine\n[default]\nregion = eu-central-1\n\n[profile Work]  # by hand\nrole_arn=arn:aws:iam::1:role/x\n"
)


def wanted(*names: str, role: str = "Admin") -> dict[str, dict[str, str]]:
    return {
        name: {"sso_session": "corp", "sso_account_id": "1" * 12, "sso_role_name": role} for name in names
    }


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(MINE)
    return path


def test_profiles_are_added_sorted_at_the_end_and_marked(config: Path) -> None:
    done = apply(config, "corp", wanted("b", "a"), prune=False)
    assert done.added == ("a", "b")
    assert config.read_text() == MINE + "".join(
        f"\n[profile {name}]\nsso_session = corp\nsso_account_id = 111111111111\n"
        f"sso_role_name = Admin\n{MARK} = corp\n"
        for name in ("a", "b")
    )


def test_the_same_again_changes_no_byte(config: Path) -> None:
    apply(config, "corp", wanted("b", "a"), prune=True)
    before = config.read_bytes()
    assert not apply(config, "corp", wanted("a", "b"), prune=True)
    assert config.read_bytes() == before


def test_a_new_one_finds_its_place_among_the_others(config: Path) -> None:
    apply(config, "corp", wanted("a", "c"), prune=False)
    apply(config, "corp", wanted("a", "b", "c", "d"), prune=False)
    assert load(config).profile_names[2:] == ("a", "b", "c", "d")
    apply(config, "corp", wanted("a", "c"), prune=True)
    fresh = config.with_name("fresh")
    fresh.write_text(MINE)
    apply(fresh, "corp", wanted("a", "c"), prune=False)
    assert config.read_text() == fresh.read_text()


def test_what_is_gone_goes_with_prune_alone(config: Path) -> None:
    apply(config, "corp", wanted("a", "b"), prune=False)
    assert not apply(config, "corp", wanted("a"), prune=False)
    assert apply(config, "corp", wanted("a"), prune=True).removed == ("b",)
    assert apply(config, "corp", {}, prune=True).removed == ("a",)
    assert config.read_text() == MINE


def test_a_changed_one_is_changed_in_its_place(config: Path) -> None:
    apply(config, "corp", wanted("a", "b"), prune=False)
    assert apply(config, "corp", wanted("a", role="Reader") | wanted("b"), prune=False).changed == ("a",)
    assert load(config).section("a")["sso_role_name"] == "Reader"
    assert load(config).profile_names[2:] == ("a", "b")


def test_a_handwritten_profile_of_the_same_name_is_kept(config: Path) -> None:
    done = apply(config, "corp", wanted("Work", "a"), prune=True)
    assert done.conflicts == ("Work",)
    assert config.read_text().startswith(MINE)


def test_another_sessions_profiles_are_left_alone(config: Path) -> None:
    apply(config, "other", wanted("a"), prune=True)
    done = apply(config, "corp", wanted("a", "b"), prune=True)
    assert (done.conflicts, done.added, done.removed) == (("a",), ("b",), ())


def test_lines_keep_their_ends_and_a_missing_last_one_is_no_harm(config: Path) -> None:
    config.write_bytes(MINE.replace("\n", "\r\n").rstrip().encode())
    apply(config, "corp", wanted("a"), prune=False)
    assert b"\n" not in config.read_bytes().replace(b"\r\n", b"")
    assert apply(config, "corp", {}, prune=True).removed == ("a",)


def test_a_name_that_no_line_can_hold_is_refused(config: Path) -> None:
    with pytest.raises(ConfigError):
        apply(config, "corp", wanted("a]\n[profile evil"), prune=False)
    assert config.read_text() == MINE


def test_a_thousand_accounts_are_written_in_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "config"
    names = [f"account{number:04}-{role}" for number in range(1000) for role in ("Admin", "Audit", "Reader")]
    assert len(apply(path, "corp", wanted(*names), prune=True).added) == 3000
    assert not apply(path, "corp", wanted(*names), prune=True)
