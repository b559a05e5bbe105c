"""The documentation: its links lead somewhere, the README stays short, and no variable is left out."""

import re
from pathlib import Path

import pytest

from shellvault.configuration import PROFILE_KEYS, SET_BY_A_SESSION, SETTINGS, VARIABLES

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]

#: What one part of shellvault says to another: no person sets or reads these.
INTERNAL = {
    "SHELLVAULT_CALLED_AS",
    "SHELLVAULT_HAS_VAULT_TOKEN",
    "SHELLVAULT_RESOLVING",
    "SHELLVAULT_ZDOTDIR",
    "SHELLVAULT_REQUEST",
    "SHELLVAULT_VARIABLES",
    "SHELLVAULT_LEASED",
    "SHELLVAULT_REGION",
    "SHELLVAULT_ENDPOINT_URL",
    "SHELLVAULT_USE_FIPS_ENDPOINT",
    "SHELLVAULT_USE_DUALSTACK_ENDPOINT",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]*)\)", page.read_text("utf-8")):
        name, _, heading = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if heading:
            assert heading in headings(file), target


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_is_at_most_120_lines() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    for page in ROOT.glob("docs/**/*.md"):
        assert page.name == "README.md" or f"({page.relative_to(ROOT / 'docs')})" in index, page


def test_changes_of_the_next_version_are_short() -> None:
    newest = (ROOT / "CHANGELOG.md").read_text("utf-8").partition("\n## ")[2].partition("\n## ")[0]
    assert [line for line in newest.splitlines() if len(line) > 110] == []


def test_every_variable_of_ours_is_in_the_table() -> None:
    documented = {key.name for key in VARIABLES}
    for key in (*SETTINGS, *PROFILE_KEYS, *VARIABLES):
        documented |= {*key.variables, *re.findall(r"[A-Z_]{5,}", key.meaning)}
    for names, _ in SET_BY_A_SESSION:
        documented |= set(names.split(", "))
    used: set[str] = set()
    for source in [*ROOT.glob("shellvault/**/*.py"), *ROOT.glob("shells/**/*.jinja")]:
        used |= set(re.findall(r"\bSHELLVAULT_[A-Z_]*[A-Z]\b", source.read_text("utf-8")))
    assert used - documented - INTERNAL == set()
