"""Many processes of many programs ask the agent at once: each is what it is, and the agent stays small."""

import json
import os
import subprocess
import sys
import time

import psutil
import pytest

from shellvault import __version__
from shellvault.fastlane import request
from tests.end_to_end.conftest import Person
from tests.end_to_end.doors import SAY

pytestmark = pytest.mark.real

#: Processes, and the programs that start them; more to be sure: SHELLVAULT_CALLERS=1000/50.
PROCESSES, TREES = map(int, os.environ.get("SHELLVAULT_CALLERS", "100/5").split("/"))

#: Starts as many processes at once as its argument says, each of which sends the line; prints what each heard.
TREE = """
import os, subprocess, sys
say = [sys.executable, "-I", "-S", "say.py", os.environ["SAID"]]
running = [subprocess.Popen(say, stdout=subprocess.PIPE, text=True) for _ in range(int(sys.argv[1]))]
for each in running:
    print(each.communicate()[0].strip().splitlines()[-1])
"""


@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_each_of_many_callers_is_what_it_is(person: Person) -> None:
    home = person.home
    for name, text in (("say.py", SAY), ("tree.py", TREE)):
        (home.path / name).write_text(text)
    home.set_rules(coding_agent="refuse")
    home.succeed("exec", "work", "--", "true")
    agent = psutil.Process(json.loads(home.succeed("agent", "status", "--json"))["pid"])
    before = agent.memory_info().rss, agent.num_fds()
    message = {
        "version": __version__,
        **{"do": "session", "form": "json", "pid": None, "fresh": False, "mfa_token": None},
        **{"request": request.encode("work", {}, home.environment, str(home.path))},
        **{"environment": home.environment, "directory": str(home.path)},
    }
    said = {"SAID": json.dumps(message)}
    trees: list[tuple[str, subprocess.Popen[str]]] = []
    for number in range(TREES):
        # Every other one is a coding agent with a name of its own.
        name = f"robo-{number}" if number % 2 else ""
        marks = {"AI_AGENT": name} if name else {}
        start = home.start(sys.executable, "tree.py", str(PROCESSES // TREES), **said, **marks)
        trees.append((name, start))
    for name, tree in trees:
        out, err = tree.communicate(timeout=300)
        heard = out.splitlines()
        assert len(heard) == PROCESSES // TREES, err
        wanted = f"{name} may not use work" if name else "AccessKeyId"
        assert all(wanted in line for line in heard), (name, heard)
    deadline = time.monotonic() + 10
    while agent.num_fds() > before[1] + 4 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert agent.num_fds() <= before[1] + 4
    assert agent.memory_info().rss - before[0] < 16 * 2**20
