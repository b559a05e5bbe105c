"""The real OpenBao answers: tokens, policies, namespaces, certificates and a seal.

It has no AWS secrets engine. In its place stands a store of fixed credentials (`kv`, version 1) at the engine's path:
what is read there is answered as by a role without leases. Leases are the emulator's part (test_secrets_engine.py),
which is held against OpenBao here where both know an answer.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from shellvault.errors import NeedsPersonError, SessionError
from shellvault.hashicorp import secrets_engine
from shellvault.plan import Options, Step, build
from shellvault.profiles.model import EngineServer, Profile, SecretsEngine
from shellvault.sessions.model import Session
from tests.support.clients import need
from tests.support.emulator import free_port
from tests.support.secrets_engine import ROOT_TOKEN, Engine, Role, serving

pytestmark = pytest.mark.real

ROOT = "the-root-token-of-this-test"
GIVEN = ("access_key=ASIAEXAMPLE000000001", "secret_key=secret", "security_token=token", "ttl=30m")


@dataclass(frozen=True)
class Bao:
    """A running OpenBao in its development mode, which keeps all in memory."""

    server: EngineServer
    folder: Path

    def run(self, *arguments: str, token: str = ROOT) -> str:
        """What a command of OpenBao's own prints."""
        environment = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "VAULT_TOKEN": token}
        environment |= {"VAULT_ADDR": self.server.address, "VAULT_SKIP_VERIFY": "1"}
        command = [str(need("bao")), *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()

    def token(self, rules: str, *more: str) -> str:
        """A new token that may do what the rules say."""
        file = self.folder / "rules.hcl"
        file.write_text(rules)
        self.run("policy", "write", "rules", str(file))
        return self.run("token", "create", "-policy=rules", "-field=token", *more)


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Bao]:
    """Runs the server until the block ends."""
    port = free_port()
    scheme = "https" if options else "http"
    bao = Bao(EngineServer(f"{scheme}://127.0.0.1:{port}"), folder)
    command = [str(need("bao")), "server", "-dev", f"-dev-root-token-id={ROOT}", *options]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, f"-dev-listen-address=127.0.0.1:{port}"],
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_ready(bao, server)
        bao.run("secrets", "enable", "-path=aws", "-version=1", "kv")
        bao.run("write", "aws/creds/deploy", *GIVEN)
        yield bao
    finally:
        server.kill()
        server.wait(timeout=10)


def _wait_until_ready(bao: Bao, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            bao.run("status")
            return
        except subprocess.CalledProcessError:
            assert server.poll() is None, (bao.folder / "log").read_text()
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    with running(tmp_path_factory.mktemp("bao")) as found:
        yield found


def step(server: EngineServer, role: str = "deploy") -> Step:
    profile = Profile("work", True, engine=SecretsEngine(role, server=server))
    (found,) = build(profile, {}, Options()).steps
    return found


def got(server: EngineServer, token: str, role: str = "deploy") -> Session:
    return secrets_engine.credentials(step(server, role), None, token, time.time())


def said(server: EngineServer, token: str, role: str = "deploy") -> str:
    with pytest.raises((SessionError, NeedsPersonError)) as caught:
        got(server, token, role)
    return str(caught.value).replace(server.address, "ADDRESS")


def test_credentials_are_read_with_a_token_that_may_do_just_that(bao: Bao) -> None:
    session = got(bao.server, bao.token('path "aws/creds/deploy" { capabilities = ["read"] }'))
    assert session.access_key_id == "ASIAEXAMPLE000000001"
    assert session.expires_at == pytest.approx(time.time() + 1800, abs=5)
    assert session.lease is None


def test_a_revoked_or_expired_token_means_a_new_login(bao: Bao) -> None:
    token = bao.token('path "aws/*" { capabilities = ["read"] }')
    bao.run("token", "revoke", token)
    short = bao.token('path "aws/*" { capabilities = ["read"] }', "-ttl=1s")
    time.sleep(1.5)
    for dead in (token, short, "hvs.never-was"):
        assert "does not take the token (expired or revoked): run `vault login`" in said(bao.server, dead)


def test_a_token_without_the_right_differs_from_that(bao: Bao) -> None:
    token = bao.token('path "secret/*" { capabilities = ["read"] }')
    assert "does not let this token use aws/creds/deploy" in said(bao.server, token)


def test_a_namespace_is_asked(bao: Bao) -> None:
    bao.run("namespace", "create", "ops")
    bao.run("secrets", "enable", "-namespace=ops", "-path=aws", "-version=1", "kv")
    bao.run("write", "-namespace=ops", "aws/creds/inside", *GIVEN)
    there = EngineServer(bao.server.address, namespace="ops")
    assert got(there, ROOT, "inside")
    assert "has nothing at aws/creds/inside" in said(bao.server, ROOT, "inside")


def test_the_emulator_answers_as_openbao_does(bao: Bao) -> None:
    server, lease = bao.server, "aws/creds/deploy/gone"
    with serving(Engine(roles={"deploy": Role()})) as engine:
        engine.tokens["other"] = {"sys/"}
        emulated = EngineServer(engine.address)
        other = bao.token('path "sys/*" { capabilities = ["update"] }')
        assert said(emulated, "unknown") == said(server, "unknown")
        assert said(emulated, "other") == said(server, other)
        elsewhere = SecretsEngine("deploy", "cloud")
        for one, token in ((emulated, ROOT_TOKEN), (server, ROOT)):
            asked = Profile("work", True, engine=SecretsEngine("deploy", elsewhere.mount, server=one))
            with pytest.raises(SessionError, match=r"no handler for route \"cloud/creds/deploy\""):
                secrets_engine.credentials(build(asked, {}, Options()).steps[0], None, token, time.time())
            # Neither minds a lease that is over.
            secrets_engine.revoke(lease, one, token)


def test_its_certificate_is_checked(tmp_path: Path) -> None:
    with running(tmp_path, "-dev-tls", f"-dev-tls-cert-dir={tmp_path}") as bao:
        address = bao.server.address
        assert "shows no certificate that can be trusted: set VAULT_CACERT" in said(bao.server, ROOT)
        (authority,) = tmp_path.glob("*ca.pem")
        assert got(EngineServer(address, ca=str(authority)), ROOT)
        assert got(EngineServer(address, skip_verify=True), ROOT)
        assert "cannot be reached" in said(EngineServer(address, ca=str(tmp_path / "absent.pem")), ROOT)


def test_a_sealed_server_is_said_to_be_that(tmp_path: Path) -> None:
    with running(tmp_path) as bao:
        bao.run("operator", "seal")
        assert (
            said(bao.server, ROOT)
            == "Vault at ADDRESS is sealed: ask its administrator to unseal it, then try again"
        )
