"""No question breaks a word, however narrow the terminal."""

import pytest

from shellvault.dialogue.folding import folded

QUESTIONS = (
    "Enter Access Key Id: ",
    "Enter MFA code for arn:aws:iam::123456789012:mfa/somebody.with.a.long.name@example.com: ",
    "that passphrase is wrong; Enter passphrase to unlock /home/jo/.local/share/shellvault/vault.shellvault: ",
    "The secret has 39 characters, one of AWS has 40 letters, digits, / and +. Really store them? (y|N) ",
)


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_broken_between_words_alone(question: str, columns: int) -> None:
    lines = folded(question, columns).split("\n")
    assert " ".join(line.strip() for line in lines).split() == question.split()
    assert lines[-1].endswith(" ")
    for line in lines:
        assert len(line) <= columns or len(line.split()) == 1


def test_a_question_that_fits_stays_as_it_is() -> None:
    assert folded(QUESTIONS[0], 80) == QUESTIONS[0]
