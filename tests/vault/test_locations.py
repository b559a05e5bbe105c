"""Where files lie."""

import os
import stat
from pathlib import Path

import pytest

from shellvault import locations
from shellvault.errors import ShellvaultError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_places_are_below_the_home_by_default(home: Path) -> None:
    environment = {"HOME": str(home)}
    assert locations.config_file(environment) == home / ".config/shellvault/config.toml"
    assert locations.state_directory(environment) == home / ".local/state/shellvault"
    assert locations.data_directory(environment) == home / ".local/share/shellvault"
    assert locations.names_file(environment) == home / ".local/state/shellvault/names"
    assert locations.socket_path(environment) == home / ".local/state/shellvault/run/agent.sock"


def test_xdg_variables_move_them(home: Path) -> None:
    environment = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "c"),
        "XDG_STATE_HOME": str(home / "s"),
        "XDG_DATA_HOME": str(home / "d"),
    }
    assert locations.config_file(environment) == home / "c/shellvault/config.toml"
    assert locations.state_directory(environment) == home / "s/shellvault"
    assert locations.data_directory(environment) == home / "d/shellvault"


def test_a_relative_xdg_variable_is_ignored(home: Path) -> None:
    assert (
        locations.state_directory({"HOME": str(home), "XDG_STATE_HOME": "s"})
        == home / ".local/state/shellvault"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"SHELLVAULT_FILE_DIR": "/a", "AWS_VAULT_FILE_DIR": "/b", "XDG_DATA_HOME": "/c"}, "/a"),
        ({"AWS_VAULT_FILE_DIR": "/b", "XDG_DATA_HOME": "/c"}, "/b"),
        ({"SHELLVAULT_FILE_DIR": "", "XDG_DATA_HOME": "/c"}, "/c/shellvault"),
        ({"AWS_VAULT_FILE_DIR": "~/keys", "HOME": "/h"}, "/h/keys"),
    ],
)
def test_the_folder_of_the_encrypted_file_can_be_named(given: dict[str, str], expected: str) -> None:
    assert locations.data_directory(given) == Path(expected)


def test_the_folder_of_the_encrypted_file_must_be_absolute() -> None:
    with pytest.raises(ShellvaultError, match="absolute"):
        locations.data_directory({"SHELLVAULT_FILE_DIR": "keys"})


def test_folders_and_their_missing_parents_are_made_private(home: Path) -> None:
    home.mkdir(mode=0o755)
    state = locations.state_directory({"HOME": str(home)})
    for folder in (state, state.parent, state.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.stat().st_mode) == 0o755


def test_a_folder_that_others_could_read_is_made_private(home: Path) -> None:
    state = home / ".local/state/shellvault"
    state.mkdir(parents=True)
    state.chmod(0o777)
    locations.state_directory({"HOME": str(home)})
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to give a folder away")
def test_another_users_folder_is_refused(home: Path) -> None:
    state = home / ".local/state/shellvault"
    state.mkdir(parents=True)
    os.chown(state, 65534, 65534)
    with pytest.raises(ShellvaultError, match="uid 65534"):
        locations.state_directory({"HOME": str(home)})


def test_a_file_in_the_place_of_a_folder_is_refused(home: Path) -> None:
    home.mkdir()
    (home / ".local").write_text("")
    with pytest.raises(ShellvaultError, match="cannot be used"):
        locations.private_directory(home / ".local" / "share")
    # What would be written there is optional: a session can be had without it.
    assert locations.state_directory({"HOME": str(home)}) == home / ".local" / "state" / "shellvault"


def test_the_socket_is_in_the_runtime_folder_if_there_is_one(home: Path, tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    environment = {"HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
    assert locations.socket_path(environment) == runtime / "shellvault/agent.sock"


def test_a_runtime_folder_with_too_long_a_path_is_not_used(home: Path, tmp_path: Path) -> None:
    runtime = tmp_path / ("r" * 100)
    runtime.mkdir(mode=0o700)
    environment = {"HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
    assert locations.runtime_directory(environment) == home / ".local/state/shellvault/run"


@pytest.mark.parametrize("runtime", ["", "relative", "/nonexistent/runtime"])
def test_a_runtime_folder_that_is_none_is_not_used(home: Path, runtime: str) -> None:
    environment = {"HOME": str(home), "XDG_RUNTIME_DIR": runtime}
    assert locations.runtime_directory(environment) == home / ".local/state/shellvault/run"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to give a folder away")
def test_another_users_runtime_folder_is_not_used(home: Path, tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir()
    os.chown(runtime, 65534, 65534)
    environment = {"HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
    assert locations.runtime_directory(environment) == home / ".local/state/shellvault/run"
