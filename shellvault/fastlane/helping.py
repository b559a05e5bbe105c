"""Which command lines ask for help, and for how wide a screen: their texts are kept, as that of `init` is.

On the warm path: builtins only.
"""

import posix

#: As wide as help gets (columns), and its width where there is no terminal (`shutil.get_terminal_size`).
WIDEST, USUAL = 100, 80

#: What takes all words behind it for its own.
NOT_COMMANDS = ("refresh", "wrap")


def words(arguments: list[str]) -> list[str] | None:
    """The command that help is asked for, none for all of them; None where something else is asked for."""
    if arguments in (["--help"], ["-h"], ["help"]):
        return []
    if len(arguments) != 2:
        return None
    command = arguments[1] if arguments[0] == "help" else arguments[0]
    asks = arguments[0] == "help" or arguments[1] in ("--help", "-h")
    is_word = command.isascii() and command.replace("-", "").isalpha() and command[:1] != "-"
    return [command] if asks and is_word and command not in NOT_COMMANDS else None


def columns(environment: dict[str, str]) -> int:
    """The columns that help is written for, as `shutil.get_terminal_size` finds them."""
    given = environment.get("COLUMNS", "")
    found = int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 0
    if found <= 0:
        try:
            found = posix.get_terminal_size(1).columns
        except OSError:
            found = 0
    return min(found or USUAL, WIDEST)
