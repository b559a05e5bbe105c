"""The order of what matches in a list: words before beginnings, beginnings before parts, parts before letters."""

import pytest

from shellvault.dialogue.ranking import ranked


@pytest.mark.parametrize(
    ("typed", "best_first"),
    [
        ("read", ["x read", "ReadOnly", "TeamRead", "a-reader", "thread", "prepared"]),
        ("READ", ["x read", "ReadOnly", "TeamRead", "a-reader", "thread", "prepared"]),
        ("re er", ["a-reader", "TeamRead", "prepared"]),
        ("", ["prepared", "thread", "ReadOnly", "TeamRead", "a-reader", "x read"]),
        ("   ", ["prepared", "thread", "ReadOnly", "TeamRead", "a-reader", "x read"]),
        ("read zzz", []),
        (".*", []),
    ],
)
def test_the_surest_match_is_first_and_equals_keep_their_order(typed: str, best_first: list[str]) -> None:
    lines = ["prepared", "thread", "ReadOnly", "TeamRead", "a-reader", "x read"]
    assert [lines[index] for index in ranked(lines, typed)] == best_first


def test_the_word_that_fits_worst_decides() -> None:
    lines = ["prod 381 administrator real deal", "staging 381000 ReadOnly prod-x"]
    assert ranked(lines, "prod 381 read") == [1, 0]
