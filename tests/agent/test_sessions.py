"""What shells and commands get from the agent."""

import concurrent.futures
import json
import os
import re
import socket
import subprocess
import time

import pytest

from shellvault import __version__
from shellvault.client import agent as client
from shellvault.errors import AgentError, NeedsPersonError, SessionError
from tests.agent.conftest import Person, Place, outcome, read_all, session_message, until, until_asked


def test_a_shell_gets_a_session_by_one_line_of_text(agent: Place) -> None:
    status, _, text = agent.text("get", "env.bash", "work").partition("\n")
    assert status == "ok"
    assert text.startswith("env.bash ASIA")
    assert text.endswith("\n")


def test_a_second_request_is_answered_from_memory(agent: Place) -> None:
    first = agent.text("get", "exec", "work")
    assert agent.text("get", "exec", "work") == first
    assert agent.text("peek", "exec", "work") == first
    assert agent.calls("start") == 1


def test_every_form_of_one_request_has_the_same_session(agent: Place) -> None:
    texts = [agent.text("get", form, "work").split()[2] for form in ("env.bash", "env.fish", "exec", "json")]
    assert len(set(texts)) == 1
    assert agent.calls("sts") == 1
    agent.text("get", "env.bash", "work")
    assert agent.calls("start") == 4


def test_env_brings_the_refresh_of_the_same_shell(agent: Place) -> None:
    agent.text("get", "env.zsh", "work")
    assert agent.text("peek", "refresh.zsh", "work", os.getpid()).startswith("ok\nrefresh.zsh ")
    assert agent.calls("start") == 1


def test_peek_does_not_wait(agent: Place) -> None:
    agent.text("get", "exec", "warm-up")
    start = time.monotonic()
    assert agent.text("peek", "exec", "wait-1") == "wait\n"
    assert time.monotonic() - start < 0.5
    assert until(lambda: agent.text("peek", "exec", "wait-1").startswith("ok\n"))
    assert agent.calls("sts") == 2


def test_a_change_of_the_config_file_ends_what_was_remembered(agent: Place) -> None:
    first = agent.text("get", "exec", "work")
    config = agent.home / ".aws" / "config"
    config.write_text("[profile work]\n")
    assert agent.text("peek", "exec", "work") == "wait\n"
    assert agent.text("get", "exec", "work") == first
    assert agent.calls("start") == 2


def test_what_needs_a_person_is_said_to_a_shell_at_once(agent: Place) -> None:
    assert agent.text("get", "env.bash", "ask") == "needs-you\n"
    assert agent.text("peek", "refresh.bash", "ask", os.getpid()) == "needs-you\n"


def test_a_refusal_is_left_to_the_full_command_line_to_explain(agent: Place) -> None:
    assert agent.text("get", "env.bash", "refused") == "miss\n"


def test_a_command_answers_the_question(agent: Place) -> None:
    person = Person(["123456"])
    assert agent.obtain("ask-tell", person=person).startswith("env.bash ASIA")
    assert [question.prompt for question in person.questions] == ["Enter MFA code for arn:mfa: "]
    assert person.told == ["one moment"]


def test_the_code_of_the_command_line_answers_it_too(agent: Place) -> None:
    person = Person()
    assert agent.obtain("ask", person=person, mfa_token="123456")
    assert person.questions == []


def test_what_needed_a_person_is_retried_after_one_was_there(agent: Place) -> None:
    assert agent.text("get", "env.bash", "ask") == "needs-you\n"
    agent.obtain("ask", person=Person(["123456"]))
    assert agent.text("peek", "env.bash", "ask").startswith("ok\n")


def test_the_errors_of_the_worker_are_those_of_the_command(agent: Place) -> None:
    with pytest.raises(SessionError, match="AWS does not want to"):
        agent.obtain("refused")
    with pytest.raises(NeedsPersonError, match="sign in first"):
        agent.obtain("signin")


def test_without_a_terminal_the_command_says_so_itself(agent: Place) -> None:
    with pytest.raises(NeedsPersonError, match="there is no terminal"):
        agent.obtain("ask")


def test_an_unforeseen_error_shows_its_place_but_not_its_text(agent: Place) -> None:
    with pytest.raises(AgentError, match=r"ZeroDivisionError at stand_in_worker.py:\d+") as caught:
        agent.obtain("bug")
    assert "secret" not in str(caught.value)


def test_fresh_is_not_answered_from_memory(agent: Place) -> None:
    agent.obtain("work")
    agent.obtain("work", fresh=True)
    assert agent.calls("start") == 2


def test_long_term_keys_are_not_kept(agent: Place) -> None:
    agent.obtain("longterm")
    assert agent.status()["sessions"] == []
    agent.obtain("longterm")
    assert agent.calls("start") == 2


def test_a_hundred_at_once_are_one_acquisition(agent: Place) -> None:
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: agent.text("get", "exec", "wait-1"), range(100)))
    assert len(set(answers)) == 1
    assert answers[0].startswith("ok\n")
    assert agent.calls("start") == 1


def test_a_hundred_at_once_are_asked_one_code(agent: Place) -> None:
    people = [Person(["123456"]) for _ in range(100)]
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda person: agent.obtain("ask-wait-1", person=person), people))
    assert len(set(answers)) == 1
    assert sum(len(person.questions) for person in people) == 1


def test_everybody_gets_the_error_once(agent: Place) -> None:
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: agent.text("get", "exec", "wait-1-refused"), range(20)))
    assert answers == ["miss\n"] * 20
    assert agent.calls("start") == 1


def test_when_the_asked_command_dies_another_is_asked(agent: Place) -> None:
    with agent.connect() as first, agent.connect() as second:
        first.sendall(session_message(agent, "ask"))
        until_asked(first)
        second.sendall(session_message(agent, "ask"))
        time.sleep(0.1)
        first.close()
        until_asked(second)
        second.sendall(b'{"answer":"123456"}\n')
        assert "result" in outcome(read_all(second))
    assert agent.calls("start") == 1


def test_without_a_terminal_the_next_command_is_asked(agent: Place) -> None:
    with agent.connect() as first, agent.connect() as second:
        first.sendall(session_message(agent, "ask"))
        until_asked(first)
        second.sendall(session_message(agent, "ask"))
        time.sleep(0.1)
        first.sendall(b'{"answer":null}\n')
        until_asked(second)
        second.sendall(b'{"answer":"123456"}\n')
        assert "result" in outcome(read_all(second))
        assert "result" in outcome(read_all(first))


def test_an_abandoned_command_gives_up_its_question(agent: Place) -> None:
    with agent.connect() as only:
        only.sendall(session_message(agent, "ask"))
        until_asked(only)
    until(lambda: agent.status()["jobs"] == 0)
    assert agent.obtain("ask", person=Person(["123456"]))


def test_a_shells_request_does_not_wait_for_a_command_s_person(
    agent: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent.connect() as command:
        command.sendall(session_message(agent, "ask"))
        until_asked(command)
        assert agent.text("peek", "env.bash", "ask") == "wait\n"


def test_a_crashed_worker_is_one_error_and_is_replaced(agent: Place) -> None:
    with pytest.raises(AgentError, match="worker ended"):
        agent.obtain("crash")
    assert agent.obtain("work")


def test_another_desktop_session_gets_another_worker(agent: Place) -> None:
    agent.obtain("work")
    before = agent.status()["workers"]
    with agent.connect() as command:
        environment = agent.environment | {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}
        command.sendall(session_message(agent, "other", environment=environment))
        assert b'"result"' in read_all(command)
    until(lambda: len(agent.status()["workers"]) == 1)
    assert agent.status()["workers"] != before


def test_lock_forgets_sessions_unlock_keys_and_the_worker(agent: Place) -> None:
    agent.obtain("unlock")
    assert list(agent.status()["unlocked"]) == ["/vault"]
    before = agent.status()
    assert json.loads(agent.send(b'{"do":"lock","version":"-"}\n')) == {"result": {}}
    status = agent.status()
    assert (status["sessions"], status["unlocked"], status["pid"]) == ([], {}, before["pid"])
    # What is left is the one that has not had a job yet.
    assert len(status["workers"]) < len(before["workers"])


def test_a_new_worker_is_given_the_unlock_key(agent: Place) -> None:
    agent.obtain("unlock")
    for worker in agent.status()["workers"]:
        os.kill(worker, 9)
    until(lambda: not agent.status()["workers"])
    agent.obtain("unlock-again")
    assert list(agent.status()["unlocked"]) == ["/vault"]


def test_forget_forgets_sessions_only(agent: Place) -> None:
    agent.obtain("unlock")
    agent.send(b'{"do":"forget","version":"-"}\n')
    status = agent.status()
    assert (status["sessions"], list(status["unlocked"])) == ([], ["/vault"])


def test_a_real_zsh_asks_the_socket_itself(agent: Place) -> None:
    script = f"""
        zmodload zsh/net/socket
        for version in {__version__} -; do
            zsocket {agent.socket_path} && fd=$REPLY
            print -u $fd -r -- "SV1 $version get refresh.zsh $$ {agent.line("work")}"
            while IFS= read -r -u $fd answer; do print -r -- "$answer"; done
            print -r -- the end
        done
    """
    done = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True, check=True)
    checked, direct, _ = done.stdout.split("the end\n")
    assert re.fullmatch(r"ok\nrefresh.zsh ASIA.*\n.* __shellvault_secret=[0-9a-f]{32}; .*}\n", checked)
    assert re.fullmatch(r"[0-9a-f]{32} ok\nrefresh.zsh ASIA.*\n", direct)
    assert direct[:32] in checked


@pytest.mark.parametrize("form", ["env.zsh", "refresh.zsh", "env.powershell", "refresh.powershell"])
def test_a_direct_reply_begins_with_the_shell_s_secret(agent: Place, form: str) -> None:
    agent.obtain("work")
    pid = os.getpid()
    assert agent.text("peek", form, "work", pid, version="-") == "miss\n"
    given = agent.text("get", form, "work", pid)
    secret = re.search(r"__shellvault_secret ?= ?'?([0-9a-f]{32})", given)
    assert secret
    assert agent.text("get", form, "work", pid).endswith(given.splitlines()[-1] + "\n")
    assert agent.text("peek", form, "work", pid, version="-").startswith(f"{secret[1]} ok\n{form} ASIA")
    assert secret[1] not in agent.text("peek", form, "work", pid, version="-").partition("\n")[2]
    assert agent.text("peek", form, "ask", pid, version="-") == f"{secret[1]} wait\n"
    # For another process, and after `lock`, it knows none.
    assert agent.text("peek", form, "work", agent.status()["pid"], version="-") == "miss\n"
    assert agent.text("peek", form, "work", "-", version="-") == "miss\n"
    client.lock(agent.environment)
    assert agent.text("peek", form, "work", pid, version="-") == "miss\n"


def test_each_shell_has_its_own_secret_shown_in_no_other_text(agent: Place) -> None:
    texts = [agent.text("get", "env.zsh", "work", pid) for pid in (os.getpid(), os.getppid())]
    assert texts[0] != texts[1]
    agent.obtain("work", "env.zsh")
    for form, pid in (
        ("env.bash", os.getpid()),
        ("env.fish", os.getpid()),
        ("exec", os.getpid()),
        ("env.zsh", "-"),
    ):
        assert "secret" not in agent.text("get", form, "work", pid)
    assert "secret" not in str(agent.status())


def test_the_full_command_line_gives_the_secret_too(agent: Place) -> None:
    assert "__shellvault_secret=" in agent.obtain("work", "env.zsh")
    assert "__shellvault_secret=" in agent.obtain("work", "env.zsh")
    assert "__shellvault_secret" not in agent.obtain("work", "env.bash")


def test_a_reply_waits_for_a_slow_reader(agent: Place) -> None:
    with agent.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line = f"SV1 {__version__} get exec - {agent.line('size-500000')}\n"
        connection.sendall(line.encode())
        time.sleep(0.5)
        assert len(read_all(connection)) > 500_000


def test_a_job_under_way_when_all_is_forgotten_is_not_kept(agent: Place) -> None:
    with agent.connect() as waiting:
        waiting.sendall(session_message(agent, "wait-1"))
        until(lambda: agent.calls("start") == 1)
        assert client.forget(agent.environment) == 1
        # A new request gets a new session, and a waiting one is answered: ask again.
        second = outcome(agent.send(session_message(agent, "wait-1")))
        first = outcome(read_all(waiting))
    assert first == {"retry": True}
    assert agent.calls("sts") == 1
    assert agent.obtain("wait-1") == second["result"]["text"]


def test_an_unusable_environment_does_not_harm_the_agent(agent: Place) -> None:
    environment = agent.environment | {"LANG": "\ud800"}
    found = outcome(agent.send(session_message(agent, "work", environment=environment)))
    assert found["error"]["type"] == "AgentError"
    assert agent.text("get", "env.bash", "work").startswith("ok\n")


def test_a_waiter_learns_which_process_is_asked_and_may_answer(agent: Place) -> None:
    with agent.connect() as first, agent.connect() as second:
        first.sendall(session_message(agent, "ask"))
        until_asked(first)
        second.sendall(session_message(agent, "ask"))
        reply = b""
        while b'"asked"' not in reply:
            reply += second.recv(65536)
        told = next(message for message in map(json.loads, reply.splitlines()) if "asked" in message)
        assert told["asked"]["process"] == os.getpid()
        assert (told["asked"]["kind"], told["asked"]["subject"]) == ("mfa-code", "arn:mfa")
        second.sendall(b'{"take":true}\n')
        until_asked(second)
        # An answer that has crossed with the withdrawal does no harm.
        first.sendall(b'{"answer":"000000"}\n')
        second.sendall(b'{"answer":"123456"}\n')
        ours, theirs = read_all(second), read_all(first)
    assert b'{"withdrawn":true}' in theirs
    assert outcome(ours)["result"] == outcome(theirs)["result"]
    assert agent.calls("sts") == 1


def test_when_the_taker_of_a_question_ends_the_first_is_asked(agent: Place) -> None:
    with agent.connect() as first:
        first.sendall(session_message(agent, "ask"))
        until_asked(first)
        with agent.connect() as second:
            second.sendall(session_message(agent, "ask"))
            until(lambda: agent.status()["jobs"] == 1)
            second.sendall(b'{"take":true}\n')
            until_asked(second)
        until_asked(first)
        first.sendall(b'{"answer":"123456"}\n')
        assert "result" in outcome(read_all(first))


def test_taking_a_missing_question_does_nothing(agent: Place) -> None:
    with agent.connect() as command:
        command.sendall(session_message(agent, "wait-1") + b'{"take":true}\n')
        assert "result" in outcome(read_all(command))


def test_the_code_of_a_command_line_takes_the_question_over(agent: Place) -> None:
    with agent.connect() as first:
        first.sendall(session_message(agent, "ask"))
        until_asked(first)
        assert agent.obtain("ask", mfa_token="123456")
        assert "result" in outcome(read_all(first))
