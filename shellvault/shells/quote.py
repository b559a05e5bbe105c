"""One quoting function per shell: the only way by which a value gets into a shell's text.

Python holds undecodable bytes of the environment as lone surrogates (PEP 383). The quoted text keeps them:
bash, zsh and fish get the same bytes back if it is written as UTF-8 with `surrogateescape`.
"""

from shellvault.errors import UsageError
from shellvault.shells import RECORDS


def quote(shell: str, value: str) -> str:
    """`value` as one word (PowerShell: one expression) of `shell`'s language, whatever it contains.

    Args:
        shell: one of `shells.SHELLS`.
        value: any text; lone surrogates U+DC80-U+DCFF stand for raw bytes.

    Raises:
        UsageError: the value holds NUL, which no environment can carry, or surrogates that mean no byte; for
            PowerShell any surrogate, since .NET strings hold characters, not bytes.
    """
    if "\0" in value:
        raise UsageError("a value contains a NUL character, which no shell can hold: remove it")
    try:
        value.encode("utf-8", "surrogateescape" if RECORDS[shell].holds_bytes else "strict")
    except UnicodeEncodeError:
        raise UsageError(f"a value is not valid UTF-8, which {shell} cannot hold: give it in UTF-8") from None
    return RECORDS[shell].quote(value)
