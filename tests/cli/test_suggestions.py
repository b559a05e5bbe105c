"""A mistyped word, or one of another tool, leads somewhere."""

import pytest

from shellvault.cli import main
from shellvault.cli.suggest import similar
from shellvault.dialogue import tables
from tests.support.home import Home


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["lst"], "did you mean `shellvault list`?"),
        (["exce", "work"], "did you mean `shellvault exec`?"),
        (["laeve"], "did you mean `shellvault leave`?"),
        (["statsu"], "did you mean `shellvault status`?"),
        (["agent", "statsu"], "did you mean `shellvault agent status`?"),
        (["shim", "ad"], "did you mean `shellvault shim add`?"),
        (["env", "--regoin", "x"], "did you mean `--region`?"),
    ],
)
def test_the_nearest_word_is_named(
    typed: list[str],
    told: str,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOME", str(home.path))
    assert main.run(typed) == 2
    assert told in (found := capsys.readouterr().err)
    assert found.count("\n") == 1


@pytest.mark.parametrize(
    "typed",
    [["env", "--shell", "bash", "wrok"], ["exec", "wrok", "--", "true"], ["export", "wrok"], ["why", "wrok"]],
)
def test_the_nearest_profile_is_named(home: Home, typed: list[str]) -> None:
    home.write_config(
        "[profile work]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = work\n[profile home]\n"
    )
    result = home.shellvault(*typed)
    assert result.returncode == 1
    assert result.stderr == "shellvault: error: there is no profile wrok: did you mean work?\n"


def test_clear_and_remove_name_the_nearest_profile(home: Home) -> None:
    home.write_config("[profile work]\n")
    assert "there is no profile wrok: did you mean work?" in home.fail("clear", "wrok", status=2)
    assert "no keys are stored for work" in home.fail("remove", "-f", "work", status=2)
    assert home.shellvault("clear", "work").stderr == "shellvault: forgot 0 sessions of work\n"


def test_a_profile_is_no_command(home: Home) -> None:
    home.write_config("[profile work]\n")
    assert "work is a profile: `shellvault use work`" in home.fail("work", status=2)


def test_help_and_version_are_commands_too(home: Home) -> None:
    assert home.succeed("version") == home.succeed("--version")
    assert home.succeed("help") == home.succeed("--help")
    assert home.succeed("help", "agent", "status") == home.succeed("agent", "status", "--help")
    assert home.succeed("help", "use") == home.succeed("env", "--help")
    assert "did you mean `shellvault list`" in home.fail("help", "lst", status=2)


def test_nothing_is_suggested_that_is_not_near() -> None:
    assert similar("work", ["production", "staging"]) is None
    assert similar("Wrok", ["home", "Work"]) == "Work"


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, "does not expire"),
        (-1, "expired"),
        (0, "expired"),
        (59, "<1m"),
        (60, "1m"),
        (3599.9, "59m"),
        (3900, "1h05m"),
    ],
)
def test_a_time_left_is_written_as_the_prompt_writes_it(seconds: float | None, written: str) -> None:
    assert tables.time_left(seconds) == written
