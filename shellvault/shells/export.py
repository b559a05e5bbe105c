"""A session as text for other programs: the formats of `export`.

Each is written so that its readers get the same bytes; what a format cannot carry is an error, never a guess.
"""

import json
import re
from collections.abc import Callable, Mapping

from shellvault.errors import UsageError
from shellvault.shells import fish, powershell, sh
from shellvault.shells.quote import quote
from shellvault.variables import Change

#: What other programs need of a session. Our own notes (AWS_VAULT, SHELLVAULT_…) belong to `env` alone.
_EXPORTED = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ACCOUNT_ID",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)

#: Values that every shell and every reader of .env files takes literally without quotes.
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")


def export(form: str, change: Change, profile: str) -> str:
    """The session that `change` would set, as text that ends with a newline.

    Args:
        form: one of `FORMATS`.
        change: the session's variables.
        profile: the name of the section, for `ini`.

    Raises:
        UsageError: a value, or the profile's name, cannot be written in this format.
    """
    values = {name: change.set[name] for name in _EXPORTED if name in change.set}
    if form == "json":
        return _credential_process(values)
    if form == "ini":
        return _credentials_file(values, profile)
    unset = _UNSET_LINES.get(form)
    lines = [unset.format(name=name) for name in change.unset] if unset else []
    lines += [_SET_LINES[form](name, value) for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _credential_process(values: Mapping[str, str]) -> str:
    """What the SDKs expect of a `credential_process` (AWS SDKs and Tools Reference Guide), version 1."""
    document = {
        "Version": 1,
        "AccessKeyId": values["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": values["AWS_SECRET_ACCESS_KEY"],
        "SessionToken": values.get("AWS_SESSION_TOKEN"),
        "Expiration": values.get("AWS_CREDENTIAL_EXPIRATION"),
        "AccountId": values.get("AWS_ACCOUNT_ID"),
    }
    return json.dumps({key: value for key, value in document.items() if value is not None}, indent=2) + "\n"


def _credentials_file(values: Mapping[str, str], profile: str) -> str:
    """One section of `~/.aws/credentials`, where a profile's name stands as it is."""
    settings = {
        "aws_access_key_id": values["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": values["AWS_SECRET_ACCESS_KEY"],
        "aws_session_token": values.get("AWS_SESSION_TOKEN"),
        "aws_credential_expiration": values.get("AWS_CREDENTIAL_EXPIRATION"),
        "region": values.get("AWS_REGION"),
    }
    lines = [f"[{_ini_text('the profile name', profile)}]"]
    lines += [f"{key} = {_ini_text(key, value)}" for key, value in settings.items() if value is not None]
    return "\n".join(lines) + "\n"


def _ini_text(what: str, text: str) -> str:
    """`text`, checked: an INI value has no quotes, is one line, and loses white space at its ends."""
    if not text or text != text.strip() or not text.isprintable():
        raise UsageError(f"{what} has characters that an INI file cannot hold: use --format json")
    return text


def _env_line(name: str, value: str) -> str:
    return f"{name}={value if _PLAIN.fullmatch(value) else sh.SHELL.quote(value)}"


def _dotenv_line(name: str, value: str) -> str:
    """One line that docker compose, python-dotenv and direnv read alike.

    They agree on single quotes with no quote, no escaping backslash and no `${` within, and on double quotes
    where nothing is expanded or escaped.
    """
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    if value.isprintable() and not re.search(r"'|\\[\\']|\\$|\$\{", value):
        return f"{name}='{value}'"
    if value.isprintable() and not re.search(r'["\\$`]', value):
        return f'{name}="{value}"'
    raise UsageError(f"{name} has characters that .env readers disagree about: use --format env or json")


#: The formats that are assignments, line by line.
_SET_LINES: dict[str, Callable[[str, str], str]] = {
    "env": _env_line,
    "export-env": lambda name, value: f"export {_env_line(name, value)}",
    "fish": lambda name, value: fish.SHELL.exported.format(name=name, value=quote("fish", value)),
    "powershell": lambda name, value: powershell.SHELL.exported.format(
        name=name, value=quote("powershell", value)
    ),
    "dotenv": _dotenv_line,
}

#: Those that a shell evaluates: there, a variable left over from before would override the session.
_UNSET_LINES = {
    "export-env": sh.SHELL.unset,
    "fish": fish.SHELL.unset,
    "powershell": powershell.SHELL.unset,
}

FORMATS = ("env", "export-env", "json", "ini", "fish", "powershell", "dotenv")
