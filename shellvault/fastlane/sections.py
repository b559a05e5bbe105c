"""Decides from the AWS files, without a parser, whether shellvault gives sessions of a profile.

It reads only what decides that, as the most tolerant official reader would. In doubt the answer is yes, and the full
command line decides. On the warm path: builtins only.
"""

from shellvault.fastlane import connection, request
from shellvault.fastlane.connection import read

#: Keys from which the program gets credentials by itself, and shellvault does not.
PROGRAM_KEYS = ("aws_access_key_id", "credential_source")
#: Keys from which shellvault makes a session without stored keys.
SESSION_SOURCES = (
    "credential_process",
    "include_profile",
    "login_session",
    "shellvault_vault_role",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
    "web_identity_token_process",
)
#: Keys of a profile that should have stored keys, although there are none.
STORED_KEY_SETTINGS = ("mfa_process", "mfa_serial", "role_arn")

#: Bytes; what is larger is no AWS file (profiles.parse.MAX_BYTES).
LIMIT = 16 * 1024 * 1024

Environment = dict[str, str]
#: The lines below each header.
Sections = dict[str, str]


def serves(profile: str, environment: Environment, directory: str) -> tuple[bool, bool]:
    """Whether shellvault gives sessions of `profile`, and whether other programs find a section of that name.

    `directory` is the current one. Stored keys come before everything else, then what the files say of the profile and
    of the sources that it names.
    """
    stored = text_of(connection.state_directory(environment) + "/names").split("\n")
    config = profiles(text_of(request.config_path(environment, directory)))
    credentials = sections(text_of(credentials_path(environment, directory)))
    seen: list[str] = []
    name = profile
    while True:
        values = keys(config.get(name, ""))
        source = values.get("source_profile", "")
        if name in stored:
            ours = True
        elif name in credentials or name not in config or any(values.get(key) for key in PROGRAM_KEYS):
            ours = False
        elif (
            source
            and source != name
            and source not in seen
            and not any(values.get(key) for key in SESSION_SOURCES)
        ):
            seen.append(name)
            name = source
            continue
        else:
            ours = bool(seen) or any(values.get(key) for key in SESSION_SOURCES + STORED_KEY_SETTINGS)
        return ours, profile in config or profile in credentials


def names_region(profile: str, environment: Environment, directory: str) -> bool:
    """Whether other programs find a region in the profile's own section: they take none from `[default]`."""
    config = profiles(text_of(request.config_path(environment, directory)))
    credentials = sections(text_of(credentials_path(environment, directory)))
    return any(keys(found.get(profile, "")).get("region") for found in (config, credentials))


def credentials_path(environment: Environment, directory: str) -> str:
    """The absolute path of the credentials file. Raises ValueError as `request.config_path` does."""
    return request.absolute(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials", directory)


def text_of(path: str) -> str:
    """A text file with its lines ended by LF; "" for one that cannot be read."""
    try:
        text = read(path, limit=LIMIT).decode("utf-8", "surrogateescape")
    except (OSError, ValueError):
        return ""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def sections(text: str) -> Sections:
    """The sections of an AWS file by what is between the brackets; what occurs twice is one."""
    found: Sections = {}
    for section in f"\n{text}".split("\n[")[1:]:
        header, _, rest = section.partition("]")
        name = header.strip()
        # What follows the bracket on its line is no key.
        found[name] = found.get(name, "") + rest.partition("\n")[2] + "\n"
    return found


def keys(section: str) -> dict[str, str]:
    """The keys on the lines of one section, and their values; what is indented belongs to the value before it."""
    values = {}
    for line in section.split("\n"):
        if line[:1] not in ("", " ", "\t", "#", ";"):
            key, _, value = line.partition("=" if "=" in line else ":")
            values[key.strip().lower()] = value.partition(" #")[0].partition(" ;")[0].strip()
    return values


def profiles(text: str) -> Sections:
    """The profiles of an AWS config file by name."""
    found: Sections = {}
    for header, lines in sections(text).items():
        kind, *rest = header.split(None, 1)
        if header == "default":
            name = header
        elif kind == "profile" and rest:
            name = rest[0]
            if name[0] in "\"'" and name[-1] == name[0]:
                name = name[1:-1]
        else:
            continue
        found[name] = found.get(name, "") + lines
    return found
