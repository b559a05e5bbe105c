"""Values through the real shells: whatever goes in comes out, byte by byte."""

import os
import random
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shellvault.errors import UsageError
from shellvault.shells import SHELLS
from shellvault.shells.quote import quote
from tests.shells.running import QUIET, REAL_SHELLS, Script, outcome, real_shell

#: What shells give a meaning to; the five quotes that end a PowerShell literal; what fish uses for itself.
SPECIAL = (
    "'\"`$\\\n\r\t !*?[]{}()<>|&;~#%=^@,-\x01\x1b\x7f\x85"
    "\u2018\u2019\u201a\u201b\u201c\u201d😀Ñ\u2028\ufdd0\uf600"
)

VALUES = st.text(
    st.one_of(st.sampled_from(SPECIAL), st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    max_size=40,
)
BYTES = st.binary(max_size=40).map(lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape"))

HOSTILE = [
    "",
    "$(touch hacked)",
    "`touch hacked`",
    "'; touch hacked; '",
    "\u2019; touch hacked; \u2019",
    "'\u2018\u2019\u201a\u201b'; touch hacked #",
    "work\\",
    "\\'; touch hacked; #",
    "${HOME}$HOME%HOME%$env:HOME",
    "@(touch hacked)",
    "-n",
    "--",
    "~",
    "=ls",
    "!!",
    "*",
    "trailing newlines\n\n",
    "\r\n",
    " \t ",
    "'" * 50,
    "\u2019" * 50,
    "".join(map(chr, range(1, 128))),
    "long " + string.printable * 41,
]


#: How many hostile values are made by chance, for each shell; by hand 1,000.
HOSTILE_VALUES = int(os.environ.get("SHELLVAULT_HOSTILE_VALUES", "50"))


def carried(shell: str, values: list[str], folder: Path, setup: str = "") -> list[str]:
    """What a child sees of `values`, each exported by `shell` in evaluated text."""
    steps = Script(shell, folder)
    steps.add(setup)
    forms = {"fish": "set -gx V{} {}", "powershell": "[Environment]::SetEnvironmentVariable('V{}', {})"}
    form = forms.get(shell, "export V{}={}")
    steps.evaluate("\n".join(form.format(index, quote(shell, value)) for index, value in enumerate(values)))
    steps.dump("values")
    assert outcome(steps.run()) == QUIET
    environment = steps.environment("values")
    assert not (folder / "hacked").exists()
    return [environment[f"V{index}"] for index in range(len(values))]


@pytest.mark.parametrize(
    ("shell", "setup"),
    [
        *[real_shell(shell, "") for shell in SHELLS],
        real_shell("bash", "set -o posix; set -eu; IFS=x; shopt -s extglob nullglob"),
        real_shell("bash", "LC_ALL=C"),
        real_shell("zsh", "setopt cshjunkiequotes rcquotes extendedglob magicequalsubst ksharrays"),
        real_shell("zsh", "emulate sh; set -eu"),
        real_shell("zsh", "emulate csh"),
        real_shell("zsh", "LC_ALL=C"),
        real_shell("fish", "set -gx LC_ALL C"),
        real_shell("powershell", "Set-StrictMode -Version Latest; $ErrorActionPreference = 'Stop'"),
    ],
)
def test_hostile_values_arrive_as_they_are_and_nothing_runs(shell: str, setup: str, tmp_path: Path) -> None:
    assert carried(shell, HOSTILE, tmp_path, setup) == HOSTILE


def by_chance(chance: random.Random) -> str:
    """A value that tries to run `touch hacked` from within whatever quotes it may stand in."""
    payloads = (
        "touch hacked",
        "$(touch hacked)",
        "`touch hacked`",
        "${x:=$(touch hacked)}",
        "(touch hacked)",
        "& touch hacked &",
    )
    around = ["".join(chance.choices(SPECIAL, k=chance.randrange(6))) for _ in range(2)]
    return chance.choice(payloads).join(around)


@pytest.mark.parametrize("shell", REAL_SHELLS)
def test_hostile_values_made_by_chance_run_nothing(shell: str, tmp_path: Path) -> None:
    chance = random.Random(HOSTILE_VALUES)
    for number in range(0, HOSTILE_VALUES, 50):
        folder = tmp_path / str(number)
        folder.mkdir()
        values = [by_chance(chance) for _ in range(min(50, HOSTILE_VALUES - number))]
        assert carried(shell, values, folder) == values


@pytest.mark.parametrize("shell", REAL_SHELLS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, min_size=20, max_size=40))
def test_any_text_arrives_as_it_is(shell: str, tmp_path: Path, values: list[str]) -> None:
    assert carried(shell, values, tmp_path) == values


@pytest.mark.parametrize("shell", [real_shell(shell) for shell in ("bash", "zsh", "fish")])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(BYTES, min_size=20, max_size=40))
def test_bytes_that_are_no_text_arrive_as_they_are(shell: str, tmp_path: Path, values: list[str]) -> None:
    assert carried(shell, values, tmp_path) == values


@given(VALUES)
def test_text_for_powershell_is_printable_ascii_on_one_line(value: str) -> None:
    assert quote("powershell", value).isascii()
    assert quote("powershell", value).isprintable()


@given(VALUES)
def test_text_for_zsh_has_no_newline_within_quotes(value: str) -> None:
    assert "\n" not in quote("zsh", value)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("value", ["nul\0", "half a pair \ud800"])
def test_what_no_shell_can_hold_is_an_error_of_one_line(shell: str, value: str) -> None:
    with pytest.raises(UsageError, match=r"^[ -~]+$"):
        quote(shell, value)


def test_powershell_refuses_bytes_that_are_no_text() -> None:
    with pytest.raises(UsageError, match="powershell"):
        quote("powershell", "\udcff")
