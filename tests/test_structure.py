"""Imports go one way: scripts/structure.py says which, and docs/design.md shows it."""

from scripts import structure

FOUND = structure.imports()


def test_no_room_imports_one_above_it_or_on_its_level() -> None:
    assert structure.upward(FOUND) == []


def test_no_file_imports_one_that_imports_it() -> None:
    assert structure.circle(FOUND) == []


def test_the_picture_shows_what_is() -> None:
    text = structure.DESIGN.read_text("utf-8")
    assert structure.redrawn(text, FOUND) == text, "draw it anew: python -m scripts.structure"


def test_an_upward_import_a_circle_and_a_new_room_are_found() -> None:
    up = {"shellvault.vault.items": {"shellvault.cli.main"}, "shellvault.cli.main": set[str]()}
    assert structure.upward(up) == ["shellvault.vault.items imports shellvault.cli.main"]
    assert structure.upward(
        {"shellvault.vault.items": {"shellvault.agent.server"}, "shellvault.agent.server": set()}
    )
    assert structure.circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert FOUND["shellvault.cli.main"], "no import was seen at all"
