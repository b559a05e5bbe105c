"""What a profile sets beside its session (`shellvault_env`) comes and goes with it, in the real shells."""

from pathlib import Path

import pytest

from shellvault.shells.render import env_snippet, leave_snippet, refresh_snippet
from shellvault.variables import Change
from tests.shells.running import HOOKED_SHELLS, QUIET, REAL_SHELLS, Script, outcome, session
from tests.shells.test_sessions_in_shells import CIRCUMSTANCES

OWN = {"TF_VAR_team": 'it\'s $HOME `x` "two"  words', "DEPLOY_TO": "staging", "http_proxy": ""}


def with_own(profile: str, serial: int = 1, **own: str) -> Change:
    """A session of a profile that sets these variables."""
    return session(profile, serial, SHELLVAULT_VARIABLES=" ".join(own), **own)


WORK = with_own("work", **OWN)


def seen(steps: Script, label: str) -> dict[str, str]:
    names = (*OWN, "SHELLVAULT_VARIABLES", "AWS_VAULT", "AWS_ACCESS_KEY_ID")
    return {name: value for name, value in steps.environment(label).items() if name in names}


@pytest.mark.parametrize(("shell", "setup"), CIRCUMSTANCES)
def test_they_are_set_kept_and_put_back_as_they_were(shell: str, setup: str, tmp_path: Path) -> None:
    steps = Script(shell, tmp_path)
    steps.export("DEPLOY_TO", "mine")
    steps.dump("before")
    steps.add(setup)
    steps.evaluate(env_snippet(shell, WORK))
    steps.dump("work")
    steps.evaluate(refresh_snippet(shell, with_own("work", 2, **OWN)))
    steps.dump("renewed")
    steps.evaluate(env_snippet(shell, session("home")))
    steps.dump("home")
    steps.evaluate(env_snippet(shell, WORK))
    steps.evaluate(leave_snippet(shell))
    steps.dump("after")
    steps.run()
    names = "TF_VAR_team DEPLOY_TO http_proxy"
    work = {**OWN, "SHELLVAULT_VARIABLES": names, "AWS_VAULT": "work", "AWS_ACCESS_KEY_ID": "ASIAWORK1"}
    assert seen(steps, "work") == work
    assert seen(steps, "renewed") == work | {"AWS_ACCESS_KEY_ID": "ASIAWORK2"}
    assert seen(steps, "home") == {
        "DEPLOY_TO": "mine",
        "AWS_VAULT": "home",
        "AWS_ACCESS_KEY_ID": "ASIAHOME1",
    }
    assert seen(steps, "after") == {"DEPLOY_TO": "mine"}


@pytest.mark.parametrize("shell", HOOKED_SHELLS)
def test_one_that_the_user_has_changed_stays(shell: str, tmp_path: Path) -> None:
    steps = Script(shell, tmp_path)
    steps.evaluate(env_snippet(shell, WORK))
    steps.export("DEPLOY_TO", "production")
    steps.evaluate(refresh_snippet(shell, with_own("work", 2, **OWN)))
    steps.evaluate(leave_snippet(shell))
    steps.dump("after")
    assert outcome(steps.run()) == QUIET
    assert seen(steps, "after") == {"DEPLOY_TO": "production"}


@pytest.mark.parametrize("shell", REAL_SHELLS)
def test_a_child_shell_leaves_them_too(shell: str, tmp_path: Path) -> None:
    steps = Script(shell, tmp_path)
    steps.evaluate(leave_snippet(shell))
    steps.dump("after")
    assert outcome(steps.run(dict(WORK.set))) == QUIET
    assert seen(steps, "after") == {}


@pytest.mark.parametrize("shell", REAL_SHELLS)
@pytest.mark.parametrize(
    "names", ["a[$(touch touched)]", "x;touch touched", "* -x --", "$(touch touched)", "é 1A ''", " " * 50]
)
def test_names_that_are_none_are_not_looked_at(shell: str, names: str, tmp_path: Path) -> None:
    steps = Script(shell, tmp_path)
    steps.evaluate(leave_snippet(shell))
    steps.dump("after")
    inherited = {**session("work").set, "SHELLVAULT_VARIABLES": names}
    assert outcome(steps.run(inherited)) == QUIET
    assert seen(steps, "after") == {}
    assert not list(tmp_path.rglob("touched"))
    assert not Path("touched").exists()
