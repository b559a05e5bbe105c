"""Requirements of shellvault: a vault, the agent, the shells' start-up files, and a correct clock."""

import email.utils
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from shellvault import __version__, here, settings
from shellvault.client import agent as client
from shellvault.doctor.finding import Finding, Place
from shellvault.errors import AgentError, ConfigError, ShellvaultError
from shellvault.shells import HOOKED, SET_UP, detect, install
from shellvault.variables import PASSPHRASE_VARIABLES
from shellvault.vault import probe
from shellvault.vault.backends import file_path, session_backend
from shellvault.vault.passphrases import weakness

#: Most seconds by which the clock may differ: AWS refuses requests from five minutes on.
SKEW, DANGEROUS_SKEW = 60, 240


def vault(place: Place) -> Iterator[Finding]:
    """Whether the vault of the keys and that of the sessions can be used."""
    try:
        sessions = session_backend(place.environment)
        used = [status for status in probe(place.environment) if status.chosen or status.name == sessions]
    except ShellvaultError as error:
        yield Finding("vault", "trouble", "the vault", str(error), "correct that setting")
        return
    for status in used:
        if not status.usable:
            what = "the vault" if status.chosen else "the vault of sessions"
            yield Finding(
                "vault",
                "trouble",
                f"{what} ({status.name})",
                status.reason,
                "unlock it, or choose another: `shellvault list --backends`",
            )


def known_passphrase(place: Place) -> str | None:
    """The passphrase of the encrypted file, if the file exists and the environment has it."""
    given = next(filter(None, map(place.environment.get, PASSPHRASE_VARIABLES)), None)
    return given if given and file_path(place.environment).exists() else None


def passphrase(given: str) -> Iterator[Finding]:
    """Whether the passphrase of the encrypted file is weak."""
    if problem := weakness(given):
        where = "the passphrase of the encrypted file"
        yield Finding("passphrase", "advice", where, f"it is weak: {problem}", "`shellvault passphrase`")


def unknown_settings(place: Place) -> Iterator[Finding]:
    """Unknown keys in config.toml. The check of the vault reports an unreadable file."""
    with suppress(ConfigError):
        own = settings.load(place.environment)
        for remark in own.remarks:
            what = remark.removeprefix(f"{own.path}: ")
            yield Finding("settings", "advice", str(own.path), what, "correct it, or remove it")


def agent(place: Place) -> Iterator[Finding]:
    """Whether the agent answers, and has this version."""
    if not here.agent_allowed(place.environment):
        return
    try:
        status = client.status(place.environment)
    except AgentError as error:
        yield Finding("agent", "trouble", "the agent", str(error), "`shellvault agent stop`")
        return
    if status and status.get("version") != __version__:
        yield Finding(
            "agent",
            "advice",
            "the agent",
            f"it has version {status.get('version')}, this command has {__version__}",
            "`shellvault agent stop` (the next command starts a new one)",
            partial(_stop, place),
        )


def _stop(place: Place) -> str:
    client.stop(place.environment)
    return "the agent is stopped; the next command starts a new one"


def shells(place: Place) -> Iterator[Finding]:
    """Start-up files of shells in use that do not run `shellvault init`."""
    for shell in HOOKED:
        if detect.name_of(place.environment.get("SHELL", "")) != shell:
            continue
        path = SET_UP[shell].start_up_file(place.environment)
        try:
            text = path.read_text("utf-8", "surrogateescape")
        except OSError:
            text = ""
        if not install.runs_init(text):
            yield Finding(
                "shells",
                "advice",
                str(path),
                f"{shell} does not load shellvault (prompt, refresh, completion)",
                f"`shellvault init {shell} --install`",
            )
        elif (options := install.evaluated_options(text, shell)) is not None:
            yield Finding(
                "shells",
                "advice",
                str(path),
                "its shellvault line starts a process in every shell; the newer line reads a file",
                f"shellvault init {shell} --install {options}".rstrip(),
            )


def clock(url: str, deadline: float) -> Iterator[Finding]:
    """Whether the clock agrees with AWS's, by the Date header of any reply of `url`; silent without the network."""
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - an endpoint of ours, http or https
    try:
        with urllib.request.urlopen(request, timeout=deadline) as reply:  # noqa: S310
            date = reply.headers.get("Date")
    except urllib.error.HTTPError as error:
        date = error.headers.get("Date")
    except (OSError, ValueError):
        return
    try:
        skew = time.time() - email.utils.parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return
    if abs(skew) > SKEW:
        yield Finding(
            "clock",
            "trouble" if abs(skew) > DANGEROUS_SKEW else "advice",
            "the clock",
            f"it is {abs(int(skew))} s {'ahead of' if skew > 0 else 'behind'} AWS's; from 300 s AWS refuses requests",
            "turn on network time: `timedatectl set-ntp true`",
        )
