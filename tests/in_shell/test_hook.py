"""The prompt hook: renews in time, tells the truth in the segment, and is a good neighbour."""

import re
import time
from pathlib import Path

import pytest

from shellvault.shells import init, render
from tests.in_shell.conftest import Open, enter, key, segment
from tests.in_shell.stand_in import USUAL, Agent, FastLane, proven, refresh, session
from tests.support.terminal import program

pytestmark = pytest.mark.real

#: `false`, in each shell, and what the status is called.
FALSE = {"bash": "(exit 3)", "zsh": "(exit 3)", "fish": "sh -c 'exit 3'", "powershell": "sh -c 'exit 3'"}
STATUS = {"bash": "$?", "zsh": "$?", "fish": "$status", "powershell": "$LASTEXITCODE"}


def test_a_session_is_renewed_when_it_is_due(shell: str, opened: Open, lane: FastLane) -> None:
    terminal = opened(shell)
    now = int(time.time())
    enter(terminal, lane, refresh_at=now + 5, expires_at=now + 3000)
    assert key(terminal) == "AKIAFIRST"
    lane.answers(
        "refresh", refresh(shell, session(key="AKIASECOND", refresh_at=now + 4000, expires_at=now + 7300))
    )
    time.sleep(max(0, now + 6 - time.time()))
    terminal.run("")
    assert key(terminal) == "AKIASECOND"
    assert segment(terminal) in ("work 2h01m", "work 2h00m")
    assert [call[:2] for call in lane.calls()].count(["refresh", shell]) == 1


def test_a_late_refresh_is_not_asked_for_at_every_prompt(
    shell: str, opened: Open, lane: FastLane, now: int
) -> None:
    terminal = opened(shell)
    lane.answers("refresh", "", 75)
    enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
    for _ in range(4):
        terminal.run("")
    assert len([call for call in lane.calls() if call[0] == "refresh"]) == 1
    assert key(terminal) == "AKIAFIRST"


def test_an_expired_session_that_needs_a_person_says_so_once(
    shell: str, opened: Open, lane: FastLane, now: int
) -> None:
    terminal = opened(shell)
    lane.answers("refresh", "", 77)
    enter(terminal, lane, refresh_at=now - 50, expires_at=now - 5)
    for _ in range(3):
        terminal.run("")
    assert segment(terminal) == "work needs you"
    assert terminal.screen.count("has expired and needs you") == 1
    assert key(terminal) == "AKIAFIRST"


def test_a_failing_fast_lane_rests_silently_for_a_minute(
    shell: str, opened: Open, lane: FastLane, now: int
) -> None:
    terminal = opened(shell)
    enter(terminal, lane, refresh_at=now - 5, expires_at=now - 1)
    lane.answers("refresh", "", 1)
    lane.script.write_text(lane.script.read_text() + "\nsys.stderr.write('a traceback')\n")
    for _ in range(3):
        terminal.run("")
    assert segment(terminal) == "work expired"
    assert "traceback" not in terminal.screen
    assert len([call for call in lane.calls() if call[0] == "refresh"]) <= 2


def test_the_segment_shows_the_time_left(shell: str, opened: Open, lane: FastLane, now: int) -> None:
    terminal = opened(shell)
    for left, shown in ((47 * 60 + 50, "work 47m"), (3600 + 5 * 60 + 50, "work 1h05m"), (20, "work <1m")):
        enter(terminal, lane, refresh_at=now + 9000, expires_at=int(time.time()) + left)
        assert segment(terminal) == shown


def test_leaving_restores_the_segment_and_the_environment(
    shell: str, opened: Open, lane: FastLane, now: int, tmp_path: Path
) -> None:
    terminal = opened(shell, AWS_PROFILE="other", AWS_REGION="eu-west-1")
    dump = "env -0 >{}" if shell != "powershell" else "sh -c 'env -0 >{}'"
    terminal.run(dump.format(tmp_path / "before"))
    enter(terminal, lane, refresh_at=now + 900, expires_at=now + 3000)
    lane.answers("env", render.leave_snippet(shell))
    terminal.run("shellvault leave")
    terminal.run(dump.format(tmp_path / "after"))
    assert sorted((tmp_path / "after").read_bytes().split(b"\0")) == sorted(
        (tmp_path / "before").read_bytes().split(b"\0")
    )
    assert segment(terminal) == ""


def test_the_status_of_the_last_command_survives(shell: str, opened: Open, lane: FastLane, now: int) -> None:
    terminal = opened(shell)
    enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
    place = terminal.home / "status"
    write = (
        f"[IO.File]::WriteAllText('{place}', {STATUS[shell]})"
        if shell == "powershell"
        else f"echo {STATUS[shell]} >{place}"
    )
    terminal.type(FALSE[shell])
    terminal.run(write)
    assert place.read_text().strip() == "3"


def test_running_init_twice_changes_nothing(
    shell: str, opened: Open, lane: FastLane, now: int, tmp_path: Path
) -> None:
    text = init.render_init(shell, USUAL, tmp_path / "state")
    terminal = opened(shell, text=text + "\n" + text)
    lane.answers("refresh", "", 75)
    enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
    assert len([call for call in lane.calls() if call[0] == "refresh"]) == 1
    terminal.run("echo the-end")
    assert "work 49m work" not in terminal.screen


@pytest.mark.parametrize(
    "name",
    [
        "$(touch touched)",
        "`touch touched`",
        "';touch touched;'",
        "%F{red}%n",
        "\\u\\w$(touch touched)",
        "a\nb",
        "a[$(touch touched)]",
        "‘’‚‛;touch touched",
    ],
)
def test_a_hostile_profile_name_is_shown_and_not_run(
    shell: str, name: str, opened: Open, lane: FastLane, now: int
) -> None:
    terminal = opened(shell)
    enter(terminal, lane, profile=name, refresh_at=now + 900, expires_at=now + 47 * 60 + 50)
    terminal.run("")
    assert not (terminal.home / "touched").exists()
    assert segment(terminal) == name.replace("\n", "?") + " 47m"
    assert segment(terminal) in terminal.screen


@pytest.mark.parametrize("value", ["a[$(touch touched)]", "1+1", "-5", "9" * 30, "08", "", " 5", "5\n"])
def test_a_hostile_time_is_not_calculated_with(shell: str, value: str, opened: Open, lane: FastLane) -> None:
    terminal = opened(
        shell,
        SHELLVAULT_REQUEST="work x=y",
        AWS_VAULT="work",
        SHELLVAULT_REFRESH_AT=value,
        SHELLVAULT_EXPIRES_AT=value,
    )
    terminal.run("")
    assert not (terminal.home / "touched").exists()
    assert segment(terminal) in ("work", "work expired")


def test_a_child_shell_keeps_an_inherited_session_fresh(
    shell: str, opened: Open, lane: FastLane, now: int
) -> None:
    lane.answers(
        "refresh", refresh(shell, session(key="AKIASECOND", refresh_at=now + 4000, expires_at=now + 7300))
    )
    terminal = opened(shell, **session(refresh_at=now - 5, expires_at=now + 100).set)
    assert key(terminal) == "AKIASECOND"


def test_a_value_that_is_no_longer_ours_is_left_alone(shell: str, opened: Open, lane: FastLane) -> None:
    terminal = opened(shell)
    now = int(time.time())
    enter(terminal, lane, refresh_at=now + 5, expires_at=now + 3000)
    terminal.run(
        {"fish": "set -gx AWS_ACCESS_KEY_ID mine", "powershell": "$env:AWS_ACCESS_KEY_ID = 'mine'"}.get(
            shell, "export AWS_ACCESS_KEY_ID=mine"
        )
    )
    lane.answers(
        "refresh", refresh(shell, session(key="AKIASECOND", refresh_at=now + 4000, expires_at=now + 7300))
    )
    time.sleep(max(0, now + 6 - time.time()))
    terminal.run("")
    assert key(terminal) == "mine"
    assert segment(terminal).startswith("work 2h0")


def test_no_color_and_dumb_terminals_get_plain_text(
    shell: str, opened: Open, lane: FastLane, now: int
) -> None:
    terminal = opened(shell, NO_COLOR="1")
    enter(terminal, lane, refresh_at=now + 900, expires_at=now + 47 * 60 + 50)
    terminal.run("")
    assert "work 47m " in terminal.screen
    assert "\x1b[32mwork" not in terminal.screen


def test_zsh_and_powershell_ask_the_agent_without_a_process(
    speaking: str, opened: Open, lane: FastLane, now: int, socket_agent: Agent
) -> None:
    socket_agent.reply = proven(
        "ok\n" + refresh(speaking, session(key="AKIASECOND", refresh_at=now + 4000, expires_at=now + 7300))
    )
    terminal = opened(speaking)
    enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
    assert key(terminal) == "AKIASECOND"
    assert [call for call in lane.calls() if call[0] == "refresh"] == []
    assert socket_agent.requests == [
        f"SV1 - peek refresh.{speaking} {terminal.process.pid} work config=/nowhere home=/nowhere\n"
    ]


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        proven(""),
        proven("ok"),
        proven("ok\nexport AWS_ACCESS_KEY_ID=half"),
        proven("what\n"),
        b"miss\n",
        b"\xff\xfe\n",
        None,
    ],
    ids=repr,
)
def test_an_agent_that_answers_oddly_is_passed_over(
    speaking: str, reply: bytes | None, opened: Open, lane: FastLane, now: int, socket_agent: Agent
) -> None:
    socket_agent.reply = reply
    lane.answers(
        "refresh", refresh(speaking, session(key="AKIASECOND", refresh_at=now + 4000, expires_at=now + 7300))
    )
    terminal = opened(speaking)
    enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
    assert key(terminal) == "AKIASECOND"


@pytest.mark.parametrize(
    ("reply", "shown"), [(b"wait\n", "work 47m"), (b"needs-you\n", "work 47m, needs you")]
)
def test_wait_and_needs_you_cost_no_process(
    speaking: str, reply: bytes, shown: str, opened: Open, lane: FastLane, now: int, socket_agent: Agent
) -> None:
    socket_agent.reply = proven(reply)
    terminal = opened(speaking)
    enter(terminal, lane, refresh_at=now - 5, expires_at=now + 47 * 60 + 30)
    terminal.run("")
    assert segment(terminal) == shown
    assert [call for call in lane.calls() if call[0] == "refresh"] == []
    assert len(socket_agent.requests) == 1


def test_where_env_brought_the_hook_it_goes_with_the_session(
    shell: str, opened: Open, lane: FastLane, now: int
) -> None:
    lane.answers(
        "refresh", refresh(shell, session(key="AKIASECOND", refresh_at=now + 4000, expires_at=now + 7300))
    )
    text = render.env_snippet(shell, session(refresh_at=now - 5, expires_at=now + 3000)) + init.hook_text(
        shell
    )
    terminal = opened(shell, text=text)
    assert key(terminal) == "AKIASECOND"
    (terminal.home / "leave").write_text(render.leave_snippet(shell))
    terminal.run(
        "Invoke-Expression ([IO.File]::ReadAllText('leave'))" if shell == "powershell" else "source ./leave"
    )
    assert key(terminal) == ""
    (terminal.home / "again").write_text(
        render.env_snippet(shell, session(refresh_at=now - 5, expires_at=now + 3000))
    )
    terminal.run(
        "Invoke-Expression ([IO.File]::ReadAllText('again'))" if shell == "powershell" else "source ./again"
    )
    assert key(terminal) == "AKIAFIRST"
    assert "not found" not in terminal.screen


@pytest.mark.parametrize(
    "options",
    [
        "set -eu",
        "set -u",
        "set -o posix",
        "shopt -s nocasematch failglob dotglob extglob",
        "set -f; IFS=:",
        "set -x",
    ],
)
def test_bash_with_unusual_options(options: str, opened: Open, lane: FastLane, now: int) -> None:
    _unusual("bash", options, opened, lane, now)


@pytest.mark.parametrize(
    "options",
    [
        "setopt errexit nounset",
        "setopt ksharrays shwordsplit",
        "setopt nullglob cshnullglob",
        "setopt extendedglob promptsubst promptbang",
        "emulate sh",
        "emulate ksh",
        "setopt xtrace",
        "setopt warncreateglobal cshjunkiequotes rcquotes",
        "setopt noglob posixbuiltins octalzeroes cbases",
    ],
)
def test_zsh_with_unusual_options(options: str, opened: Open, lane: FastLane, now: int) -> None:
    _unusual("zsh", options, opened, lane, now)


def _unusual(shell: str, options: str, opened: Open, lane: FastLane, now: int) -> None:
    for place in ("before", "after"):
        terminal = opened(shell, **{place: options})
        lane.answers(
            "refresh", refresh(shell, session(key="AKIASECOND", refresh_at=now + 4000, expires_at=now + 7300))
        )
        enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
        assert key(terminal) == "AKIASECOND"
        assert segment(terminal).startswith("work 2h0")
        assert "secret/of+it" not in terminal.screen
        assert "not found" not in terminal.screen


def test_strict_mode_of_powershell_finds_nothing(opened: Open, lane: FastLane, now: int) -> None:
    if program("powershell") is None:
        pytest.skip("needs pwsh")
    terminal = opened("powershell", before="Set-StrictMode -Version Latest; $ErrorActionPreference = 'Stop'")
    lane.answers(
        "refresh",
        refresh("powershell", session(key="AKIASECOND", refresh_at=now + 4000, expires_at=now + 7300)),
    )
    enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
    assert key(terminal) == "AKIASECOND"
    assert "Error" not in terminal.screen
    assert "cannot be" not in terminal.screen


@pytest.mark.parametrize("notice", ["bell", "osc9", "osc777"])
def test_it_says_in_time_that_a_person_will_be_needed(
    shell: str, opened: Open, lane: FastLane, now: int, notice: str, tmp_path: Path
) -> None:
    folder = tmp_path / "settings" / "shellvault"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(f'notice = "{notice}"\n')
    settings = {"XDG_CONFIG_HOME": str(folder.parent), "XDG_STATE_HOME": str(tmp_path / "state")}
    terminal = opened(shell, text=init.init_text(shell, USUAL, settings))
    said = {
        "bell": "\a",
        "osc9": "\x1b]9;work 49m, needs",
        "osc777": "\x1b]777;notify;shellvault;work 49m, needs",
    }
    end = int(time.time()) + 3000 - 30
    for left, shown in (
        (700, "work 49m"),
        (590, "work 49m, needs you in 9m"),
        (30, "work 49m, needs you in <1m"),
        (end - now, "work 49m, needs you" if end - now <= 600 else "work 49m"),
    ):
        before = len(terminal.screen)
        enter(terminal, lane, refresh_at=now + 2000, expires_at=end, needs_you_at=now + left)
        terminal.run("")
        terminal.run("")
        assert segment(terminal) == shown
        # Shells set the title of the terminal themselves.
        screen = re.sub(r"\x1b\][02];[^\a]*\a", "", terminal.screen[before:])
        assert screen.count(said[notice]) == ("needs" in shown)


def test_what_the_environment_says_of_that_time_is_checked(
    shell: str, opened: Open, lane: FastLane, now: int
) -> None:
    terminal = opened(shell)
    for value in ("a[$(touch owned)]", "9" * 40, "-5", "08", ""):
        enter(terminal, lane, refresh_at=now + 2000, expires_at=now + 3590, needs_you_at=value)
        assert segment(terminal) == "work 59m", value
    # Without the setting the prompt says it, and nothing else does.
    enter(terminal, lane, refresh_at=now + 2000, expires_at=now + 3590, needs_you_at=now + 500)
    terminal.screen = ""
    terminal.run("")
    assert "needs you in " in segment(terminal)
    assert "\a" not in re.sub(r"\x1b\][02];[^\a]*\a", "", terminal.screen)
    assert not (terminal.home / "owned").exists()
