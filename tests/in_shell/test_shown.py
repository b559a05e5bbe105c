"""What a profile's name looks like at the prompt: the terminal obeys nothing in it, and production stands out."""

import json
from pathlib import Path

import pytest

from shellvault.display import is_production, printable
from shellvault.shells import init, render
from tests.in_shell.conftest import Open, enter, segment
from tests.in_shell.stand_in import USUAL, FastLane, session
from tests.in_shell.test_text import HOSTILE
from tests.support.terminal import Terminal

pytestmark = pytest.mark.real

#: Names, and how they are shown where the locale is UTF-8 and where it is not.
NAMES = {
    "plain-name_1.x@y": ("plain-name_1.x@y", "plain-name_1.x@y"),
    "grüße 日本 🙂": ("grüße 日本 🙂", None),
    "a\x1b[2Jb\rc\x7fd": ("a?[2Jb?c?d", "a?[2Jb?c?d"),
    "c1\x9b31m": ("c1?31m", None),
    "bidi\u202e\u2066\u200f\u061cx": ("bidi????x", None),
    "hidden\u200b\ufeff\u2028\u00adx": ("hidden????x", None),
    "glob*?[a]{b}~$(x)`y`'\"\\": ("glob*?[a]{b}~$(x)`y`'\"\\", "glob*?[a]{b}~$(x)`y`'\"\\"),
}

#: Bytes that are no UTF-8, in a shell that can hold them: nothing else of the name is believed either.
BROKEN = {"raw\udc9bx ü": "raw?x ??", "cut\udce2\udc80": "cut??", "wrong\udce2ü\udc80\udc80": "wrong?????"}

IS_PRODUCTION = {
    "prod": True, "production": True, "acme-prod": True, "acme-production-eu": True, "acme_prod-eu": True,
    "prod.admin": True, "acme/PROD": True, "Acme-Production": True, "product": False, "reproduction": False,
    "staging": False, "nonprod": False, "produktion": False,
}  # fmt: skip

PATTERNS = "live-*,a[b]?c,*core"
IS_LIVE = {
    "live-1": True, "live": False, "a[b]?c": True, "abxc": False, "hardcore": True, "acme-prod": False,
    "Live-1": False,
}  # fmt: skip


def is_red(terminal: Terminal) -> bool:
    """Whether the segment is shown as production's."""
    value, marked = {
        "bash": ("${__shellvault_color}", "\x1b[1;31m"),
        "zsh": ("$__shellvault_color", "bold red"),
        "fish": ("$__shellvault_color", "--bold red"),
        "powershell": ("$__shellvault_state.Prefix.Substring(1, 6)", "[1;31m"),
    }[terminal.shell]
    return terminal.value(value) == marked


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_a_name_is_shown_without_what_a_terminal_obeys(
    shell: str, locale: str, opened: Open, lane: FastLane, now: int
) -> None:
    # The locale's own variable, so that neither the machine's nor the test's decides.
    terminal = opened(shell, LC_ALL=locale)
    broken = {} if shell == "powershell" else BROKEN
    for name, (wide, narrow) in [*NAMES.items(), *((name, (shown, None)) for name, shown in broken.items())]:
        enter(terminal, lane, profile=name, refresh_at=now + 9000, expires_at=now + 90_000)
        shown = segment(terminal).rpartition(" ")[0]
        # fish and PowerShell speak UTF-8 to the terminal in any case; and fish knows undecodable bytes one by one.
        if locale == "C.UTF-8" or shell in ("fish", "powershell"):
            assert shown == (wide if name not in broken or shell != "fish" else shown), ascii(name)
            assert printable(shown) == shown
        else:
            assert shown.isascii(), ascii(name)
            assert narrow in (shown, None)


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_no_escape_in_a_name_reaches_the_terminal(
    shell: str, locale: str, opened: Open, lane: FastLane, now: int
) -> None:
    """What is written at the prompt itself, not only what the variable holds."""
    terminal = opened(shell, LC_ALL=locale)
    before = len(terminal.screen)
    names = ("t\x1b]0;owned\x07x", "a\x1b[2Jb", "c\x9b31md", "r\rs\x08t", "u\u202ev")
    for name in names:
        enter(terminal, lane, profile=name, refresh_at=now + 9000, expires_at=now + 90_000)
        terminal.run("")
        assert segment(terminal) in terminal.screen, ascii(name)
    written = terminal.screen[before:]
    for sequence in ("]0;owned\x07", "\x1b[2Jb", "\x9b", "r\rs", "\x08t", "\u202e"):
        assert sequence not in written, ascii(sequence)


def test_an_expired_session_names_the_command_to_run(
    shell: str, opened: Open, lane: FastLane, now: int
) -> None:
    terminal = opened(shell)
    lane.answers("refresh", "", 77)
    for number, (name, words) in enumerate(
        (
            ("work", ("work",)),
            ("my work", ("'my work'", "my\\ work")),
            (
                "it's\x1b[2J",
                ("'it''s?[2J'", "$'it\\'s\\E[2J'", "'it'\\''s?[2J'", "it\\'s\\e\\[2J", "it\\''s?[2J'"),
            ),
        )
    ):
        enter(terminal, lane, profile=name, refresh_at=now - 50 - number, expires_at=now - 5)
        terminal.run("")
        said = [line for line in terminal.screen.splitlines() if "has expired and needs you" in line][-1]
        assert said.partition("; run: shellvault use ")[2].strip().startswith(words), said


def test_without_init_it_names_the_line_to_evaluate(
    shell: str, opened: Open, lane: FastLane, now: int
) -> None:
    lane.answers("refresh", "", 77)
    text = render.env_snippet(shell, session(refresh_at=now - 50, expires_at=now - 5)) + init.hook_text(shell)
    terminal = opened(shell, text=text)
    terminal.run("")
    command = {
        "fish": "shellvault env work | source",
        "powershell": "shellvault env work | Out-String | Invoke-Expression",
    }.get(shell, 'eval "$(shellvault env work)"')
    assert f"the session of work has expired and needs you; run: {command}" in terminal.screen


@pytest.mark.parametrize("patterns", [None, PATTERNS, ""], ids=["by its words", "by patterns", "none"])
def test_production_is_bold_and_red_in_every_shell_and_in_tables(
    shell: str, patterns: str | None, opened: Open, lane: FastLane, now: int
) -> None:
    terminal = opened(shell, **({} if patterns is None else {"SHELLVAULT_PRODUCTION": patterns}))
    if patterns == "" and shell == "powershell":
        terminal.run("$env:SHELLVAULT_PRODUCTION = ','")
    expected = (
        IS_PRODUCTION if patterns is None else dict.fromkeys(IS_LIVE, False) if not patterns else IS_LIVE
    )
    for name, is_marked in expected.items():
        assert is_production(name, patterns) == is_marked, name
        enter(terminal, lane, profile=name, refresh_at=now + 9000, expires_at=now + 90_000)
        assert is_red(terminal) == is_marked, name
    if patterns is None:
        terminal.type("")
        enter(terminal, lane, profile="acme-prod", refresh_at=now + 9000, expires_at=now + 90_000)
        terminal.run("")
        before = (
            terminal.screen.rpartition("acme-prod 25h")[0] or terminal.screen.rpartition("acme-prod 24h")[0]
        )
        assert before.endswith(("\x1b[1m\x1b[31m", "\x1b[1;31m", "\x1b[31m\x1b[1m")), ascii(before[-40:])


@pytest.mark.parametrize("patterns", [PATTERNS, HOSTILE, ""], ids=["patterns", "hostile", "none"])
def test_the_settings_patterns_count_without_the_variable(
    shell: str, patterns: str, opened: Open, lane: FastLane, now: int, tmp_path: Path
) -> None:
    settings = tmp_path / ".config" / "shellvault" / "config.toml"
    settings.parent.mkdir(parents=True)
    listed = json.dumps(patterns.split(",") if patterns else [])
    settings.write_text(f"production = {listed}\n", encoding="utf-8")
    text = init.init_text(shell, USUAL, {"HOME": str(tmp_path)})
    terminal = opened(shell, text=text, LC_ALL="C.UTF-8")
    expected = {
        PATTERNS: IS_LIVE,
        HOSTILE: {"acme-prod": False, "${x}": True, "`touch pwned`": True, "\\'": True, "x": False},
        "": dict.fromkeys(IS_PRODUCTION, False),
    }[patterns]
    for name, is_marked in expected.items():
        enter(terminal, lane, profile=name, refresh_at=now + 9000, expires_at=now + 90_000)
        assert is_red(terminal) == is_marked, name
    assign = {"fish": "set -gx X ", "powershell": "$env:X = "}.get(shell, "export X=")
    terminal.run(assign.replace("X", "SHELLVAULT_PRODUCTION") + "'of-the-variable'")
    for name, is_marked in (("of-the-variable", True), (next(iter(expected)), False)):
        enter(terminal, lane, profile=name, refresh_at=now + 9000, expires_at=now + 90_000)
        assert is_red(terminal) == is_marked, name
    assert not [*tmp_path.rglob("pwned")]


def test_a_narrowed_session_is_shown_as_one(shell: str, opened: Open, lane: FastLane, now: int) -> None:
    terminal = opened(shell)
    times = {"refresh_at": now + 1200, "expires_at": now + 2845}
    enter(terminal, lane, narrowed="ro", **times)
    assert segment(terminal) in ("work ro 47m", "work ro 46m")
    # The same times: what has changed is what the session may do.
    enter(terminal, lane, **times)
    assert segment(terminal) in ("work 47m", "work 46m")
    enter(terminal, lane, narrowed="policy", **times)
    assert segment(terminal) in ("work policy 47m", "work policy 46m")
    enter(terminal, lane, narrowed="\x1b[2J", **times)
    assert segment(terminal) in ("work 47m", "work 46m")


def test_a_narrowed_session_is_never_followed_by_a_wider_one(
    shell: str, opened: Open, lane: FastLane, now: int
) -> None:
    terminal = opened(shell)
    lane.answers("refresh", "", 77)
    for number, (narrowed, options, shown) in enumerate(
        (
            ("ro", " read-only=1", "--read-only work"),
            ("ro", "", "--read-only work"),
            ("policy", " policy=%7B%7D policy-arns=arn:x", "--policy FILE --policy-arn ARN work"),
            ("policy", " policy=%7B%7D", "--policy FILE work"),
            ("policy", " policy-arns=arn:x", "--policy-arn ARN work"),
            ("policy", "", "work"),
        )
    ):
        enter(
            terminal,
            lane,
            narrowed=narrowed,
            options=options,
            refresh_at=now - 50 - number,
            expires_at=now - 5,
        )
        terminal.run("")
        said = [line for line in terminal.screen.splitlines() if "has expired and needs you" in line][-1]
        assert said.partition("; run: shellvault use ")[2].strip() == shown, said
