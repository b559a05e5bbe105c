"""One quoting function per shell: the only way by which a value gets into a shell's text.

Python holds undecodable bytes of the environment as lone surrogates (PEP 383). The quoted text keeps them:
bash, zsh and fish get the same bytes back if it is written as UTF-8 with `surrogateescape`.
"""

import base64
import re
from collections.abc import Callable

from shellvault.errors import UsageError

_PRINTABLE_ASCII = re.compile(r"[ -~]*")


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
        value.encode("utf-8", "strict" if shell == "powershell" else "surrogateescape")
    except UnicodeEncodeError:
        raise UsageError(f"a value is not valid UTF-8, which {shell} cannot hold: give it in UTF-8") from None
    return _QUOTING[shell](value)


def quote_sh(value: str) -> str:
    """For bash, and any POSIX shell: nothing is special within single quotes (POSIX.1-2017, 2.2.2)."""
    return "'" + value.replace("'", "'\\''") + "'"


def quote_zsh(value: str) -> str:
    """As in bash, but newlines apart: CSH_JUNKIE_QUOTES forbids them within single quotes (zshoptions(1))."""
    return quote_sh(value).replace("\n", "'$'\\n''")


def quote_fish(value: str) -> str:
    r"""Within fish's single quotes `\` and `'` are escaped by `\` (fish-language, Quotes)."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_powershell(value: str) -> str:
    """Printable ASCII as a literal string; everything else as base64 of UTF-8.

    A pipeline may decode text outside ASCII by another code page, and it splits at newlines. So of the five
    characters that end a literal (CharTraits.cs, IsSingleQuote) only the ASCII one can stand in one, doubled.
    """
    if _PRINTABLE_ASCII.fullmatch(value):
        return "'" + value.replace("'", "''") + "'"
    encoded = base64.b64encode(value.encode()).decode("ascii")
    return f"([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('{encoded}')))"


_QUOTING: dict[str, Callable[[str], str]] = {
    "bash": quote_sh,
    "zsh": quote_zsh,
    "fish": quote_fish,
    "powershell": quote_powershell,
}
