"""One answer at a time: given as an option, or asked on the terminal until it passes its check."""

from collections.abc import Callable
from dataclasses import dataclass

from shellvault.dialogue import terminal
from shellvault.display import printable
from shellvault.errors import NeedsPersonError, UsageError

#: Wrong answers to one question before the command gives up.
TRIES = 10


@dataclass(frozen=True, slots=True)
class Field:
    """A value that a command needs."""

    question: str
    option: str
    """The option that sets it; errors name it only where it was given."""
    check: Callable[[str], str]
    """Returns the answer in its final form. Raises ValueError with what is wrong with it."""
    is_public: bool = False
    """Whether a valid answer is never a secret, so that it may be shown after a hidden question."""

    def get(self, given: str | None, suggestion: str = "") -> str:
        """The answer: `given`, else a person's. Enter alone takes the suggestion.

        Raises UsageError for a wrong option, or when the answers stay wrong, NeedsPersonError without a terminal.
        """
        if given is not None:
            try:
                return self.check(given)
            except ValueError as error:
                raise UsageError(f"{self.option}: {error}") from None
        shown = f" [{printable(suggestion)}]" if suggestion else ""
        for _ in range(TRIES):
            try:
                answer = terminal.ask(f"{self.question}{shown}: ", shown=self._is_shown).strip()
            except NeedsPersonError as error:
                raise NeedsPersonError(f"{error}: give {self.option}") from error
            try:
                return self.check(answer or suggestion)
            except ValueError as error:
                terminal.show(f"{error}{'' if str(error).endswith('?') else '.'}\n")
        raise UsageError(f"{TRIES} answers were not what was asked for: nothing was written")

    def _is_shown(self, answer: str) -> bool:
        try:
            return self.is_public and bool(self.check(answer.strip()))
        except ValueError:
            return False
