"""`shellvault doctor`: what is wrong here, and what to do."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from shellvault import here, threads
from shellvault.cli import orphans, provider
from shellvault.cli.options import session_request
from shellvault.deadline import within
from shellvault.dialogue import output, prompters
from shellvault.display import printable
from shellvault.doctor import leftovers, permissions, plaintext_keys, profiles, system_checks
from shellvault.doctor.finding import SEVERITIES, Finding, Place, Severity
from shellvault.errors import NeedsPersonError, ShellvaultError
from shellvault.plan.endpoints import AWS
from shellvault.plan.regions import host, of_environment, partition_of_region
from shellvault.profiles.settings import Setting
from shellvault.profiles.shapes import shaped
from shellvault.rotation import ages
from shellvault.vault import opening

#: Seconds that one check may take.
DEADLINE = 1.8

#: The exit status by the worst finding; nothing to say is 0.
STATUS: Mapping[Severity, int] = {"advice": 1, "trouble": 3, "danger": 4}

#: Looks at one thing.
Check = Callable[[], Iterator[Finding]]

#: What stands below a severity.
_INDENT = " " * 9

_STYLES: Mapping[Severity, str] = {"advice": "cyan", "trouble": "yellow", "danger": "red"}


@click.command(name="doctor")
@click.option("--fix", is_flag=True, help="Do the fixes that are safe, and say each.")
@click.option("--json", "as_json", is_flag=True, help="Print it for a program.")
@click.option("--offline", is_flag=True, help="Ask nothing of AWS, not even the time.")
@click.option(
    "--keys", "check_keys", is_flag=True, help="Open the vault, and ask AWS whether it knows the stored keys."
)
def command(fix: bool, as_json: bool, offline: bool, check_keys: bool) -> int:
    """Find what exposes keys or keeps them from working.

    Nothing secret is shown. The exit status is that of the worst finding: 1 advice, 3 trouble, 4 danger. For a healthy
    home one line on stderr says what was looked at.
    """
    environment = dict(os.environ)
    place = Place(environment, Path(here.working_directory()), here.config_file(environment))
    checks = _checks(place, offline=offline, looks_into_vault=not check_keys)
    found, looked_at = _examined(place, checks), [*checks]
    if check_keys:
        asker = prompters.Once(prompters.choose(None, environment))
        operate = provider.vault_operations(None, environment, asker)
        looked_at += ["vault-items", "stored keys"]
        found += orphans.findings(operate, "`shellvault doctor --keys --fix`")
        found += _unknown_keys(operate)
        if asker.given and "passphrase" not in checks:
            looked_at.append("passphrase")
            found += system_checks.passphrase(asker.given[-1])
    found.sort(key=lambda each: (SEVERITIES.index(each.severity), each.check, each.where))
    if fix:
        found = [each for each in found if not _mended(each)]
    if as_json:
        names = ("check", "severity", "where", "what", "fix")
        output.result(
            json.dumps([{name: getattr(each, name) for name in names} for each in found], indent=2) + "\n"
        )
    else:
        output.prose("".join(f"{line}\n" for each in found for line in _lines(each)), _INDENT)
        if not found:
            output.note(f"all is well: looked at {', '.join(each.replace('-', ' ') for each in looked_at)}")
    return max((STATUS[each.severity] for each in found), default=0)


def _checks(place: Place, *, offline: bool, looks_into_vault: bool) -> dict[str, Check]:
    """What is looked at, by name."""
    names = here.stored_names(place.environment)
    checks: dict[str, Check] = {
        "plaintext-keys": partial(plaintext_keys.check, place),
        "permissions": partial(permissions.check, place),
        "profiles": partial(profiles.check, place, names),
        "leftovers": partial(leftovers.check, place),
        "old-keys": lambda: profiles.old_keys(ages.known(place.environment), names),
        "vault": partial(system_checks.vault, place),
        "settings": partial(system_checks.unknown_settings, place),
        "agent": partial(system_checks.agent, place),
        "shells": partial(system_checks.shells, place),
    }
    if given := system_checks.known_passphrase(place):
        checks["passphrase"] = partial(system_checks.passphrase, given)
    if looks_into_vault:
        checks["vault-items"] = partial(orphans.check, place.environment)
    if not offline:
        checks["clock"] = lambda: system_checks.clock(_clock_url(place.environment), DEADLINE / 2)
    return checks


def _examined(place: Place, checks: Mapping[str, Check]) -> list[Finding]:
    """What all checks find, side by side; one that hangs is a finding itself."""
    modules = [
        "shellvault.rotation.guarded",
        "shellvault.service.requests",
        "shellvault.signin",
        "shellvault.sessions.passphrase",
        *opening.modules(place.environment),
    ]
    results = threads.at_once(lambda check: _found(*check), list(checks.items()), modules=modules)
    return [finding for result in results for finding in result]


def _found(name: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return within(DEADLINE, lambda: list(check()))
    except TimeoutError:
        what = f"this check has not ended within {DEADLINE:g} s"
        return [Finding(name, "trouble", name, what, "see what hangs there, then run this again")]
    except (ShellvaultError, OSError) as error:
        return [Finding(name, "trouble", name, str(error), "correct that, then run this again")]


def _clock_url(environment: Mapping[str, str]) -> str:
    """Where the time is asked. Raises ConfigError for what is no region, and what is no address."""
    if url := environment.get("AWS_ENDPOINT_URL_STS"):
        return shaped(Setting(url, "AWS_ENDPOINT_URL_STS", "environment"), "url")
    region = of_environment(environment) or AWS.region
    return f"https://{host('sts', partition_of_region(region), region)}/"


def _unknown_keys(operate: provider.Operate) -> list[Finding]:
    """Stored keys that AWS does not take any more."""
    found = []
    for name in operate({"do": "list"})["keys"]:
        try:
            operate({"do": "prove", "request": session_request(name, {}).line})
        except NeedsPersonError:
            raise
        except ShellvaultError as error:
            fix = f"`shellvault add {name}` with keys that work, or `shellvault remove {name}`"
            found.append(Finding("unknown-keys", "trouble", f"profile {name}", str(error), fix))
    return found


def _mended(finding: Finding) -> bool:
    if finding.mend is None:
        return False
    try:
        output.note(finding.mend())
    except (OSError, ShellvaultError) as error:
        output.complain(f"{finding.where}: {error}")
        return False
    return True


def _lines(finding: Finding) -> Sequence[str]:
    severity = f"{finding.severity:8}"
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        severity = click.style(severity, fg=_STYLES[finding.severity])
    where, what = printable(finding.where, None), printable(finding.what, None)
    said = what if what.startswith(where) else f"{where}: {what}"
    return f"{severity} {said}", f"{_INDENT}fix: {printable(finding.fix, None)}"
