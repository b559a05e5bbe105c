"""Credentials from Vault's AWS secrets engine, over the wire by the real hvac, from an emulated engine."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shellvault.errors import NeedsPersonError, SessionError
from shellvault.hashicorp import secrets_engine, vault_token
from shellvault.plan import Options, Step, build
from shellvault.profiles.model import Durations, EngineServer, Profile, SecretsEngine
from shellvault.sessions.model import Session
from shellvault.variables import for_agent
from tests.sessions.parts import context, person
from tests.support.secrets_engine import ROOT_TOKEN, Engine, Role, serving

LONG = 4 * 1024 * 1024
GOOD = (
    b'{"lease_id":"aws/creds/deploy/1","renewable":true,"lease_duration":3600,"data":{"access_key":"AKIA1",'
    b'"secret_key":"secret","security_token":null}}'
)


@pytest.fixture
def engine() -> Iterator[Engine]:
    roles = {"deploy": Role(), "session": Role("assumed_role")}
    with serving(Engine(roles=roles)) as running:
        yield running


def step(engine: Engine, role: str = "deploy", **settings: object) -> Step:
    server = EngineServer(engine.address, namespace=engine.namespace or None)
    asked = replace(SecretsEngine(role, server=server), **settings)  # type: ignore[arg-type]
    (found,) = build(Profile("work", True, engine=asked), {}, Options()).steps
    return found


def got(engine: Engine, role: str = "deploy", token: str = ROOT_TOKEN, **settings: object) -> Session:
    return secrets_engine.credentials(step(engine, role, **settings), None, token, time.time())


def test_the_keys_of_a_new_user_end_with_their_lease(engine: Engine) -> None:
    session = got(engine)
    assert session.lease and session.lease.renewable and session.lease.revocable
    assert session.session_token is None
    assert session.expires_at == pytest.approx(time.time() + 3600, abs=60)
    assert engine.asked == [("GET", "aws/creds/deploy")]
    assert session == Session.from_json(session.to_json())


def test_what_sts_gave_is_neither_renewed_nor_taken_back(engine: Engine) -> None:
    session = got(engine, "session", endpoint="sts")
    assert session.session_token == "token"
    assert session.lease and not session.lease.renewable and not session.lease.revocable
    assert engine.asked == [("POST", "aws/sts/session")]


def test_the_lifetime_that_was_asked_for_reaches_the_engine(engine: Engine) -> None:
    server = EngineServer(engine.address)
    profile = Profile(
        "work",
        True,
        engine=SecretsEngine("session", endpoint="sts", server=server),
        durations=Durations(1800, 1800, 1800),
    )
    (asked,) = build(profile, {}, Options()).steps
    session = secrets_engine.credentials(asked, None, ROOT_TOKEN, time.time())
    assert session.expires_at == pytest.approx(time.time() + 1800, abs=3)


def test_another_mount_and_a_namespace_are_asked(engine: Engine) -> None:
    engine.mount, engine.namespace = "team/cloud", "ops"
    assert got(engine, mount="team/cloud").lease
    assert engine.headers[-1]["X-Vault-Namespace"] == "ops"


def test_a_role_without_leases_gives_its_own_lifetime(engine: Engine) -> None:
    body = GOOD.replace(b'"lease_id":"aws/creds/deploy/1"', b'"lease_id":""').replace(
        b'"lease_duration":3600', b'"lease_duration":0'
    )
    engine.answers = lambda path: (200, {}, body.replace(b'"access_key"', b'"ttl":900,"access_key"'))
    session = got(engine)
    assert session.lease is None
    assert session.expires_at == pytest.approx(time.time() + 900, abs=3)


def test_a_lease_that_is_due_is_renewed_with_the_same_keys(engine: Engine) -> None:
    session = got(engine)
    due = replace(session, issued_at=session.issued_at - 3000, expires_at=int(time.time()) + 600)
    longer = secrets_engine.credentials(step(engine), due, ROOT_TOKEN, time.time())
    assert longer.access_key_id == session.access_key_id
    assert longer.expires_at and longer.expires_at > time.time() + 3500
    assert engine.count("aws/creds/deploy") == 1


@pytest.mark.parametrize("reason", ["at its limit", "revoked", "not renewable"])
def test_a_lease_that_cannot_be_renewed_is_replaced(engine: Engine, reason: str) -> None:
    session = got(engine)
    assert session.lease
    due = replace(session, expires_at=int(time.time()) + 600)
    if reason == "at its limit":
        engine.roles["deploy"].lease_max = 650
    elif reason == "revoked":
        secrets_engine.revoke(session.lease.id, EngineServer(engine.address), ROOT_TOKEN)
    else:
        due = replace(due, lease=replace(session.lease, renewable=False))
    new = secrets_engine.credentials(step(engine), due, ROOT_TOKEN, time.time())
    assert new.access_key_id != session.access_key_id
    assert engine.count("sys/leases/renew") == (reason != "not renewable")


def test_a_lease_is_revoked(engine: Engine) -> None:
    session = got(engine)
    assert session.lease
    secrets_engine.revoke(session.lease.id, EngineServer(engine.address), ROOT_TOKEN)
    assert engine.revoked == [session.lease.id]


def test_an_unknown_token_means_a_new_login(engine: Engine) -> None:
    with pytest.raises(NeedsPersonError, match=r"does not take the token .*`vault login`"):
        got(engine, token="hvs.old")


def test_an_unknown_token_differs_from_one_without_the_right(engine: Engine) -> None:
    engine.tokens["hvs.other"] = {"sys/"}
    with pytest.raises(
        SessionError, match=r"does not let this token use aws/creds/deploy .*ask for a policy"
    ):
        got(engine, token="hvs.other")
    # Vault before 1.10 does not say why.
    engine.answers = lambda path: (403, {}, b'{"errors":["permission denied"]}')
    with pytest.raises(NeedsPersonError, match="vault login"):
        got(engine)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, b'{"errors":["Vault is sealed"]}', "is sealed: ask its administrator"),
        (503, b"{}", "not ready: try again"),
        (404, b'{"errors":["no handler for route \\"aws/creds/deploy\\""]}', "check shellvault_vault_mount"),
        (404, b'{"errors":[]}', "check shellvault_vault_mount"),
        (400, b'{"errors":["Role \\"deploy\\" not found"]}', r"not found \(check shellvault_vault_role\)"),
        (
            400,
            b'{"errors":["x; this is not allowed for legacy roles"]}',
            "set shellvault_vault_endpoint = sts",
        ),
        (429, b'{"errors":["quota"]}', "too many requests"),
        (500, b'{"errors":["1 error occurred:\\n\\t* \\u001b[2J\\u0007boom"]}', "boom"),
        (500, b"<html>\x1b[2J", "refused aws/creds/deploy"),
        (307, b"", "sends us elsewhere .*VAULT_ADDR"),
        (200, b"<html>sign in</html>", "is not Vault"),
        (200, b"[]", "is not Vault"),
        (200, b'"text"', "is not Vault"),
        (200, b"{}", "no lifetime"),
        (200, b"[" * 100_000, "is not Vault"),
        (500, b"[" * 100_000, "refused|is not Vault"),
        (500, b"[]", "refused|is not Vault"),
        (400, b'{"errors":7}', "refused|is not Vault"),
        (200, b'{"lease_duration":3600,"data":[]}', "no usable access key id"),
        (200, GOOD.replace(b"3600", b'"3600"'), "no lifetime"),
        (200, GOOD.replace(b"3600", b"-1"), "no lifetime"),
        (200, GOOD.replace(b"3600", b"true"), "no lifetime"),
        (200, GOOD.replace(b"AKIA1", b"AK\\nIA"), "no usable access key id"),
        (200, GOOD.replace(b'"secret"', b"7"), "no usable secret access key"),
        (200, GOOD.replace(b"null", b'"\\u001b]0;x"'), "no usable session token"),
        (200, b" " * LONG + GOOD, "without end"),
    ],
)
def test_whatever_is_answered_becomes_one_line_that_helps(
    engine: Engine, status: int, body: bytes, said: str
) -> None:
    headers = {"Location": "http://198.51.100.1/v1/", "Content-Type": "application/json"}
    engine.answers = lambda path: (status, headers, body)
    with pytest.raises(SessionError, match=said) as caught:
        got(engine)
    assert str(caught.value).isprintable()
    assert ROOT_TOKEN not in str(caught.value)
    assert len(engine.asked) == 1


def test_a_long_lease_is_not_believed_beyond_vaults_own_limit(engine: Engine) -> None:
    engine.answers = lambda path: (200, {}, GOOD.replace(b"3600", b"9" * 12))
    session = got(engine)
    assert session.expires_at == pytest.approx(time.time() + 768 * 3600, abs=3)


def test_a_strange_lease_id_makes_no_lease(engine: Engine) -> None:
    engine.answers = lambda path: (200, {}, GOOD.replace(b"aws/creds/deploy/1", b"a b\\u001b[0m"))
    assert got(engine).lease is None


def test_a_slow_engine_is_given_up(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets_engine, "DEADLINE", 0.3)
    engine.delay = 2
    started = time.monotonic()
    with pytest.raises(SessionError, match=r"cannot be reached.*no answer in time"):
        got(engine)
    assert time.monotonic() - started < 1.5


def test_a_missing_person_is_reported(engine: Engine) -> None:
    away = replace(step(engine).engine, server=EngineServer("http://127.0.0.1:9"))  # type: ignore[type-var]
    (asked,) = build(Profile("work", True, engine=away), {}, Options()).steps
    with pytest.raises(SessionError, match=r"cannot be reached .*check VAULT_ADDR.*\(connection refused\)"):
        secrets_engine.credentials(asked, None, ROOT_TOKEN, time.time())


def test_neither_proxy_nor_netrc_gets_anything(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    assert got(engine)
    assert "Authorization" not in engine.headers[-1]


def test_a_token_never_stands_in_a_repr_of_what_is_kept(engine: Engine) -> None:
    session = got(engine)
    assert ROOT_TOKEN not in repr(session) + repr(session.to_json())


def test_a_command_gives_its_token_for_its_own_address_alone(tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text("hvs.home\n")
    mine, home = "https://vault.example", {"HOME": str(tmp_path)}
    there = home | {"VAULT_ADDR": f"{mine}/"}
    assert vault_token.of_command(mine, there) == "hvs.home"
    assert vault_token.of_command(mine, there | {"VAULT_TOKEN": "hvs.mine"}) == "hvs.mine"
    for elsewhere in (home, there | {"VAULT_ADDR": "https://other.example"}):
        assert vault_token.of_command(mine, elsewhere | {"VAULT_TOKEN": "hvs.mine"}) == ""
        assert vault_token.of_command(mine, elsewhere) == ""


@pytest.mark.parametrize("content", [b"", b"a b", b"a\nb", b"\xff", b"x" * 9000])
def test_what_cannot_be_a_token_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".vault-token").write_bytes(content)
    assert vault_token.of_home({"HOME": str(tmp_path)}) == ""


def test_a_pipe_in_its_place_blocks_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".vault-token")
    assert vault_token.of_home({"HOME": str(tmp_path)}) == ""


def test_a_renewal_takes_the_homes_token_or_the_commands_own(tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text("hvs.home\n")
    server, nobody = EngineServer("https://vault.example"), person()
    quiet = context(tmp_path, {"HOME": str(tmp_path)}, quiet=True)
    assert secrets_engine.ask_token(server, nobody, quiet) == "hvs.home"  # type: ignore[arg-type]
    environment = for_agent({"HOME": str(tmp_path), "VAULT_TOKEN": "hvs.mine"})
    assert "hvs.mine" not in environment.values()
    for other in (replace(quiet, environment=environment), replace(quiet, is_local=False)):
        with pytest.raises(NeedsPersonError):
            secrets_engine.ask_token(server, nobody, other)  # type: ignore[arg-type]
    assert nobody.asked == []


def test_the_client_is_imported_for_such_a_profile_alone() -> None:
    modules = "shellvault.worker.job, shellvault.hashicorp.secrets_engine"
    program = f"import sys, {modules}; print('hvac' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == "False\n"


def test_without_the_client_it_says_what_to_install(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hvac", None)
    with pytest.raises(SessionError, match=r"install it with `pip install 'shellvault\[vault\]'`"):
        got(engine)
