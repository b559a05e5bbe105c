"""The prompt drivers: how a person is asked for an MFA code or a passphrase (`--prompt`)."""

import base64
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from shellvault import guard, myself, settings
from shellvault.dialogue import output, progress, sign_in_prompt, terminal
from shellvault.errors import NeedsPersonError, SessionError, UsageError
from shellvault.hashicorp import vault_token
from shellvault.sessions.model import Challenge, Prompter
from shellvault.shells.quote import quote
from shellvault.variables import for_programs, setting_of

#: The graphical drivers, as aws-vault names them; each exists where its program is on PATH.
GRAPHICAL = ("kdialog", "osascript", "zenity")
DRIVERS = ("terminal", "none", "ykman", "pinentry", "wincredui", *GRAPHICAL)

#: The program of a driver whose name differs; under WSL the Windows program can be run too.
_PROGRAMS = {"wincredui": "powershell.exe"}

#: Seconds a person may take to answer a dialog, and a security key to be touched.
ANSWER_DEADLINE = 300


class TerminalPrompter:
    """Asks on the controlling terminal; the passphrase variables answer for the person."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def ask(self, challenge: Challenge, withdrawn: int | None = None) -> str:
        """Returns the line that the person typed. Raises NeedsPersonError where there is no terminal."""
        given = _given(challenge, self._environment)
        if given is not None:
            return given
        try:
            if challenge.link:
                sign_in_prompt.show(challenge, self._environment)
            return terminal.ask(challenge.prompt, hidden=challenge.hidden, withdrawn=withdrawn)
        except NeedsPersonError as error:
            raise NeedsPersonError(f"{_needed(challenge)}: {error}; {_remedy(challenge)}") from error

    @contextmanager
    def invite(self, challenge: Challenge) -> Iterator[Callable[[], bool]]:
        """Shows where to sign in. Raises NeedsPersonError if no person can see it."""
        try:
            sign_in_prompt.show(challenge, self._environment)
        except NeedsPersonError as error:
            raise NeedsPersonError(f"{_needed(challenge)}: {error}; {_remedy(challenge)}") from error
        yield lambda: True

    def tell(self, message: str) -> None:
        """Shows one line of progress."""
        output.note(message)

    def wait_for_enter(self, other: int, seconds: float) -> bool | None:
        """See Prompter."""
        return terminal.wait_for_enter(other, seconds)


class NobodyPrompter(TerminalPrompter):
    """Never asks, for programs that must not wait: a `credential_process` in an IDE."""

    def ask(self, challenge: Challenge, withdrawn: int | None = None) -> str:
        """Returns a passphrase from the environment. Raises NeedsPersonError at once for everything else."""
        given = _given(challenge, self._environment)
        if given is not None:
            return given
        raise NeedsPersonError(f"{_needed(challenge)}: run a command in a terminal once, then try again")


class NoPerson(TerminalPrompter):
    """Never asks, and takes no passphrase from the environment: for coding agents."""

    def ask(self, challenge: Challenge, withdrawn: int | None = None) -> str:
        """Returns a Vault token, which is the command's own. Raises NeedsPersonError for everything else."""
        if challenge.kind == "vault-token" and (token := _given(challenge, self._environment)):
            return token
        raise NeedsPersonError(f"{_needed(challenge)}: {guard.FOR_A_PERSON}")

    @contextmanager
    def invite(self, challenge: Challenge) -> Iterator[Callable[[], bool]]:
        """Raises NeedsPersonError."""
        raise NeedsPersonError(f"{_needed(challenge)}: {guard.FOR_A_PERSON}")
        yield lambda: False

    def wait_for_enter(self, other: int, seconds: float) -> bool | None:
        """See Prompter."""
        return None


class Once:
    """Asks through another prompter, but only once per command for the passphrase of an encrypted file.

    Later operations of the command that need confirmation reuse the passphrase that worked. `guard` does not ask again
    for what a person has agreed to with the command.
    """

    def __init__(self, prompter: Prompter) -> None:
        self._prompter = prompter
        self._proved: dict[str, str] = {}
        """The passphrases that worked, by the path of the file."""
        self._given: dict[str, str] = {}
        """Those given for the current operation."""
        self._agreed: set[Challenge] = set()
        """The questions that a person has said yes to before `guard` asks them."""

    @property
    def given(self) -> tuple[str, ...]:
        """The passphrases given last: correct if their operation has succeeded."""
        return tuple(self._given.values())

    @contextmanager
    def once(self) -> Iterator[None]:
        """One operation: its answers are kept if it succeeds."""
        self._given = {}
        yield
        self._proved |= self._given

    def confirm(self, operation: str, subject: str, question: str | None = None) -> bool:
        """Asks on the terminal whether to do an operation that `guard` has a confirmation for, now or later.

        A yes is good for one such operation. `question` says more than that of `guard`. Raises NeedsPersonError, and
        KeyError for an operation that is not confirmed.
        """
        from shellvault.sessions.confirmation import challenge

        wanted = guard.OPERATIONS[operation].confirmation
        if wanted is None:
            raise KeyError(operation)
        of_guard = challenge(wanted, subject)
        if not terminal.confirm(question or of_guard.prompt.removesuffix(" (y|N) ")):
            return False
        self._agreed.add(of_guard)
        return True

    def ask(self, challenge: Challenge, withdrawn: int | None = None) -> str:
        """See Prompter."""
        if challenge in self._agreed:
            self._agreed.remove(challenge)
            return "y"
        known = self._proved.get(challenge.subject)
        if challenge.kind != "passphrase" or known is None or challenge.subject in self._given:
            known = self._prompter.ask(challenge, withdrawn)
        if challenge.kind == "passphrase":
            self._given[challenge.subject] = known
        return known

    def invite(self, challenge: Challenge) -> AbstractContextManager[Callable[[], bool]]:
        """See Prompter."""
        return self._prompter.invite(challenge)

    def tell(self, message: str) -> None:
        """See Prompter."""
        self._prompter.tell(message)

    def wait_for_enter(self, other: int, seconds: float) -> bool | None:
        """See Prompter."""
        return self._prompter.wait_for_enter(other, seconds)


class ProgramPrompter(TerminalPrompter):
    """Asks through a program: a dialog, or a security key that computes the code."""

    def __init__(self, environment: Mapping[str, str], driver: str) -> None:
        super().__init__(environment)
        self._driver = driver

    def ask(self, challenge: Challenge, withdrawn: int | None = None) -> str:
        """Returns the program's answer. Raises NeedsPersonError when it was closed or does not answer."""
        if (
            _given(challenge, self._environment) is not None
            or (self._driver == "ykman" and challenge.kind != "mfa-code")
            or challenge.link
        ):
            return super().ask(challenge, withdrawn)
        progress.waits_for(
            "a touch of your security key" if self._driver == "ykman" else f"you, in {self._driver}"
        )
        try:
            return _answer(self._driver, challenge, for_programs(self._environment))
        except SessionError as error:
            raise NeedsPersonError(
                f"{_needed(challenge)}: {self._driver} gave no answer; {_remedy(challenge)}"
            ) from error


def _answer(driver: str, challenge: Challenge, environment: Mapping[str, str]) -> str:
    if driver == "pinentry":
        from shellvault.dialogue import pinentry

        return pinentry.ask(challenge.prompt.rstrip(": "), environment, ANSWER_DEADLINE)
    from shellvault.sessions import processes

    command = _command(driver, challenge, environment)
    printed = processes.run(command, driver, environment, terminal=True, deadline=ANSWER_DEADLINE)
    return printed.decode("utf-8", "replace").strip()


def _command(driver: str, challenge: Challenge, environment: Mapping[str, str]) -> list[str]:
    prompt = challenge.prompt.rstrip(": ")
    if driver == "zenity":
        # It reads backslashes as escapes, and an underscore as the mark of an access key.
        text = prompt.replace("\\", "\\\\").replace("_", "__")
        return [
            "zenity",
            "--entry",
            "--title=shellvault",
            f"--text={text}",
            *(["--hide-text"] if challenge.hidden else []),
        ]
    if driver == "kdialog":
        return ["kdialog", "--title=shellvault", "--password" if challenge.hidden else "--inputbox", prompt]
    if driver == "ykman":
        account = environment.get("YKMAN_OATH_CREDENTIAL_NAME") or challenge.subject
        serial = environment.get("YKMAN_OATH_DEVICE_SERIAL")
        return [
            "ykman",
            *(["--device", serial] if serial else []),
            "oath",
            "accounts",
            "code",
            "--single",
            account,
        ]
    if driver == "wincredui":
        return ["powershell.exe", "-NoProfile", "-EncodedCommand", _credential_dialog(prompt)]
    hidden = " with hidden answer" if challenge.hidden else ""
    dialog = f'display dialog (item 1 of argv) default answer ""{hidden} with title "shellvault"'
    # The prompt travels as an argument, never as part of the script.
    return [
        "osascript",
        "-e",
        f"on run argv\ntext returned of ({dialog})\nend run",
        prompt,
    ]


def _credential_dialog(prompt: str) -> str:
    """The Windows dialog, encoded for powershell.exe, so that no quoting can go wrong."""
    dialog = f"Get-Credential -UserName shellvault -Message {quote('powershell', prompt)}"
    script = f"$ErrorActionPreference = 'Stop'; ({dialog}).GetNetworkCredential().Password"
    return base64.b64encode(script.encode("utf-16-le")).decode("ascii")


def _given(challenge: Challenge, environment: Mapping[str, str]) -> str | None:
    """The answer from the environment; the agent's worker does not get these variables."""
    if challenge.kind == "vault-token":
        if token := vault_token.of_command(challenge.subject, environment):
            return token
        raise NeedsPersonError(f"there is no Vault token for {challenge.subject}: {vault_token.REMEDY}")
    if challenge.kind not in ("passphrase", "new-passphrase"):
        return None
    return myself.passphrase(environment)


def _needed(challenge: Challenge) -> str:
    return {
        "mfa-code": f"an MFA code of {challenge.subject} is needed",
        "passphrase": f"the passphrase of {challenge.subject} is needed",
        "other-passphrase": f"the passphrase of {challenge.subject.partition(': ')[0]} is needed",
        "new-passphrase": f"a new passphrase for {challenge.subject} is needed",
        "changed-passphrase": f"a new passphrase for {challenge.subject} is needed",
        "sign-in": f"a sign-in to {challenge.subject} is needed",
        "vault-token": f"a token of {challenge.subject} is needed",
        "sign-in-code": f"a sign-in to {challenge.subject} is needed",
        "confirm": f"a person has to say yes to: {challenge.prompt.removesuffix(' (y|N) ')}",
    }[challenge.kind]


def _remedy(challenge: Challenge) -> str:
    if challenge.kind in ("confirm", "changed-passphrase"):
        return "run this in a terminal"
    if challenge.kind == "mfa-code":
        return "give it with --mfa-token, set mfa_process in the profile, or run this in a terminal"
    if challenge.link:
        return "run this in the foreground of a terminal"
    if challenge.kind == "other-passphrase":
        return f"{challenge.subject.rpartition(': ')[2]}, or run this in a terminal"
    return "set SHELLVAULT_FILE_PASSPHRASE, or run this in a terminal"


def _is_installed(driver: str, path: str) -> bool:
    return (
        driver in ("terminal", "none") or shutil.which(_PROGRAMS.get(driver, driver), path=path) is not None
    )


def choose(driver: str | None, environment: Mapping[str, str]) -> Prompter:
    """The prompter for `--prompt`, else SHELLVAULT_PROMPT, AWS_VAULT_PROMPT, the settings, or any that works here.

    For a coding agent it neither asks nor answers.
    Raises UsageError for a driver that does not exist on this machine.
    """
    named = driver or setting_of("PROMPT", environment) or settings.load(environment).prompt
    path = environment.get("PATH", os.defpath)
    if named is None:
        named = "terminal"
        if not terminal.is_available() and (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
            named = next((name for name in GRAPHICAL if shutil.which(name, path=path)), "terminal")
    if named not in DRIVERS:
        raise UsageError(
            f"no prompt driver {named!r}: choose {', '.join(DRIVERS)}, or set mfa_process in the profile"
        )
    if myself.is_coding_agent(environment):
        return NoPerson(environment)
    if named == "terminal":
        return TerminalPrompter(environment)
    if named == "none":
        return NobodyPrompter(environment)
    if not _is_installed(named, path):
        there = ", ".join(driver for driver in DRIVERS if _is_installed(driver, path))
        raise UsageError(
            f"the prompt driver {named} needs the program {_PROGRAMS.get(named, named)} on PATH: "
            f"install it, or choose one that is there ({there})"
        )
    return ProgramPrompter(environment, named)
