"""A keyring in memory that can break at any call, for what a real one does too rarely."""

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError


class Broken(BaseException):
    """The end of the process in the middle of a change: nothing may catch it."""


class MemoryKeyring(KeyringBackend):
    """Passwords in a dictionary. `calls_left` counts changes down to a crash; None: never."""

    priority = 0

    def __init__(self) -> None:
        self.passwords: dict[tuple[str, str], str] = {}
        self.calls_left: int | None = None

    def get_password(self, service: str, username: str) -> str | None:
        return self.passwords.get((service, username))

    def names(self, service: str) -> list[str]:
        return [name for its, name in self.passwords if its == service]

    def set_password(self, service: str, username: str, password: str) -> None:
        self._count()
        self.passwords[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._count()
        if self.passwords.pop((service, username), None) is None:
            raise PasswordDeleteError("no such password")

    def _count(self) -> None:
        if self.calls_left == 0:
            raise Broken
        if self.calls_left is not None:
            self.calls_left -= 1
