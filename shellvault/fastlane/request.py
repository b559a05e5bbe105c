"""A request for a session as one line of printable ASCII: what the fast lane, the agent and the hook compare.

Two commands that ask for the same thing in the same context build the same line, so the agent can look a
session up by the line itself, and an open shell can ask for a refresh by repeating it (SHELLVAULT_REQUEST).
The line holds no secrets: a profile name, options, the overriding variables and the places of the config files.

This module is on the warm path: it imports nothing.
"""

#: Environment variables that change which session a profile gives (reference: aws-vault's overrides, and ours).
OVERRIDES = (
    "AWS_ASSUME_ROLE_TTL",
    "AWS_CA_BUNDLE",
    "AWS_CHAINED_SESSION_TOKEN_TTL",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_SIGNIN",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_ENDPOINT_URL_STS",
    "AWS_FEDERATION_TOKEN_TTL",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_MFA_SERIAL",
    "AWS_MIN_TTL",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SESSION_TAGS",
    "AWS_SESSION_TOKEN_TTL",
    "AWS_SOURCE_IDENTITY",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_TRANSITIVE_TAGS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_VAULT_BACKEND",
    "AWS_VAULT_DURATION",
    "AWS_VAULT_FILE_DIR",
    "AWS_VAULT_PASS_CMD",
    "AWS_VAULT_PASS_PASSWORD_STORE_DIR",
    "AWS_VAULT_SECRET_SERVICE_COLLECTION_NAME",
    "REQUESTS_CA_BUNDLE",
    "SHELLVAULT_BACKEND",
    "SHELLVAULT_CONFIRM",
    "SHELLVAULT_DURATION",
    "SHELLVAULT_FILE_DIR",
    "SHELLVAULT_PASS_CMD",
    "SHELLVAULT_PASS_PASSWORD_STORE_DIR",
    "SHELLVAULT_PASS_PREFIX",
    "SHELLVAULT_SECRET_SERVICE_COLLECTION_NAME",
    "SHELLVAULT_SESSION_BACKEND",
    "VAULT_ADDR",
    "VAULT_CACERT",
    "VAULT_CAPATH",
    "VAULT_NAMESPACE",
    "VAULT_SKIP_VERIFY",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
)

#: Overrides that a session of ours may have exported, and the variable that holds what we set them to.
MARKS = {
    "AWS_DEFAULT_REGION": "SHELLVAULT_REGION",
    "AWS_ENDPOINT_URL": "SHELLVAULT_ENDPOINT_URL",
    "AWS_REGION": "SHELLVAULT_REGION",
    "AWS_USE_DUALSTACK_ENDPOINT": "SHELLVAULT_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT": "SHELLVAULT_USE_FIPS_ENDPOINT",
}

#: Options that decide the session itself (not how it is shown). `console` asks for one that can sign in there,
#: `rejected` for another token of a portal than the one with this digest.
OPTIONS = (
    "backend",
    "console",
    "duration",
    "insecure-endpoint",
    "min-remaining",
    "no-session",
    "policy",
    "policy-arns",
    "read-only",
    "region",
    "rejected",
    "sso-region",
    "sso-start-url",
)
#: Those of them that narrow a session; `policy` is the policy itself (`policy_text`), ARNs have blanks between them.
NARROWING = ("policy", "policy-arns", "read-only")

#: Fields about the caller that the agent, or a command without it, adds (shellvault.callers). No command sends these.
GIVEN = ("actor", "grant", "own", "reason")

#: Fields that a profile may require besides the request: the reason, and a person's consent just now.
SAID = ("reason", "yes")

#: The most characters of an escaped policy: AWS takes 2048 plain ones, the agent's language lines of 16 KiB.
POLICY_LIMIT = 8192

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:,@+-")


def escape(text: str) -> str:
    """Percent-encodes everything but plain ASCII words; undecodable bytes of the command line survive."""
    if _PLAIN.issuperset(text):
        return text
    return "".join(
        chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}"
        for byte in text.encode("utf-8", "surrogateescape")
    )


def unescape(text: str) -> str:
    """The reverse of `escape`. Raises ValueError for text that `escape` cannot have made."""
    head, *rest = text.split("%")
    raw = bytearray(head.encode("ascii"))
    for part in rest:
        if len(part) < 2:
            raise ValueError("a truncated escape")
        raw.append(int(part[:2], 16))
        raw += part[2:].encode("ascii")
    return raw.decode("utf-8", "surrogateescape")


def overrides(environment: dict[str, str]) -> dict[str, str]:
    """The overriding variables that the user has set.

    What an earlier session of ours exported into this environment (MARKS) is not the user's wish for the next one:
    variables that still have our value are left out.
    """
    ours = {name: environment.get(mark) for name, mark in MARKS.items()}
    return {name: value for name in OVERRIDES if (value := environment.get(name)) and value != ours.get(name)}


def config_path(environment: dict[str, str], directory: str) -> str:
    """The absolute path of the AWS config file, as `directory` (the current one) makes it absolute.

    Raises ValueError for a relative path where `directory` is "": it has been removed.
    """
    return absolute(environment, "AWS_CONFIG_FILE", "config", directory)


def absolute(environment: dict[str, str], variable: str, name: str, directory: str) -> str:
    """The absolute path of the AWS file that `variable` names, else of `~/.aws/NAME`; as for `config_path`."""
    home = environment.get("HOME", "")
    path = environment.get(variable) or f"{home}/.aws/{name}"
    if path.startswith("~/"):
        path = home + path[1:]
    if path.startswith("/"):
        return path
    if not directory:
        raise ValueError("the current folder has been removed")
    return directory + "/" + path


def policy_text(content: bytes) -> str:
    """The content of a policy file as a request holds it: its lines, stripped and joined.

    JSON strings hold no line break, so the meaning stays. Raises ValueError for no text, bad UTF-8, or too much.
    """
    lines = content.decode("utf-8").removeprefix("\ufeff").replace("\r", "\n").split("\n")
    text = " ".join(line for line in map(str.strip, lines) if line)
    if not text or len(escape(text)) > POLICY_LIMIT:
        raise ValueError("empty, or too long for a policy")
    return text


def narrowing(profile: str, environment: dict[str, str]) -> dict[str, str]:
    """The options that have narrowed the session of `profile` in this environment; none for another profile's."""
    try:
        name, fields = decode(environment.get("SHELLVAULT_REQUEST", ""))
    except ValueError:
        return {}
    return {option: fields[option] for option in NARROWING if option in fields} if name == profile else {}


def narrowing_words(options: dict[str, str]) -> str:
    """How a command line asks for the same narrowing: what a suggested command needs so that it is no wider."""
    if "read-only" in options:
        return "--read-only " if options["read-only"] == "1" else "--no-secrets "
    files = "--policy FILE " if "policy" in options else ""
    return files + ("--policy-arn ARN " if "policy-arns" in options else "")


def encode(profile: str, options: dict[str, str], environment: dict[str, str], directory: str) -> str:
    """The request line for `profile` with `options` (names from OPTIONS) in this environment and directory.

    Raises ValueError as `config_path` does.
    """
    fields = overrides(environment)
    fields["config"] = config_path(environment, directory)
    fields["home"] = environment.get("HOME", "")
    for name in OPTIONS:
        if options.get(name):
            fields[name] = options[name]
    words = [escape(profile)]
    words += [f"{name}={escape(fields[name])}" for name in sorted(fields)]
    return " ".join(words)


def decode(line: str) -> tuple[str, dict[str, str]]:
    """The profile and the fields of a request line. Raises ValueError for anything `encode` cannot have made."""
    profile, *words = line.split(" ")
    fields = {}
    for word in words:
        name, separator, value = word.partition("=")
        if (
            not separator
            or name in fields
            or not (name in OVERRIDES or name in OPTIONS or name in GIVEN or name in ("config", "home"))
        ):
            raise ValueError("not a request")
        fields[name] = unescape(value)
    if not profile or "config" not in fields:
        raise ValueError("not a request")
    return unescape(profile), fields
