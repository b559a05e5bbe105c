"""Marks that AWS refuses: what is tried, what is said, and for how long it is known."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import shellvault
from shellvault.plan.steps import AssumeRole
from shellvault.profiles.model import Marks
from shellvault.sessions.marking import FILE, REMEMBERED, forget, marked
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import RefusedError
from tests.sessions.parts import session

ROLE = "arn:aws:iam::111111111111:role/Home"
MARKS = Marks("ada", (("actor", "coding-agent"), ("program", "claude-code")))
STEP = AssumeRole("home", role_arn=ROLE, duration=900, marks=MARKS)
NOW = 1_000_000.0


class Aws:
    """Takes AssumeRole without the refused parts, and notes what each call has."""

    def __init__(self, *refuses: str, says: bool = True) -> None:
        self.refuses = refuses
        self.says = says
        self.calls: list[str] = []

    def __call__(self, step: AssumeRole) -> Session:
        sent = step.parameters(NOW)
        self.calls.append(f"{'I' if 'SourceIdentity' in sent else '-'}{'T' if 'Tags' in sent else '-'}")
        for action, name in (
            ("sts:SetSourceIdentity", "SourceIdentity"),
            ("sts:TagSession", "Tags"),
            ("", ""),
        ):
            if action in self.refuses and (not name or name in sent):
                said = f"not authorized to perform: {action}" if self.says else "AccessDenied"
                raise RefusedError(said, "denied")
        return session(1, expires_at=2)


def tried(aws: Aws, folder: Path, step: AssumeRole = STEP, now: float = NOW) -> list[str]:
    """What is said while the step is made."""
    told: list[str] = []
    marked(step, aws, folder, now, told.append)
    return told


@pytest.mark.parametrize(
    ("refuses", "calls"),
    [
        ((), ["IT"]),
        (("sts:TagSession",), ["IT", "I-"]),
        (("sts:SetSourceIdentity",), ["IT", "-T"]),
        (("sts:TagSession", "sts:SetSourceIdentity"), ["IT", "-T", "--"]),
    ],
)
def test_what_is_refused_is_left_out_said_once_and_known(
    tmp_path: Path, refuses: tuple[str, ...], calls: list[str]
) -> None:
    aws = Aws(*refuses)
    told = tried(aws, tmp_path)
    assert aws.calls == calls
    assert len(told) == bool(refuses)
    assert all(action in line for line in told for action in refuses)
    again = Aws(*refuses)
    assert tried(again, tmp_path) == []
    assert again.calls == calls[-1:]


def test_a_refusal_that_names_nothing_is_tried_without_marks(tmp_path: Path) -> None:
    aws = Aws("sts:TagSession", says=False)
    assert len(tried(aws, tmp_path)) == 1
    assert aws.calls == ["IT", "--"]


def test_policies_and_tags_that_are_too_large_go_without_tags(tmp_path: Path) -> None:
    def call(step: AssumeRole) -> Session:
        if "Tags" in step.parameters(NOW):
            raise RefusedError("PackedPolicyTooLarge", "too-large")
        return session(1, expires_at=2)

    marked(STEP, call, tmp_path, NOW, lambda line: None)
    aws = Aws()
    assert tried(aws, tmp_path) == []
    assert aws.calls == ["I-"]


def test_a_role_that_refuses_altogether_is_not_remembered(tmp_path: Path) -> None:
    with pytest.raises(RefusedError):
        tried(Aws(""), tmp_path)
    assert not (tmp_path / FILE).exists()


def test_required_marks_are_never_left_out(tmp_path: Path) -> None:
    tried(Aws("sts:TagSession"), tmp_path)
    aws = Aws("sts:TagSession")
    with pytest.raises(
        RefusedError, match="allow sts:SetSourceIdentity and sts:TagSession in the role's trust"
    ):
        tried(aws, tmp_path, replace(STEP, marks=replace(MARKS, is_required=True)))
    assert aws.calls == ["IT"]


@pytest.mark.parametrize("ends", ["a day", "clear", "damage"])
def test_a_refusal_is_known_for_a_day_or_until_clear(tmp_path: Path, ends: str) -> None:
    tried(Aws("sts:TagSession"), tmp_path)
    if ends == "clear":
        forget(tmp_path)
    if ends == "damage":
        (tmp_path / FILE).write_text('{"' + ROLE + '": [[], 3]}')
    aws = Aws()
    tried(aws, tmp_path, now=NOW + REMEMBERED + 1 if ends == "a day" else NOW)
    assert aws.calls == ["IT"]


def test_another_role_is_tried_with_its_marks(tmp_path: Path) -> None:
    tried(Aws("sts:TagSession"), tmp_path)
    aws = Aws()
    tried(aws, tmp_path, replace(STEP, role_arn=ROLE + "2"))
    assert aws.calls == ["IT"]


def test_an_own_tag_does_not_replace_a_mark() -> None:
    step = replace(STEP, session_tags=(("ACTOR", "person"), ("team", "web")))
    tags = {tag["Key"]: tag["Value"] for tag in step.parameters(NOW)["Tags"]}
    assert tags == {"team": "web", "actor": "coding-agent", "program": "claude-code"}


#: Every function that calls STS: how the marks of a role's session come in, or why there are none.
CALLS = {
    ("sessions/making.py", "_sts"): "of a role by _assume_role, which marks it",
    ("sessions/making.py", "use"): "with a code; the same",
    ("sessions/making.py", "_web_identity"): "AWS takes none",
    ("service/requests.py", "_assumed"): "marks it",
    ("cli/commands/console.py", "_federated"): "AWS takes none, and long-term keys are a person's",
}


def test_every_call_of_a_role_is_marked() -> None:
    root = Path(shellvault.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        functions = [
            each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.FunctionDef)
        ]
        for function in functions:
            inner = {
                id(node)
                for each in ast.walk(function)
                if each is not function and isinstance(each, ast.FunctionDef)
                for node in ast.walk(each)
            }
            names = [
                node.func.id
                for node in ast.walk(function)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and id(node) not in inner
            ]
            if "call_sts" in names:
                found.add((path.relative_to(root).as_posix(), function.name))
    assert found == set(CALLS)
