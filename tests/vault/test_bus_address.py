"""Addresses of the session bus, as the D-Bus Specification has them, and the bus of the user behind a stale one."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shellvault.vault import bus, bus_address, probe
from tests.real_keyring import private_keyring

VARIABLE = "DBUS_SESSION_BUS_ADDRESS"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("unix:path=/run/bus", ["/run/bus"]),
        ("unix:path=/run/bus,guid=aabb", ["/run/bus"]),
        ("unix:guid=aabb,path=/run/bus", ["/run/bus"]),
        ("unix:path=/a;unix:path=/b", ["/a", "/b"]),
        ("unix:path=/a;", ["/a"]),
        ("unix:abstract=/tmp/dbus-x", ["\0/tmp/dbus-x"]),
        ("unix:path=/with%20blank%2c%3b%25", ["/with blank,;%"]),
        ("unix:path=/%c3%a0", ["/à"]),
        ("tcp:host=localhost,port=1;unix:path=/b", ["/b"]),
        ("unixexec:path=/bin/false;unix:path=/b", ["/b"]),
        ("unix:runtime=yes", ["{runtime}/bus"]),
        ("unix:runtime=no", []),
        ("unix:tmpdir=/tmp", []),
        ("autolaunch:", []),
        ("disabled:", []),
        ("", []),
        ("nonsense", []),
        ("unix:path", []),
        (";;:,=,;", []),
    ],
)
def test_an_address_names_its_sockets_in_order(address: str, expected: list[str], tmp_path: Path) -> None:
    found = bus_address.of_session({VARIABLE: address, "XDG_RUNTIME_DIR": str(tmp_path)})
    assert bus_address.sockets(found or "") == [each.format(runtime=tmp_path) for each in expected]


@given(st.text())
def test_no_address_is_an_error_of_ours(address: str) -> None:
    bus_address.sockets(bus_address.of_session({VARIABLE: address}) or "")


def test_the_users_own_bus_stands_behind_what_the_variable_says(tmp_path: Path) -> None:
    environment = {VARIABLE: "unix:path=/gone", "XDG_RUNTIME_DIR": str(tmp_path)}
    assert bus_address.of_session(environment) == "unix:path=/gone"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "bus"))
        assert bus_address.sockets(bus_address.of_session(environment) or "") == [
            "/gone",
            f"{tmp_path}/bus",
        ]
        assert bus_address.of_session({"XDG_RUNTIME_DIR": str(tmp_path)}) == f"unix:path={tmp_path}/bus"
        assert bus_address.of_session({**environment, VARIABLE: "disabled:"}) is None


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give a socket away")
def test_the_bus_of_another_user_is_no_way_out(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "bus"))
        os.chown(tmp_path / "bus", 12345, 12345)
        assert bus_address.of_session({"XDG_RUNTIME_DIR": str(tmp_path)}) is None


@pytest.mark.real
def test_a_stale_address_in_tmux_still_leads_to_the_keyring(tmp_path: Path) -> None:
    with private_keyring(tmp_path) as keyring:
        real = keyring.environment[VARIABLE].removeprefix("unix:path=")
        os.link(real, Path(keyring.environment["XDG_RUNTIME_DIR"], "bus"))
        for stale in ("unix:path=/gone/bus", "unix:path=/gone;unix:abstract=nobody", "unix:runtime=yes"):
            environment = {**keyring.environment, VARIABLE: stale}
            [chosen] = [each.name for each in probe(environment) if each.chosen]
            assert chosen == "secret-service"
            bus.connect(bus_address.of_session(environment) or "").close()
