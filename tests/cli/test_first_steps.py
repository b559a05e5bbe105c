"""A home without a profile, words of other tools, and the help that leads to the first session."""

import re
import sys
from pathlib import Path

import click
import pytest

from shellvault.cli import first_steps, groups, main, suggest
from shellvault.errors import UsageError
from tests.support.home import Home

ROOT = Path(__file__).parents[2]
ROLE = "arn:aws:iam::123456789012:role/deploy"

#: Every command that needs a profile, without a name and with one that is not there.
NAMELESS = (["env", "--shell", "bash"], ["exec"], ["exec", "--", "true"], ["export"], ["why"], ["console"])
NAMED = (
    *(
        ["env", "--shell", "bash", "NAME"],
        ["exec", "NAME", "--", "true"],
        ["export", "--format", "json", "NAME"],
    ),
    *(["why", "NAME"], ["console", "NAME"], ["rotate", "NAME"], ["clear", "NAME"], ["remove", "NAME"]),
    *(["config", "NAME"], ["install-process", "NAME"], ["use", "NAME"], ["revoke", "NAME"]),
)
#: What takes a NAME and needs no profile of that name.
NEEDS_NONE = {"add", "configure", "import", "list", "migrate-backend", "signin", "signout"}


@pytest.fixture
def empty(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("typed", [*NAMELESS, *NAMED, ["use"]], ids=" ".join)
def test_an_empty_home_gets_the_three_ways(
    typed: list[str],
    terminal: bool,
    empty: Home,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert main.run(["work" if word == "NAME" else word for word in typed]) != 0
    told = capsys.readouterr().err
    assert first_steps.NO_PROFILES in told
    assert told.count("\n") == 1


def test_every_command_with_a_name_is_in_that_list() -> None:
    context = click.Context(main.command)
    takes_name = {
        name
        for name in main.COMMANDS
        for parameter in main.command.get_command(context, name).params  # type: ignore[union-attr]
        if isinstance(parameter, click.Argument) and parameter.name in ("name", "names")
    }
    assert takes_name - NEEDS_NONE == {typed[0] for typed in NAMED} - {"use"}


#: `remove` names the nearest of those with keys; `use` is a word of the function, which asks `env`.
MISTYPED = [typed for typed in NAMED if typed[0] not in ("remove", "use")]


@pytest.mark.parametrize("typed", [*MISTYPED, ["shim", "add", "--profile", "NAME"]], ids=" ".join)
def test_a_mistyped_name_leads_to_the_nearest(
    typed: list[str], empty: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    empty.write_config(
        "[profile work]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = work\n[profile home]\n"
    )
    main.run(["wrok" if word == "NAME" else word for word in typed])
    told = capsys.readouterr().err
    assert "did you mean work?" in told
    assert told.splitlines()[0].count("wrok") == 1


def test_list_and_help_show_them_too(empty: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["list"]) == 0
    assert capsys.readouterr() == ("", f"shellvault: {first_steps.NO_PROFILES}\n")
    assert main.run(["list", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"
    assert main.run([]) == 2
    assert "`shellvault import`" in " ".join(capsys.readouterr().err.split())
    empty.write_config("[profile work]\n")
    assert main.run([]) == 2
    assert "No profiles yet" not in capsys.readouterr().err


def test_the_picker_of_nothing_shows_them() -> None:
    with pytest.raises(UsageError, match="no profiles yet"):
        first_steps.require_any([])


@pytest.mark.parametrize("typed", NAMED, ids=" ".join)
def test_an_arn_is_never_a_name_for_keys(
    typed: list[str], empty: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    empty.write_config("[profile work]\n")
    assert main.run([ROLE if word == "NAME" else word for word in typed]) != 0
    assert "add arn:" not in capsys.readouterr().err


def test_an_arn_as_a_command_is_no_profile(empty: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([ROLE]) == 2
    assert "an ARN is no profile's name" in capsys.readouterr().err


@pytest.mark.parametrize(
    "word", [*suggest.NEIGHBOURS, "xyzzy", "shim xyzzy", "agent xyzzy", "lst", "agent statsu"]
)
def test_unknown_commands_have_one_wording(
    word: str, empty: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(word.split()) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"shellvault: error: there is no command `shellvault {word}`: ")
    assert told.count("\n") == 1


def test_other_tools_words_lead_to_commands_of_ours() -> None:
    words = {*main.COMMANDS, *groups.FUNCTION_WORDS}
    assert not words & set(suggest.NEIGHBOURS)
    for word, told in suggest.NEIGHBOURS.items():
        named = set(re.findall(r"`shellvault ([a-z-]+)", told))
        assert named, word
        assert named <= words, word
    assert "signout" in suggest.NEIGHBOURS["logout"]


def test_no_suggestion_names_a_switch_of_other_tools(empty: Home, capsys: pytest.CaptureFixture[str]) -> None:
    hidden = {"--ecs-server", "--keychain", "--pass-dir", "--no-session-only", "--file-dir", "--remote"}
    for name in main.COMMANDS:
        for option in hidden:
            main.run([name, f"{option[:-1]}x"])
            assert f"`{option}`" not in capsys.readouterr().err, name


def test_every_command_is_in_a_group_once() -> None:
    listed = [name for names in groups.GROUPS.values() for name in names]
    assert sorted(listed) == sorted({*main.COMMANDS, *groups.FUNCTION_WORDS})


def test_the_help_fits_80_columns_and_cuts_nothing(empty: Home) -> None:
    lines = empty.shellvault("--help").stdout.splitlines()
    assert max(map(len, lines)) < 80
    assert "…" not in "".join(lines)
    assert not any(line.endswith("...") for line in lines if not line.startswith("Usage"))
    rows = [line.split()[0] for line in lines if re.match(r"  [a-z-]+ +\S", line)]
    assert [row for row in rows if row in main.COMMANDS or row in groups.FUNCTION_WORDS] == [
        name for names in groups.GROUPS.values() for name in names
    ]


@pytest.mark.parametrize("columns", [20, 30, 40, 51, 52, 80])
def test_the_help_fits_a_narrow_terminal(
    columns: int, empty: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    main.run([])
    words = re.compile(rf"\S{{{columns - 20},}}")
    wide = [line for line in capsys.readouterr().err.splitlines() if len(line) > columns]
    assert all(words.search(line) for line in wide)


def test_the_readme_and_the_manual_have_the_order_of_the_help() -> None:
    order = [name for names in groups.GROUPS.values() for name in names]
    for path, pattern in (
        (ROOT / "docs/commands.md", r"(?m)^## shellvault ([a-z-]+)$"),
        (ROOT / "docs/shellvault.1", r"(?m)^\.SS shellvault ([a-z\\-]+)$"),
    ):
        found = [name.replace("\\", "") for name in re.findall(pattern, path.read_text("utf-8"))]
        assert found == order, path
    table = (ROOT / "README.md").read_text("utf-8").partition("## The commands")[2].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| (`[^|]*) \|", table)
    words = [re.findall(r"`([a-z-]+)", row) for row in rows]
    found = list(dict.fromkeys(word for row in words for word in row))
    assert found == [name for name in order if name not in ("help", "version")]
