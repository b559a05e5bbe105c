"""Checks of a setting's value, before it reaches a host name, an API call or a command.

The patterns are those of the STS API model (AssumeRole, GetSessionToken, Tag), narrowed to ASCII.
"""

import re
import shlex
import unicodedata
from urllib.parse import urlsplit

from shellvault.display import printable
from shellvault.errors import ConfigError
from shellvault.profiles.code_variables import runs_code
from shellvault.profiles.durations import parse_duration
from shellvault.profiles.settings import Setting
from shellvault.variables import MANAGED_VARIABLES

_PORT = r"[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_SHAPES = {
    "region": (r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", "a region: it is a word such as eu-west-1"),
    "role_arn": (
        r"arn:[a-z][a-z0-9-]{0,31}:iam::[0-9]{12}:role/(?:[!-~]{1,510}/)?[\w+=,.@-]{1,64}",
        "the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME",
    ),
    "mfa_serial": (r"[!-~]{1,256}", "an MFA device: give its ARN or serial number, without spaces"),
    "external_id": (r"[\w+=,.@:/-]{2,1224}", "an external id: 2 to 1224 of letters, digits and +=,.@:/-_"),
    "session_name": (r"[\w+=,.@-]{2,64}", "a name AWS accepts: 2 to 64 of letters, digits and +=,.@-_"),
    "login_session": (
        r"arn:[!-~]{1,2000}",
        "the ARN of a principal: `shellvault signin --new` writes it",
    ),
    "account": (r"[0-9]{12}", "an account id: it has 12 digits"),
    "engine_role": (
        r"\w(?:[\w.@-]{0,126}\w)?",
        "the name of a role of Vault's: letters, digits and .@-_",
    ),
    "mount": (
        r"\w[\w.@-]{0,126}(?:/\w[\w.@-]{0,126}){0,15}/?",
        "a path in Vault, such as aws or team/aws",
    ),
    "role_name": (r"[\w+=,.@-]{1,64}", "the name of a role"),
    "url": (
        rf"https?://(?:[A-Za-z0-9._-]{{1,253}}|\[[0-9A-Fa-f:.]{{2,45}}\])(?::(?:{_PORT}))?(?:[/?#][!-~]*)?",
        "an address: it begins with https:// and a host",
    ),
    "sts_regional_endpoints": (r"(?i:legacy|regional)", "`legacy` or `regional`"),
    "text": (r"[^\x00-\x1f\x7f]+", "usable: it holds a line break or another control character"),
    "command": (r"[^\x00-\x08\x0a-\x1f\x7f]+", "a command: it must be on one line"),
}
_PATTERNS = {kind: (re.compile(pattern, re.ASCII), meaning) for kind, (pattern, meaning) in _SHAPES.items()}

_MAX_TAGS = 50
_MAX_TAG_KEY = 128
_MAX_TAG_VALUE = 256

#: Variables with a meaning for shells, login sessions or shellvault (zshparam(1), environ(7)).
_TAKEN = re.compile(
    r"COLUMNS|DIRSTACK|EGID|ERRNO|EUID|FUNCNAME|GID|GROUPS|LANG|LINENO|LINES|LOGNAME|MAIL|MATCH|NULLCMD|OLDPWD|OPTARG|"
    r"OPTIND|PIPESTATUS|PPID|PROMPT|PWD|RANDOM|READNULLCMD|REPLY|RPROMPT|RPS1|SECONDS|SHLVL|SPROMPT|TERM|TMOUT|TTY|UID|"
    r"USER|USERNAME|(AWS_VAULT_|COMP_|EPOCH|LC_|PROMPT_|PS[1-4]|SHELLVAULT_|TRY_BLOCK_).*",
    re.IGNORECASE,
)
_MANAGED = frozenset(MANAGED_VARIABLES)


def looks_as(text: str, kind: str) -> bool:
    """Whether a text has the shape `kind` (a key of _SHAPES)."""
    return bool(_PATTERNS[kind][0].fullmatch(text))


def shaped(setting: Setting, kind: str) -> str:
    """The text of a setting with the shape `kind` (a key of _SHAPES). Raises ConfigError for another."""
    if not looks_as(setting.text, kind):
        raise setting.error(f"is not {_PATTERNS[kind][1]}")
    return setting.text


def truth(setting: Setting) -> bool:
    """`true` or `false`, in any case. Raises ConfigError for anything else.

    botocore reads anything else as false: `use_fips_endpoint = yes` would be lost silently.
    """
    if setting.text.lower() not in ("true", "false"):
        raise setting.error("is neither `true` nor `false`")
    return setting.text.lower() == "true"


def profile_variables(setting: Setting) -> dict[str, str]:
    """The variables of `NAME=value NAME2=value2`, with values quoted as in POSIX sh.

    Raises ConfigError for other text, for a name that shells, AWS's tools or shellvault use themselves, and for a
    variable that makes programs run other code.
    """
    try:
        words = shlex.split(setting.text)
    except ValueError:
        raise setting.error("has a quote that is not closed") from None
    variables: dict[str, str] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not re.fullmatch(r"[A-Z][A-Za-z0-9_]*|(http|https|ftp|all|no)_proxy", name):
            raise setting.error("is not NAME=value, with a name that begins with a capital letter")
        if runs_code(name):
            raise setting.error(f"sets {name}, which a profile may not: it makes programs run other code")
        if name.upper() in _MANAGED or _TAKEN.fullmatch(name):
            raise setting.error(f"sets {name}, which a profile may not")
        # Windows and PowerShell ignore case in names.
        if name.upper() in map(str.upper, variables):
            raise setting.error(f"sets {name} twice")
        variables[name] = value
    return variables


def canonical_start_url(start_url: str) -> str:
    """The address without what a browser adds: `#/` (also `\\#/`), a trailing `/`, capitals."""
    parts = urlsplit(start_url)
    path = parts.path.rstrip("/\\")
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{path}"


def seconds(setting: Setting) -> int:
    """Whole seconds, as in the AWS CLI's duration_seconds. Raises ConfigError for anything else."""
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", setting.text):
        raise setting.error("is not a number of seconds, such as 3600")
    return int(setting.text)


def duration(setting: Setting) -> int:
    """The seconds of a duration (`1h30m`, `900`). Raises ConfigError that names the variable."""
    try:
        return parse_duration(setting.text)
    except ConfigError as error:
        raise ConfigError(f"{setting.name}: {error}") from None


def session_tags(setting: Setting) -> tuple[tuple[str, str], ...]:
    """The tags of `key=value,key2=value2`. Raises ConfigError for tags that AWS refuses (STS API, Tag)."""
    tags: dict[str, tuple[str, str]] = {}
    for item in setting.text.split(","):
        key, separator, value = (part.strip() for part in item.partition("="))
        if not separator:
            raise setting.error("must be tags: key=value,key2=value2")
        _check_tag_key(key, setting)
        if len(value) > _MAX_TAG_VALUE or not _is_tag_text(value):
            raise setting.error(
                f"has a tag AWS refuses: the value of {printable(key)} is too long or not plain"
            )
        if key.casefold() in tags:
            raise setting.error(f"names the tag {printable(key)} twice (AWS ignores case)")
        tags[key.casefold()] = (key, value)
    if len(tags) > _MAX_TAGS:
        raise setting.error(f"has {len(tags)} tags: AWS takes {_MAX_TAGS}")
    return tuple(tags.values())


def transitive_tags(setting: Setting, tags: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """The keys of `a,b`. Raises ConfigError for a key that is no session tag: AWS would refuse the call."""
    keys = [key.strip() for key in setting.text.split(",")]
    known = {key.casefold() for key, _ in tags}
    for key in keys:
        if key.casefold() not in known:
            raise setting.error(f"names {printable(key)!r}, which is no session tag")
    if len({key.casefold() for key in keys}) < len(keys):
        raise setting.error("names a tag twice (AWS ignores case)")
    return tuple(keys)


def _check_tag_key(key: str, setting: Setting) -> None:
    if not 0 < len(key) <= _MAX_TAG_KEY or not _is_tag_text(key) or key.casefold().startswith("aws:"):
        raise setting.error(
            f"has a tag key AWS refuses: 1 to {_MAX_TAG_KEY} letters, digits, spaces and _.:/=+-@, not aws:…"
        )


def _is_tag_text(text: str) -> bool:
    # STS API, Tag: [\p{L}\p{Z}\p{N}_.:/=+\-@]
    return all(character in "_.:/=+-@" or unicodedata.category(character)[0] in "LZN" for character in text)
