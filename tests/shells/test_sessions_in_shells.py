"""`env`, `leave` and `refresh` in the real shells: the environment before, within and after a session."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shellvault.shells.render import env_snippet, leave_snippet, refresh_snippet
from shellvault.variables import MANAGED_VARIABLES, Change
from tests.shells.running import (
    HOOKED_SHELLS,
    QUIET,
    REAL_SHELLS,
    Script,
    applied,
    outcome,
    real_shell,
    session,
)

WORK = session("work")
NO_REGION = ("AWS_REGION", "AWS_DEFAULT_REGION", "SHELLVAULT_REGION")
HOME = session("home", without=NO_REGION)
HOME_RENEWED = session("home", 2, without=(*NO_REGION, "AWS_SESSION_TOKEN"))

NewScript = Callable[[str], Script]

#: Ways in which people set up their shells; none may change what a snippet does.
CIRCUMSTANCES = [
    real_shell(shell, setup)
    for shell, setups in {
        "bash": (
            "",
            "set -eu -o pipefail",
            "set -o posix",
            "set -eu -o posix",
            "set -a",
            "set -f; IFS=A_",
            "shopt -s nocasematch nullglob failglob extglob",
            "shopt -s expand_aliases; alias export=false unset=false set=false local=false declare=false",
            "export() { false; }; unset() { false; }; set() { false; }",
            "trap 'echo trapped' ERR; set -E",
        ),
        "zsh": (
            "",
            "setopt errexit nounset pipefail",
            "setopt ksharrays shwordsplit globsubst noglob",
            "setopt allexport warncreateglobal warnnestedvar",
            "setopt cshjunkiequotes rcquotes cshjunkieloops cshnullglob",
            "setopt posixbuiltins posixidentifiers posixaliases shglob ignorebraces",
            "setopt magicequalsubst equals extendedglob nullglob errreturn",
            "emulate sh",
            "emulate ksh",
            "emulate csh",
            "alias export=false unset=false typeset=false local=false set=false emulate=false",
            "typeset -r name=taken",
            "TRAPZERR() { echo trapped; }",
        ),
        "fish": ("", "set -g name taken; set -gx now taken; set -U ours taken"),
        "powershell": (
            "",
            "Set-StrictMode -Version Latest; $ErrorActionPreference = 'Stop'; $name = 'taken'",
        ),
    }.items()
    for setup in setups
]


@pytest.fixture
def script(tmp_path: Path) -> NewScript:
    return lambda shell: Script(shell, tmp_path)


def set_up_variables(steps: Script) -> None:
    """One variable in each state that there is: exported, exported and empty, set but not exported, unset."""
    steps.export("AWS_PROFILE", "mine 'and' \"yours\" $HOME\nline two\n")
    steps.export("AWS_ROLE_ARN", "")
    steps.export("AWS_REGION", "us-east-1")
    steps.assign("AWS_DEFAULT_REGION", "us-east-2")
    steps.assign("AWS_DEFAULT_PROFILE", "=x=")
    steps.assign("AWS_SESSION_TOKEN", "")


@pytest.mark.parametrize("within_function", [False, True])
@pytest.mark.parametrize(("shell", "setup"), CIRCUMSTANCES)
def test_leaving_restores_everything_after_many_switches(
    script: NewScript, shell: str, setup: str, within_function: bool
) -> None:
    steps = script(shell)
    set_up_variables(steps)
    steps.add(setup)
    steps.dump("before")
    steps.dump_state("state before")
    steps.evaluate(env_snippet(shell, WORK))
    steps.dump("work")
    steps.evaluate(env_snippet(shell, WORK))
    steps.dump("work again")
    steps.evaluate(env_snippet(shell, HOME))
    steps.dump("home")
    steps.evaluate(refresh_snippet(shell, HOME_RENEWED))
    steps.dump("home renewed")
    steps.evaluate(leave_snippet(shell))
    steps.dump("after")
    steps.dump_state("state after")
    if within_function:
        steps.wrap_in_function()
    assert outcome(steps.run()) == QUIET
    before = steps.environment("before")
    assert steps.environment("work") == applied(WORK, before)
    assert steps.environment("work again") == applied(WORK, before)
    assert steps.environment("home") == applied(HOME, before)
    assert steps.environment("home renewed") == applied(HOME_RENEWED, before)
    assert steps.environment("after") == before
    assert steps.state("state after") == steps.state("state before")


@pytest.mark.parametrize("shell", REAL_SHELLS)
def test_a_profile_without_a_region_keeps_the_shells(script: NewScript, shell: str) -> None:
    steps = script(shell)
    steps.export("AWS_REGION", "us-east-1")
    unset = tuple(name for name in HOME.unset if name not in ("AWS_REGION", "AWS_DEFAULT_REGION"))
    steps.evaluate(env_snippet(shell, Change(HOME.set, unset)))
    steps.dump("home")
    steps.evaluate(leave_snippet(shell))
    steps.dump("after")
    assert outcome(steps.run()) == QUIET
    assert steps.environment("home")["AWS_REGION"] == steps.environment("after")["AWS_REGION"] == "us-east-1"


@pytest.mark.parametrize("shell", HOOKED_SHELLS)
def test_what_the_user_has_changed_since_is_left_alone(script: NewScript, shell: str) -> None:
    steps = script(shell)
    set_up_variables(steps)
    steps.evaluate(env_snippet(shell, WORK))
    steps.export("AWS_REGION", "sa-east-1")
    steps.unset("AWS_DEFAULT_REGION")
    steps.export("AWS_DEFAULT_PROFILE", "another")
    steps.evaluate(refresh_snippet(shell, session("work", 2)))
    steps.dump("renewed")
    steps.evaluate(leave_snippet(shell))
    steps.dump("after")
    assert outcome(steps.run()) == QUIET
    changed = {"AWS_REGION": "sa-east-1", "AWS_DEFAULT_PROFILE": "another"}
    renewed = {**session("work", 2).set, **changed}
    del renewed["AWS_DEFAULT_REGION"]
    assert aws(steps.environment("renewed")) == renewed
    assert aws(steps.environment("after")) == {
        "AWS_PROFILE": "mine 'and' \"yours\" $HOME\nline two\n",
        "AWS_ROLE_ARN": "",
        **changed,
    }


@pytest.mark.parametrize("shell", REAL_SHELLS)
def test_leaving_without_a_session_changes_nothing(script: NewScript, shell: str) -> None:
    steps = script(shell)
    set_up_variables(steps)
    steps.export("AWS_VAULT", "set by something else")
    steps.dump("before")
    steps.dump_state("state before")
    steps.evaluate(leave_snippet(shell))
    steps.dump("after")
    steps.dump_state("state after")
    assert outcome(steps.run()) == QUIET
    assert steps.environment("after") == steps.environment("before")
    assert steps.state("state after") == steps.state("state before")


@pytest.mark.parametrize("shell", HOOKED_SHELLS)
def test_a_child_shell_leaves_only_what_it_has_not_changed(script: NewScript, shell: str) -> None:
    steps = script(shell)
    steps.evaluate(leave_snippet(shell))
    steps.dump("after")
    steps.dump_state("state")
    inherited = {
        **WORK.set,
        "AWS_REGION": "sa-east-1",
        "AWS_ENDPOINT_URL": "http://mine",
        "AWS_PROFILE": "mine",
    }
    assert outcome(steps.run(inherited)) == QUIET
    kept = {"AWS_REGION": "sa-east-1", "AWS_ENDPOINT_URL": "http://mine", "AWS_PROFILE": "mine"}
    assert aws(steps.environment("after")) == kept
    assert "__shellvault" not in steps.state("state")


@pytest.mark.parametrize("shell", HOOKED_SHELLS)
def test_a_child_shell_refreshes_and_leaves_its_parents_session(script: NewScript, shell: str) -> None:
    steps = script(shell)
    steps.evaluate(refresh_snippet(shell, session("work", 2, without=("AWS_SESSION_TOKEN",))))
    steps.dump("without token")
    steps.evaluate(refresh_snippet(shell, session("work", 3)))
    steps.dump("with token")
    steps.evaluate(leave_snippet(shell))
    steps.dump("after")
    assert outcome(steps.run({**WORK.set, "AWS_REGION": "sa-east-1"})) == QUIET
    expected = {**session("work", 2).set, "AWS_REGION": "sa-east-1"}
    del expected["AWS_SESSION_TOKEN"]
    assert aws(steps.environment("without token")) == expected
    assert aws(steps.environment("with token")) == {**session("work", 3).set, "AWS_REGION": "sa-east-1"}
    assert aws(steps.environment("after")) == {"AWS_REGION": "sa-east-1"}


@pytest.mark.parametrize("shell", REAL_SHELLS)
def test_a_child_shell_that_switches_leaves_to_no_session_at_all(script: NewScript, shell: str) -> None:
    steps = script(shell)
    steps.evaluate(env_snippet(shell, HOME))
    steps.dump("home")
    steps.evaluate(leave_snippet(shell))
    steps.dump("after")
    assert outcome(steps.run(dict(WORK.set))) == QUIET
    assert aws(steps.environment("home")) == dict(HOME.set)
    assert aws(steps.environment("after")) == {}


@pytest.mark.parametrize("shell", HOOKED_SHELLS)
def test_a_late_refresh_of_another_session_changes_nothing(script: NewScript, shell: str) -> None:
    steps = script(shell)
    steps.evaluate(refresh_snippet(shell, session("work", 2)))
    steps.dump("none")
    steps.evaluate(env_snippet(shell, HOME))
    steps.evaluate(refresh_snippet(shell, session("work", 2)))
    steps.dump("home")
    assert outcome(steps.run()) == QUIET
    assert aws(steps.environment("none")) == {}
    assert aws(steps.environment("home")) == dict(HOME.set)


@pytest.mark.parametrize("shell", [real_shell("bash"), real_shell("zsh"), real_shell("fish")])
def test_tracing_a_shell_does_not_print_secrets(script: NewScript, shell: str) -> None:
    steps = script(shell)
    steps.export("AWS_SECRET_ACCESS_KEY", "secret before")
    steps.add({"fish": "set -g fish_trace 1", "zsh": "set -x", "bash": "set -xv"}[shell])
    for snippet in (
        env_snippet(shell, WORK),
        refresh_snippet(shell, session("work", 2)),
        env_snippet(shell, HOME),
        leave_snippet(shell),
    ):
        steps.source(snippet)
    steps.add("sh -c 'exit 0' traced")
    result = steps.run()
    printed = result.stdout + result.stderr
    assert result.returncode == 0
    assert "traced" in printed
    assert not [line for line in printed.splitlines() if "secret" in line or "token/" in line]


@pytest.mark.parametrize(
    ("shell", "declaration"),
    [
        real_shell("bash", "readonly AWS_REGION=fixed"),
        real_shell("bash", "set -eu -o posix; readonly AWS_REGION=fixed"),
        real_shell("zsh", "typeset -r AWS_REGION=fixed"),
        real_shell("zsh", "emulate sh; set -eu; readonly AWS_REGION=fixed"),
    ],
)
def test_a_readonly_variable_is_an_error_and_changes_nothing(
    script: NewScript, shell: str, declaration: str
) -> None:
    steps = script(shell)
    steps.add(declaration)
    steps.dump("before")
    steps.dump_state("state before")
    steps.add("if true")
    steps.lines.append("then")
    steps.evaluate(env_snippet(shell, WORK))
    steps.lines[-1] += " && echo deployed || :"
    steps.add("fi")
    steps.dump("after")
    steps.dump_state("state after")
    result = steps.run()
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "shellvault: error: read-only in this shell: AWS_REGION; nothing was changed\n"
    assert steps.environment("after") == steps.environment("before")
    assert steps.state("state after") == steps.state("state before")


@pytest.mark.parametrize("shell", [real_shell("fish")])
def test_universal_variables_of_fish_are_hidden_and_come_back(script: NewScript, shell: str) -> None:
    steps = script(shell)
    steps.add("set -Ux AWS_REGION universal; set -U AWS_PROFILE universal")
    steps.dump("before")
    steps.dump_state("state before")
    steps.evaluate(env_snippet(shell, WORK))
    steps.dump("work")
    steps.evaluate(leave_snippet(shell))
    steps.dump("after")
    steps.dump_state("state after")
    assert outcome(steps.run()) == QUIET
    assert aws(steps.environment("work")) == dict(WORK.set)
    assert steps.environment("after") == steps.environment("before")
    assert steps.state("state after") == steps.state("state before")


def aws(environment: dict[str, str]) -> dict[str, str]:
    """The variables of `environment` that a session has to do with."""
    return {name: value for name, value in environment.items() if name in MANAGED_VARIABLES}
