"""A list on the terminal to choose one line from: arrows move, typing filters, Esc leaves."""

import os
from collections.abc import Sequence
from pathlib import Path

from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.dimension import Dimension

from shellvault.dialogue import ranking, terminal
from shellvault.dialogue.output import LeftError
from shellvault.display import printable

#: Lines shown at once.
_HEIGHT = 20
_QUIET = "fg:ansibrightblack"


class _List:
    """The typed text, the lines that match it, and the selected one."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self.typed = ""
        self.pointed_at = 0
        self.found = list(range(len(lines)))

    def type(self, text: str) -> None:
        """Sets the typed text to `text`."""
        self.typed, self.pointed_at = text, 0
        self.found = ranking.ranked(self._lines, text)

    def move(self, by: int) -> None:
        """Selects another line; after the last comes the first."""
        self.pointed_at = (self.pointed_at + by) % max(1, len(self.found))

    def heading(self, what: str) -> StyleAndTextTuples:
        """The typed text, or a hint at the keys."""
        hint = "" if self.typed else "(type to filter, Esc leaves)"
        return [("bold", f"{what}> "), ("", printable(self.typed, None)), (_QUIET, hint)]

    def rows(self) -> StyleAndTextTuples:
        """The lines that match, with a mark before the one that Enter takes."""
        if not self.found:
            return [(_QUIET, "  nothing matches")]
        rows: StyleAndTextTuples = []
        for place, index in enumerate(self.found):
            mark, style = (">", "bold") if place == self.pointed_at else (" ", "")
            rows += [("", "\n")] if rows else []
            rows += [("[SetCursorPosition]", "")] if mark == ">" else []
            rows.append((style, f"{mark} {self._lines[index]}"))
        return rows


def choose(lines: Sequence[str], what: str) -> int:
    """The index of the chosen line. Raises LeftError when none is chosen."""
    # Windows lacks both, but imports this module.
    from prompt_toolkit.input.vt100 import Vt100Input
    from prompt_toolkit.output.vt100 import Vt100_Output

    shown = _List(lines)
    with (
        Path(terminal.path()).open(encoding="utf-8") as keyboard,
        Path(terminal.path()).open("w", encoding="utf-8") as screen,
    ):
        output = Vt100_Output.from_pty(screen, term=os.environ.get("TERM"))
        # Not every terminal reports its cursor's position, and none is needed here.
        output.enable_cpr = False
        heading = Window(FormattedTextControl(lambda: shown.heading(what)), height=1)
        rows = FormattedTextControl(shown.rows, focusable=True, show_cursor=False)
        application: Application[int | None] = Application(
            layout=Layout(HSplit([heading, Window(rows, height=Dimension(min=1, max=_HEIGHT))])),
            key_bindings=_keys(shown),
            erase_when_done=True,
            input=Vt100Input(keyboard),
            output=output,
        )
        application.ttimeoutlen = 0.1
        chosen = application.run()
    if chosen is None:
        raise LeftError
    return chosen


def _keys(shown: _List) -> KeyBindings:
    keys = KeyBindings()
    steps = {"up": -1, "c-p": -1, "s-tab": -1, "down": 1, "c-n": 1, "tab": 1}
    for key, by in steps.items():
        keys.add(key)(lambda event, by=by: shown.move(by))
    edits = {
        "backspace": lambda typed: typed[:-1],
        "c-w": lambda typed: typed.rstrip().rpartition(" ")[0],
        "c-u": lambda typed: "",
    }
    for key, edit in edits.items():
        keys.add(key)(lambda event, edit=edit: shown.type(edit(shown.typed)))
    for key in ("escape", "c-c", "c-d"):
        keys.add(key)(lambda event: event.app.exit(result=None))

    @keys.add("enter")
    def take(event: KeyPressEvent) -> None:
        # Where nothing matches there is nothing to take.
        if shown.found:
            event.app.exit(result=shown.found[shown.pointed_at])

    @keys.add(Keys.BracketedPaste)
    @keys.add("<any>")
    def insert(event: KeyPressEvent) -> None:
        text = "".join(character for character in event.data if character.isprintable())
        if text:
            shown.type(shown.typed + text)

    return keys
