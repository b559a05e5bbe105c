"""The shell that `exec NAME` opens."""

import pytest

from shellvault.errors import UsageError
from shellvault.shells import interactive


@pytest.mark.parametrize("path", ["/bin/false", "/usr/sbin/nologin", "/usr/bin/true"])
def test_what_opens_no_shell_is_said(path: str) -> None:
    with pytest.raises(UsageError, match="opens no shell: name a command"):
        interactive.command(interactive.find({"SHELL": path}), {"SHELL": path})
