"""Each sentence of SECURITY.md names the tests that show it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CLAIMS = [line for line in (ROOT / "SECURITY.md").read_text("utf-8").splitlines() if line.startswith("- ")]


def test_there_are_claims() -> None:
    assert len(CLAIMS) > 20


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_names_tests_that_exist(claim: str) -> None:
    comment = re.fullmatch(r"- .*\. <!-- (.+) -->", claim)
    assert comment, "a sentence, and then its tests in a comment"
    for name in comment[1].split():
        file, _, test = name.partition("::")
        text = (ROOT / file).read_text("utf-8")
        assert re.search(rf"^def {test or 'test_'}", text, re.MULTILINE), name
