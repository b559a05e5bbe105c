"""After a hidden question nothing is read with echo: what is pasted too late is not left in the scrollback."""

import ast
import os
import sys
import time
from pathlib import Path

import pexpect
import pytest

import shellvault

PACKAGE = Path(shellvault.__file__).parent
KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#: One that has letters and digits alone, as a name has.
PLAIN_SECRET = "wJalrXUtnFEMI0K7MDENG0bPxRfiCYEXAMPLEKEY"

HIDDEN = "from shellvault.dialogue import terminal\nterminal.ask('Passphrase: ', hidden=True)\n"
CHALLENGE = "prompters.TerminalPrompter({{}}).ask(Challenge({}, 'x', 'Question: '))"
FOUND = "Found('env', 'work', 'there', None, 'AKIA', {}, is_plaintext=True)"

#: Every question that is read from the terminal, asked after a hidden one; `Passphrase: ` is what is waited for.
DOORS = {
    "confirm": "terminal.confirm('Question: ')",
    "MFA device": "from shellvault.dialogue import questions; questions.ask_mfa_serial()",
    "region": "from shellvault.dialogue import questions; questions.ask_region()",
    "MFA code": f"from shellvault.dialogue import prompters; from shellvault.sessions.model import Challenge; "
    f"{CHALLENGE.format(repr('mfa-code'))}",
    "confirmation": f"from shellvault.dialogue import prompters; from shellvault.sessions.model import Challenge; "
    f"{CHALLENGE.format(repr('confirm'))}",
    "import": "from shellvault.cli.commands import import_ as importing; from shellvault.importing.found import Found; "
    f"importing._chosen([{FOUND}])",
    "start URL": "from shellvault.cli.commands import configure; configure._START_URL.get(None)",
    "SSO region": "from shellvault.cli.commands import configure; configure._SSO_REGION.get(None)",
    "profile's region": "from shellvault.cli.commands import configure; configure._PROFILE_REGION.get(None)",
    "name": "from shellvault.cli.commands import configure; from shellvault.dialogue import fields; "
    "fields.Field('Name', '--profile', lambda text: configure._new_name(text, ())).get(None)",
    "number": "from shellvault.dialogue import picker; picker._by_number(['a'], ['a'], 'account')",
}

#: Where these are asked.
ASKING = {
    "dialogue/picker.py:_by_number",
    "cli/provider.py:confirmed",
    "cli/commands/revoke.py:_deny_older",
    "dialogue/fields.py:get",
    "cli/commands/import_.py:_chosen",
    "dialogue/prompters.py:ask",
    "dialogue/prompters.py:confirm",
    "dialogue/questions.py:_asked_again",
}


def started(program: str) -> pexpect.spawn:
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "PYTHONPATH": str(PACKAGE.parent)}
    return pexpect.spawn(
        sys.executable, ["-c", program], env=environment, encoding="utf-8", timeout=30, dimensions=(24, 200)
    )


def is_echoing(child: pexpect.spawn) -> bool:
    """Whether the terminal echoes, once that has settled."""
    deadline = time.monotonic() + 10
    while child.getecho() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(child.getecho())


@pytest.mark.parametrize("secret", [SECRET, PLAIN_SECRET], ids=["any", "plain"])
@pytest.mark.parametrize("door", DOORS)
def test_no_later_question_echoes_what_is_pasted(door: str, secret: str) -> None:
    child = started(f"{HIDDEN}try:\n    {DOORS[door]}\nexcept BaseException:\n    pass")
    child.expect("Passphrase: ")
    assert not is_echoing(child)
    child.sendline("wrong")
    child.expect(r"(: |\) )$")
    assert not is_echoing(child)
    child.sendline(secret)
    child.sendeof()
    child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=3)
    assert secret not in (child.before or "")
    child.close(force=True)


def test_a_question_without_a_hidden_one_before_echoes() -> None:
    child = started("from shellvault.dialogue import terminal; terminal.confirm('Question: ')")
    child.expect_exact("(y|N) ")
    child.sendline("maybe")
    child.expect_exact("maybe")
    child.close(force=True)


def test_what_cannot_be_a_secret_is_shown_when_it_is_whole() -> None:
    child = started(f"{HIDDEN}from shellvault.dialogue import questions; print('>', questions.ask_region())")
    child.expect("Passphrase: ")
    child.sendline("x")
    child.expect(r"not shown until you press Enter.*none\): ")
    child.sendline("eu-central-1")
    child.expect("eu-central-1\r\n> eu-central-1\r\n")
    child.close(force=True)


@pytest.mark.parametrize("short", [SECRET[:39], SECRET[:20]])
def test_the_right_secret_may_be_pasted_after_a_wrong_one(short: str) -> None:
    child = started(
        "from shellvault.dialogue import questions; print('stored', len(questions.ask_keys()[1]))"
    )
    child.expect("Enter Access Key Id: ")
    child.sendline(KEY_ID)
    child.expect("Enter Secret Key: ")
    child.sendline(short)
    child.expect(f"has {len(short)} characters.*Really store them.*secret\\) ")
    assert not is_echoing(child)
    child.sendline(SECRET)
    child.expect("stored 40")
    said = f"{child.before}"
    child.close(force=True)
    assert SECRET not in said
    assert short not in said


def test_every_question_on_the_terminal_is_one_of_these() -> None:
    """A door that is added is tried above; one that asks past `terminal` has the echo on."""
    asking, raw = set(), set()
    for file in PACKAGE.rglob("*.py"):
        name = file.relative_to(PACKAGE).as_posix()
        for function in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    "terminal.ask",
                    "terminal.confirm",
                ):
                    asking.add(f"{name}:{function.name}")
                if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    "input",
                    "getpass",
                    "click.prompt",
                ):
                    raw.add(name)
    assert asking == ASKING
    assert raw == set()
