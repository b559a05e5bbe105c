"""A helper process that runs shellvault for a session that is waiting for that very helper is refused."""

import pytest

from shellvault.errors import SessionError
from shellvault.sessions.recursion import check_recursion, environment_for_helpers
from tests.support.home import Home

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def test_a_helper_gets_no_passphrase() -> None:
    secret = {"SHELLVAULT_FILE_PASSPHRASE": "geheim", "AWS_VAULT_FILE_PASSPHRASE": "geheim"}
    assert "geheim" not in environment_for_helpers(ENVIRONMENT | secret, "work").values()


def test_a_circle_through_helpers_is_refused_however_long_it_is() -> None:
    environment = ENVIRONMENT
    for name in ("a b", "c", "d"):
        check_recursion(name, environment)
        environment = environment_for_helpers(environment, name, name)
    for name in ("a b", "c", "d"):
        with pytest.raises(
            SessionError, match=f"the helper process of profile {name} asks for that same profile"
        ):
            check_recursion(name, environment)
    check_recursion("a", environment)


@pytest.mark.real
@pytest.mark.parametrize("no_agent", ["0", "1"])
def test_commands_that_call_each_other_end_with_one_clear_error(home: Home, no_agent: str) -> None:
    helper = "credential_process = shellvault export"
    home.write_config(f"[profile a]\n{helper} --format json b\n[profile b]\n{helper} --format json a\n")
    home.environment["SHELLVAULT_NO_AGENT"] = no_agent
    line = home.fail("export", "a")
    assert "the helper process of profile a asks for that same profile: name another" in line
