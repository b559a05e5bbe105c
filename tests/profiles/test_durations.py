"""Durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shellvault.errors import ConfigError
from shellvault.profiles.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("900", 900),
        ("900s", 900),
        ("0900", 900),
        ("15m", 900),
        ("1h30m", 5400),
        ("12h", 43200),
        ("1h0m5", 3605),
        ("1d", 86400),
        ("1w", 604800),
        ("1w2d3h4m5s", 604800 + 2 * 86400 + 3 * 3600 + 4 * 60 + 5),
    ],
)
def test_a_duration_is_a_number_of_seconds(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "0", "0s", "0h0m", "-1", "-15m", "+5", "1.5h", "1h 30m", " 15m", "15m\n", "30m1h", "1h1h",
     "h", "m15", "15M", "15min", "1y", "500ms", "٣", "１５m", "1_000", "0x10", "1e3", "9" * 9, "9" * 5000,
     "1h\x1b[31m", "inf"],
)  # fmt: skip
def test_anything_else_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_duration(text)
    message = str(refused.value)
    assert "is not a duration: write it like 15m" in message
    assert message.isascii() and message.isprintable() and len(message) < 300


@given(st.text(max_size=30))
def test_every_text_is_a_positive_number_or_refused(text: str) -> None:
    try:
        assert parse_duration(text) > 0
    except ConfigError as refused:
        assert str(refused).isprintable()
