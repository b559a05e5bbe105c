"""Draws docs/terminal.svg, the picture in the README: a real bash with the installed wheel and an emulated AWS.

What is typed is in STEPS; what stands under it is what the terminal showed, in its colours (only the throw-away home
is called HOME).

usage: python -m scripts.picture
"""

import io
import re
import sys
import tempfile
import time
from pathlib import Path

import pyte
from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.style import Style
from rich.text import Text

from tests.support import emulator
from tests.support.clients import find
from tests.support.home import make_home, stop_agents
from tests.support.installation import install
from tests.support.terminal import PATIENCE, PROMPT, Terminal

RESULT = Path(__file__).parents[1] / "docs" / "terminal.svg"
SIZE = (32, 88)
HOME = "/home/ada"

START_UP = """\
PS1='$ '
eval "$(shellvault init bash)"
"""

#: How the screen ends while a command asks, and when the shell is back.
QUESTION, AT_PROMPT = r": $", r"\n[^\n]*\$ $"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")

#: A line for the shell each, and those for the questions of the command that runs ({…}: the user's keys).
STEPS: tuple[tuple[str, ...], ...] = (
    ("shellvault add work", "{key_id}", "{secret}", ""),
    ("shellvault use work",),
    ("aws sts get-caller-identity --query Arn",),
    ("aws --profile deploy sts get-caller-identity --query Arn",),
    ("shellvault why deploy",),
    ("shellvault list",),
    ("shellvault leave",),
)

#: Without the fonts that rich has browsers load from elsewhere.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def main() -> int:
    """Runs the steps and draws the last screen."""
    aws_cli = find("aws-cli-2")
    if aws_cli is None:
        print("picture: no AWS CLI on this machine: make tools", file=sys.stderr)
        return 1
    with (
        tempfile.TemporaryDirectory(prefix="shellvault-picture-") as folder,
        tempfile.TemporaryDirectory(prefix="shellvault-picture-") as runtime,
    ):
        home = make_home(Path(folder), Path(runtime), install(Path(folder, "installation")).programs)
        del home.environment["SHELLVAULT_NO_AGENT"]
        home.environment["PATH"] = f"{home.environment['PATH']}:{aws_cli.parent}"
        state = Path(folder, "aws")
        state.mkdir()
        with emulator.running(state) as aws:
            keys = aws.user("ada")
            role = aws.role("deploy", trusts="user/ada")
            home.write_config(
                f"[default]\nregion = {emulator.REGION}\nendpoint_url = {aws.endpoint}\n"
                f"\n[profile deploy]\nsource_profile = work\nrole_arn = {role}\n"
                # The program reads it from its own profile alone.
                f"endpoint_url = {aws.endpoint}\n"
            )
            # `run` in the terminal leaves traces of its own, so the prompt is awaited on the screen.
            terminal = Terminal("bash", home.path, START_UP, home.environment, size=SIZE)
            try:
                terminal.clear()
                terminal.screen = ""
                for line, *answers in STEPS:
                    for text, then in zip(
                        (line, *answers), [QUESTION] * len(answers) + [AT_PROMPT], strict=True
                    ):
                        filled = text.format(key_id=keys.access_key_id, secret=keys.secret_access_key)
                        _type(terminal, filled, then)
                printed = PROMPT + terminal.screen.replace(str(home.path), HOME)
                RESULT.write_text(svg(printed), "utf-8")
            finally:
                terminal.close()
                stop_agents(Path(runtime))
    return 0


def _type(terminal: Terminal, text: str, then: str) -> None:
    """Types a line, and waits until the screen ends as the regular expression `then` says."""
    seen = len(terminal.screen)
    terminal.type(text)
    deadline = time.monotonic() + PATIENCE
    while not re.search(then, ESCAPES.sub("", terminal.screen[seen:])):
        terminal.drain()
        if time.monotonic() > deadline:
            raise RuntimeError(f"it never came:\n{terminal.picture()}")


def svg(printed: str) -> str:
    """What a terminal makes of the text, as a picture."""
    rows, columns = SIZE
    screen = pyte.Screen(columns, rows)
    pyte.Stream(screen).feed(printed)
    used = max(index for index, line in enumerate(screen.display) if line.strip()) + 1
    console = Console(record=True, width=screen.columns, file=io.StringIO(), force_terminal=True)
    for row in range(used):
        text = Text(no_wrap=True)
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            text.append(cell.data, Style(color=_colour(cell.fg), bold=cell.bold, reverse=cell.reverse))
        console.print(text)
    return console.export_svg(title="bash", code_format=FORMAT, unique_id="shellvault")


def _colour(name: str) -> str | None:
    """A colour of pyte's as rich calls it."""
    if name == "default":
        return None
    return {"brown": "yellow"}.get(name, f"#{name}" if re.fullmatch("[0-9a-f]{6}", name) else name)


if __name__ == "__main__":
    sys.exit(main())
