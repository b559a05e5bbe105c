"""What is this machine itself is decided once, for everything that treats it differently."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

import shellvault
from shellvault.console import links
from shellvault.errors import ShellvaultError
from shellvault.hashicorp import vault_client
from shellvault.loopback import is_loopback
from shellvault.plan import Options, build
from shellvault.profiles.model import EngineServer
from shellvault.servers import upstream
from tests.plan.profiles import STORED, jonsmith, lasting

HERE = ("localhost", "LOCALHOST", "127.0.0.1", "127.0.0.2", "127.255.255.254", "[::1]")
ELSEWHERE = (
    "127.1",
    "128.0.0.1",
    "0.0.0.0",
    "[::2]",
    "localhost.example",
    "127.0.0.1.example",
    "192.168.1.1",
    "x",
)


def _allows(call: Callable[[str], object]) -> Callable[[str], bool]:
    def allowed(url: str) -> bool:
        with suppress(ShellvaultError):
            call(url)
            return True
        return False

    return allowed


def _planned(url: str, seconds: int) -> object:
    return build(replace(lasting(seconds, jonsmith), endpoint_url=url), STORED, Options())


def _is_direct(url: str) -> bool:
    return not vault_client._Session(EngineServer(url)).proxies


DOORS: dict[str, Callable[[str], bool]] = {
    "a short session": _allows(lambda url: _planned(url.replace("http:", "https:"), 60)),
    "plain HTTP": _allows(lambda url: _planned(url, 3600)),
    "console sign-in": _allows(lambda url: links.federation_endpoint("aws", None, url)),
    "a proxy's target": _allows(upstream.parse),
    "Vault without a proxy": _is_direct,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("host", HERE + ELSEWHERE)
def test_every_door_knows_this_machine(host: str, door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    assert is_loopback(host.strip("[]")) == (host in HERE)
    assert DOORS[door](f"http://{host}:8200") == (host in HERE)


def test_no_file_has_a_rule_of_its_own() -> None:
    package = Path(shellvault.__file__).parent
    own = re.compile(r"\.is_loopback\b|[=!]= \"(localhost|127|::1)|startswith\(\"127")
    found = [path.name for path in package.rglob("*.py") if own.search(path.read_text("utf-8"))]
    assert found == ["loopback.py"]
