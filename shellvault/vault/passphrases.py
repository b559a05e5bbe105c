"""Says why a passphrase is weak, in words for the person."""

from itertools import pairwise

#: Characters from which a passphrase counts as strong (NIST SP 800-63B: length is what counts).
STRONG_LENGTH = 12


def weakness(passphrase: str) -> str | None:
    """Why a passphrase is easy to guess; None if no reason is found."""
    length, different = len(passphrase), len(set(passphrase))
    if length < STRONG_LENGTH:
        return f"it has {length} character{'' if length == 1 else 's'}, and should have {STRONG_LENGTH}"
    if passphrase in (passphrase + passphrase)[1:-1]:
        return "it is the same text again and again"
    steps = {ord(after) - ord(before) for before, after in pairwise(passphrase)}
    if len(steps) == 1:
        return "its characters follow each other as in the alphabet or in numbers"
    if different < STRONG_LENGTH // 2:
        return f"it has only {different} different characters"
    return None
