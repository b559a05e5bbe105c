"""One table says which caller may ask for what and what a person confirms; nothing is done past it."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from shellvault import guard, rotation
from shellvault.agent import clients
from shellvault.errors import NeedsPersonError, SessionError, UsageError, WrongPassphraseError
from shellvault.fastlane import request
from shellvault.locks import writers_lock
from shellvault.protocol import WORKER_VARIABLES
from shellvault.rotation import guarded
from shellvault.rotation import operation as rotating
from shellvault.sessions.confirmation import POLICIES, Policy
from shellvault.sessions.context import Context
from shellvault.signin import actions
from shellvault.vault import Vault, operations
from shellvault.vault.file import FileKeyring
from shellvault.vault.items import Items
from shellvault.vault.store import Store
from tests.sessions.parts import Person, person
from tests.support.home import CHEAP
from tests.vault.memory import MemoryKeyring

PACKAGE = Path(guard.__file__).parent
LINE = "work config=/nowhere"
PASSPHRASE = "correct horse battery staple"

#: One message for every operation on the vault. `work` has keys there.
ASKED: dict[str, dict[str, Any]] = {
    "list": {},
    "save": {"name": "new", "access_key_id": "AKIANEW", "secret_access_key": "new"},
    "save-new": {"keys": {"new": {"access_key_id": "AKIANEW", "secret_access_key": "new"}}},
    "remove": {"name": "work"},
    "clear": {"name": "work"},
    "rotate": {"request": LINE},
    "prove": {"request": LINE},
    "back-up": {"path": "/nowhere"},
    "restore": {"path": "/nowhere"},
    "forget-sign-ins": {},
    "unlock": {},
    "orphans": {},
    "remove-orphans": {},
}
OVER_OTHERS = {"do": "save", **ASKED["save"], "name": "work"}
MESSAGES = [{"do": do, **more} for do, more in ASKED.items()] + [OVER_OTHERS]

#: What makes, replaces, removes or hands out long-term keys, as a person would say it: kept here a second time.
TOUCHES_KEYS = {"remove", "rotate", "restore", "hand-out", "replace", "migrate"}


def _vault(folder: Path, kind: str, *, is_open: bool) -> Vault:
    """A vault with keys of `work`; an encrypted file that was opened before, or a keyring."""
    store: Store
    if kind == "file":
        path = folder / "keys.vault"
        if not path.exists():
            first = FileKeyring(path, _nobody, PASSPHRASE, cost=CHEAP)
            Vault(Store(Items("file", first, None), first.lock, first), folder / "names").save_keys(
                "work", "AKIAOLD", "old"
            )
        opener = FileKeyring(path, _nobody, PASSPHRASE)
        opener.unlock()
        file = FileKeyring(path, _nobody, unlock_key=opener.unlock_key if is_open else None)
        store = Store(Items("file", file, None), file.lock, file)
    else:
        store = Store(Items("secret-service", MemoryKeyring(), None), writers_lock(folder / "vault.lock"))
        Vault(store, folder / "names").save_keys("work", "AKIAOLD", "old")
    return Vault(store, folder / "names")


def _nobody(new: bool, problem: str | None, path: Path) -> str:
    raise NeedsPersonError(problem or "the passphrase is needed")


def test_the_table_has_every_message_of_the_socket() -> None:
    tree = ast.parse(Path(clients.__file__).read_text("utf-8"))
    handlers = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "operations"
    ]
    assert len(handlers) == 1
    assert isinstance(handlers[0], ast.Dict)
    found = {ast.literal_eval(key) for key in handlers[0].keys if key}
    assert found | {"text"} == set(guard.MESSAGES)


def test_the_table_has_every_operation_on_the_vault() -> None:
    source = Path(operations.__file__).read_text("utf-8")
    found = set(re.findall(r'"do": "([a-z-]+)"', source)) | set(rotation.OPERATIONS)
    assert found == set(guard.VAULT_OPERATIONS) == set(ASKED)


def test_the_table_has_everything_that_is_done_with_a_sign_in() -> None:
    source = Path(actions.__file__).read_text("utf-8")
    named = set(re.findall(r'"((?:sign-in|sign-out|new-login|sso-token)[a-z-]*)"', source))
    # What is none of the others.
    assert named | {"sign-out"} == set(guard.SIGN_INS)


def test_whatever_touches_long_term_keys_is_confirmed() -> None:
    confirmed = {name for name, rule in guard.OPERATIONS.items() if rule.confirmation}
    assert confirmed == TOUCHES_KEYS


def test_from_other_namespaces_there_are_sessions_and_names() -> None:
    allowed = {name for name, rule in guard.OPERATIONS.items() if rule.from_anywhere}
    assert allowed == {"text", "session", "endpoint", "vault", "list"}


@pytest.mark.parametrize(
    ("called", "by"),
    [
        ("operations.perform", {"rotation/guarded.py"}),
        ("operation.perform", {"rotation/guarded.py"}),
        ("vault.save_keys", {"vault/operations.py"}),
        ("vault.remove_keys", {"vault/operations.py"}),
        ("vault.load_backup", {"vault/operations.py"}),
        ("acquire", {"sessions/for_request.py", "rotation/operation.py"}),
        ("migrate", {"cli/commands/migrate_backend.py"}),
    ],
)
def test_nothing_is_done_past_the_guard(called: str, by: set[str]) -> None:
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == called
    }
    # The listing of an opened vault, for --debug.
    assert found - ({"cli/provider.py"} if called == "operations.perform" else set()) == by


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The operations that came through, none of which is really done."""
    found: list[dict[str, Any]] = []

    def perform(asked: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        found.append(asked)
        return {}

    monkeypatch.setattr(operations, "perform", perform)
    monkeypatch.setattr(rotating, "perform", perform)
    return found


def _kind(asked: dict[str, Any]) -> str:
    return "replace" if asked == OVER_OTHERS else str(asked["do"])


@pytest.mark.parametrize("required", POLICIES)
@pytest.mark.parametrize("asked", MESSAGES, ids=_kind)
def test_an_open_file_is_confirmed_by_its_passphrase(
    asked: dict[str, Any], required: Policy, tmp_path: Path, done: list[dict[str, Any]]
) -> None:
    vault, someone = _vault(tmp_path, "file", is_open=True), person()
    if _kind(asked) in TOUCHES_KEYS and required != "never":
        with pytest.raises(NeedsPersonError, match=r"long-term keys are|stored keys are replaced"):
            guarded.perform(asked, vault, someone, Context(tmp_path), required)
        assert done == []
    else:
        guarded.perform(asked, vault, someone, Context(tmp_path), required)
        assert done == [asked]


@pytest.mark.parametrize("required", POLICIES)
@pytest.mark.parametrize("answer", ["", "n", "y"])
@pytest.mark.parametrize("asked", MESSAGES, ids=_kind)
def test_a_keyring_is_confirmed_by_a_yes(
    asked: dict[str, Any], answer: str, required: Policy, tmp_path: Path, done: list[dict[str, Any]]
) -> None:
    vault, someone = _vault(tmp_path, "keyring", is_open=True), person(answer)
    is_asked = _kind(asked) in TOUCHES_KEYS and required != "never"
    if is_asked and answer != "y":
        with pytest.raises(SessionError, match="not confirmed"):
            guarded.perform(asked, vault, someone, Context(tmp_path), required)
        assert done == []
    else:
        guarded.perform(asked, vault, someone, Context(tmp_path), required)
        assert done == [asked]
    assert len(someone.asked) == is_asked


def test_what_is_no_operation_is_refused(tmp_path: Path, done: list[dict[str, Any]]) -> None:
    vault = _vault(tmp_path, "keyring", is_open=True)
    for asked in ({"do": "replace", "name": "work"}, {"do": "session", "request": LINE}, {}):
        with pytest.raises(UsageError):
            guarded.perform(asked, vault, person(), Context(tmp_path), "keys")
    assert done == []


def test_a_passphrase_is_asked_for_once_per_operation(tmp_path: Path) -> None:
    _vault(tmp_path, "file", is_open=True)
    file = FileKeyring(tmp_path / "keys.vault", _nobody, PASSPHRASE)
    vault = Vault(Store(Items("file", file, None), file.lock, file), tmp_path / "names")
    guarded.perform(OVER_OTHERS, vault, person(), Context(tmp_path), "always")
    assert vault.load_keys("work").access_key_id == "AKIANEW"


def test_a_wrong_passphrase_is_no_confirmation(tmp_path: Path) -> None:
    _vault(tmp_path, "file", is_open=True)
    opener = FileKeyring(tmp_path / "keys.vault", _nobody, PASSPHRASE)
    opener.unlock()
    file = FileKeyring(tmp_path / "keys.vault", lambda *_: "wrong", unlock_key=opener.unlock_key)
    vault = Vault(Store(Items("file", file, None), file.lock, file), tmp_path / "names")
    with pytest.raises(WrongPassphraseError):
        guarded.perform(OVER_OTHERS, vault, person(), Context(tmp_path), "keys")
    assert vault.load_keys("work").access_key_id == "AKIAOLD"


@pytest.mark.parametrize("name", guard.NETWORK_VARIABLES)
@pytest.mark.parametrize(
    ("confirmed", "answers", "applies"),
    [(True, (), True), (False, ("y",), True), (False, ("n",), False), (False, (), False)],
)
def test_whom_the_caller_names_sees_no_new_keys_unconfirmed(
    name: str,
    confirmed: bool,
    answers: tuple[str, ...],
    applies: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []

    def rotate(
        asked: dict[str, Any], vault: object, someone: Person, context: Context, *, is_direct: bool = False
    ) -> dict[str, Any]:
        seen.append((asked["request"], context.environment, is_direct))
        return {}

    monkeypatch.setattr(rotating, "_rotate", rotate)
    in_line = name in request.OVERRIDES
    line = f"work {name}=http%3A//x config=/nowhere" if in_line else LINE
    context = Context(tmp_path, {name: "http://x", "HOME": "/me"})
    vault = _vault(tmp_path, "keyring", is_open=True)
    asked = {"do": "rotate", "request": line}
    rotating.perform(asked, vault, person(*answers), context, is_confirmed=confirmed)
    ((used, environment, is_direct),) = seen
    assert (name in environment, name in used, is_direct) == (applies, applies and in_line, not applies)
    assert environment["HOME"] == "/me"


def test_every_network_variable_is_among_them() -> None:
    leads = re.compile(r"(?i)proxy$|_bundle$|ssl_cert|^AWS_ENDPOINT_URL|IGNORE_CONFIGURED")
    known = {name for name in (*request.OVERRIDES, *WORKER_VARIABLES) if leads.search(name)}
    # Exceptions from a proxy lead nowhere else, and no call that makes keys is one to the console's sign-in.
    assert known - {"NO_PROXY", "no_proxy", "AWS_ENDPOINT_URL_SIGNIN"} == set(guard.NETWORK_VARIABLES)
