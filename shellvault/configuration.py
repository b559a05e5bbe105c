"""The one table of every key of config.toml, every `shellvault_…` key of a profile, and every variable.

Settings are checked by it; `shellvault config`, docs/configuration.md and the manual page are made from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

#: The types of values in TOML: their names in messages and docs, and the Python type.
TYPES: Mapping[str, type] = {
    "text": str,
    "true or false": bool,
    "list of text": list,
    "patterns without commas": list,
    "table of text": dict,
}


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that can be set. `example` is the whole line; `variables` beat the key, the first of them first."""

    name: str
    kind: str
    """A key of TYPES for config.toml; else words for a person."""
    default: str
    example: str
    meaning: str
    variables: tuple[str, ...] = ()
    is_source: bool = False
    """Whether a profile has its credentials by this key."""


SETTINGS = (
    Key(
        "backend",
        "text",
        "the first that this machine has",
        'backend = "file"',
        "The vault: keychain, wincred, secret-service, kwallet, pass, passage, file or keyctl.",
        ("SHELLVAULT_BACKEND", "AWS_VAULT_BACKEND"),
    ),
    Key(
        "session_backend",
        "text",
        "vault for what takes a code, else agent",
        'session_backend = "agent"',
        "Where sessions are kept: agent (memory), vault (with the keys), or a vault by name.",
        ("SHELLVAULT_SESSION_BACKEND",),
    ),
    Key(
        "prompt",
        "text",
        "terminal",
        'prompt = "zenity"',
        "What asks for codes: terminal, none, ykman, pinentry, kdialog, zenity, osascript, wincredui.",
        ("SHELLVAULT_PROMPT", "AWS_VAULT_PROMPT"),
    ),
    Key(
        "confirm",
        "text",
        "keys for an encrypted file, else never",
        'confirm = "always"',
        "When a person confirms: never; keys (long-term keys leave, change or go); always (keep nothing unlocked).",
        ("SHELLVAULT_CONFIRM",),
    ),
    Key(
        "unlock_ttl",
        "text",
        "8h",
        'unlock_ttl = "30m"',
        "How long an encrypted file stays unlocked.",
        ("SHELLVAULT_UNLOCK_TTL",),
    ),
    Key(
        "lock_on",
        "list of text",
        "nothing but `shellvault lock`",
        'lock_on = ["screen-lock", "suspend"]',
        "The desktop's signs at which the agent locks: screen-lock, suspend.",
    ),
    Key(
        "browser",
        "text",
        "the system's, or $BROWSER",
        'browser = "firefox -P work"',
        "The command that opens links; none for none.",
        ("SHELLVAULT_BROWSER",),
    ),
    Key(
        "browsers",
        "table of text",
        "browser",
        'browsers = { corp = "firefox -P work" }',
        "The same for single sign-ins, by sso-session, start URL or login_session.",
    ),
    Key(
        "device_code",
        "true or false",
        "where no browser can be opened",
        "device_code = true",
        "Sign in with a code, in a browser that may be on another machine.",
        ("SHELLVAULT_DEVICE_CODE",),
    ),
    Key(
        "export_token",
        "true or false",
        "false",
        "export_token = true",
        "Keep sign-ins in the AWS CLI's cache, in plain text, for programs that look there.",
        ("SHELLVAULT_EXPORT_TOKEN",),
    ),
    Key(
        "insecure_endpoint",
        "true or false",
        "false",
        "insecure_endpoint = true",
        "Allow an endpoint_url of another machine without TLS.",
    ),
    Key(
        "quiet",
        "true or false",
        "false",
        "quiet = true",
        "Say nothing on entering a session with `env`, where no prompt shows it.",
        ("SHELLVAULT_QUIET",),
    ),
    Key(
        "notice",
        "text",
        "none",
        'notice = "desktop"',
        "How else than in the prompt you hear, once, that a session needs you soon: none, bell, osc9, osc777, desktop.",
    ),
    Key(
        "production",
        "patterns without commas",
        "a word prod or production in the name",
        'production = ["live-*", "*-core"]',
        "Patterns of the profiles that prompts and tables show in bold red.",
        ("SHELLVAULT_PRODUCTION",),
    ),
    Key(
        "callers",
        "table of text",
        "person allow, coding-agent ask, background allow",
        'callers = { coding-agent = "read-only" }',
        "What each kind of caller gets: allow, read-only (without secrets), ask, refuse.",
    ),
    Key(
        "coding_agents",
        "list of text",
        "the known ones",
        'coding_agents = ["my-agent", "MY_AGENT_VARIABLE"]',
        "More programs and variables that mark a coding agent.",
    ),
    Key(
        "marks",
        "table of text",
        "name {user}+{program}+{run}, SourceIdentity {user}, tags actor program reason",
        'marks = { session_name = "{user}+{program}", tags = "program", refused = "refuse" }',
        "How AWS sees sessions of coding agents: session_name, source_identity, tags; refused: unmarked or refuse.",
    ),
    Key(
        "secrets",
        "list of text",
        "the known ones",
        'secrets = ["s3:GetObject"]',
        "More actions that `read-only` for coding agents and `--no-secrets` deny.",
    ),
    Key(
        "dialogs",
        "true or false",
        "true",
        "dialogs = false",
        "Ask about a program in a dialog too: zenity, kdialog, pinentry or osascript, on your own display.",
    ),
    Key(
        "history",
        "true or false",
        "true",
        "history = false",
        "Record which program got or was refused which session, for `shellvault history`.",
    ),
)

PROFILE_KEYS = (
    Key(
        "shellvault_callers",
        "KIND:RULE, with blanks",
        "[callers] of config.toml",
        "shellvault_callers = coding-agent:read-only background:ask",
        "What each kind of caller gets of this profile.",
    ),
    Key(
        "shellvault_agent_role",
        "ARN",
        "none",
        "shellvault_agent_role = arn:aws:iam::123456789012:role/agents",
        "The role on top for coding agents that get read-only, where AWS cannot narrow the session itself.",
    ),
    Key(
        "shellvault_reason",
        "required",
        "none",
        "shellvault_reason = required",
        "A session is had only with `--reason TEXT`, which `shellvault history` shows.",
    ),
    Key(
        "shellvault_duration",
        "duration",
        "1h; 8h before a role",
        "shellvault_duration = 2h",
        "How long sessions last, as `-d`.",
        ("SHELLVAULT_DURATION", "AWS_VAULT_DURATION"),
    ),
    Key(
        "shellvault_env",
        "NAME=value, with quotes as in a shell",
        "none",
        "shellvault_env = TF_VAR_team=web DEPLOY_TO='two words'",
        "Variables that come and go with the session.",
    ),
    Key(
        "shellvault_read_only",
        "true or false",
        "false",
        "shellvault_read_only = true",
        "Narrow sessions to AWS's ReadOnlyAccess, as `--read-only`.",
    ),
    Key(
        "shellvault_policy",
        "file",
        "none",
        "shellvault_policy = deploy.json",
        "Narrow sessions to this policy, as `--policy`; relative to the config file's folder.",
    ),
    Key(
        "shellvault_policy_arns",
        "ARNs, with commas",
        "none",
        "shellvault_policy_arns = arn:aws:iam::aws:policy/AmazonS3FullAccess",
        "Narrow sessions to these managed policies, as `--policy-arn`.",
    ),
    Key(
        "shellvault_browser",
        "command",
        "`browser` of config.toml",
        "shellvault_browser = firefox -P work",
        "The browser that `console` opens.",
    ),
    Key(
        "shellvault_vault_role",
        "text",
        "none",
        "shellvault_vault_role = deploy",
        "The role of a HashiCorp Vault or OpenBao secrets engine that gives the credentials.",
        is_source=True,
    ),
    Key(
        "shellvault_vault_mount",
        "text",
        "aws",
        "shellvault_vault_mount = aws",
        "Where that secrets engine is mounted.",
    ),
    Key(
        "shellvault_vault_endpoint",
        "creds or sts",
        "creds",
        "shellvault_vault_endpoint = sts",
        "The path that is read.",
    ),
    Key(
        "shellvault_replaced_process",
        "command line",
        "none",
        "shellvault_replaced_process = aws-vault exec work --json",
        "What `install-process` has replaced, so that `--remove` puts it back.",
    ),
    Key(
        "shellvault_generated_from",
        "text",
        "none",
        "shellvault_generated_from = corp",
        "The mark of a profile that `sso populate` wrote, so that `--prune` knows it.",
    ),
)

#: What is only set in the environment. What a profile or config.toml has, too, is in the tables above.
VARIABLES = (
    Key(
        "AWS_CONFIG_FILE",
        "path",
        "~/.aws/config",
        "AWS_CONFIG_FILE=~/aws/profiles.ini",
        "The file of profiles.",
    ),
    Key(
        "AWS_PROFILE",
        "text",
        "none",
        "AWS_PROFILE=work",
        "The profile of a command without NAME; else AWS_DEFAULT_PROFILE.",
    ),
    Key(
        "AWS_REGION",
        "region",
        "the profile's",
        "AWS_REGION=eu-central-1",
        "The region, before the profile's; else AWS_DEFAULT_REGION.",
    ),
    Key(
        "AWS_SESSION_TOKEN_TTL",
        "duration",
        "1h",
        "AWS_SESSION_TOKEN_TTL=2h",
        "How long a user's session lasts (GetSessionToken).",
    ),
    Key(
        "AWS_CHAINED_SESSION_TOKEN_TTL",
        "duration",
        "8h",
        "AWS_CHAINED_SESSION_TOKEN_TTL=12h",
        "How long a user's session before a role lasts.",
    ),
    Key(
        "AWS_ASSUME_ROLE_TTL",
        "duration",
        "1h",
        "AWS_ASSUME_ROLE_TTL=4h",
        "How long a role's session lasts, before duration_seconds.",
    ),
    Key(
        "AWS_FEDERATION_TOKEN_TTL",
        "duration",
        "1h",
        "AWS_FEDERATION_TOKEN_TTL=12h",
        "How long a user's console session lasts.",
    ),
    Key(
        "AWS_MIN_TTL",
        "duration",
        "5m",
        "AWS_MIN_TTL=30m",
        "Replace a session with less life left, as `--min-remaining`.",
    ),
    Key(
        "AWS_MFA_SERIAL",
        "ARN",
        "the profile's",
        "AWS_MFA_SERIAL=arn:aws:iam::123456789012:mfa/me",
        "The MFA device.",
    ),
    Key(
        "AWS_ROLE_ARN",
        "ARN",
        "the profile's",
        "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/deploy",
        "The role of the profile.",
    ),
    Key(
        "AWS_ROLE_SESSION_NAME",
        "text",
        "made from the time",
        "AWS_ROLE_SESSION_NAME=ada",
        "The name of a role's session.",
    ),
    Key(
        "AWS_SESSION_TAGS",
        "KEY=value, with commas",
        "none",
        "AWS_SESSION_TAGS=team=web",
        "Tags of a role's session; AWS_TRANSITIVE_TAGS names those that roles on top keep.",
    ),
    Key(
        "AWS_SOURCE_IDENTITY",
        "text",
        "none",
        "AWS_SOURCE_IDENTITY=ada",
        "SourceIdentity of a role's session.",
    ),
    Key(
        "AWS_CA_BUNDLE",
        "path",
        "the system's",
        "AWS_CA_BUNDLE=/etc/ssl/corp.pem",
        "Certificates for calls to AWS; else REQUESTS_CA_BUNDLE.",
    ),
    Key("SHELLVAULT_NO_AGENT", "1", "none", "SHELLVAULT_NO_AGENT=1", "Use no agent, as `--no-agent`."),
    Key(
        "SHELLVAULT_FILE_DIR",
        "path",
        "~/.local/share/shellvault",
        "SHELLVAULT_FILE_DIR=/media/keys",
        "The folder of the encrypted file; else AWS_VAULT_FILE_DIR.",
    ),
    Key(
        "SHELLVAULT_FILE_PASSPHRASE",
        "text",
        "asked for",
        "SHELLVAULT_FILE_PASSPHRASE=…",
        "The passphrase of the encrypted file, for scripts. No program that shellvault starts inherits it.",
    ),
    Key(
        "SHELLVAULT_PASS_CMD",
        "path",
        "pass, passage",
        "SHELLVAULT_PASS_CMD=gopass",
        "The program behind the vaults pass and passage.",
    ),
    Key(
        "SHELLVAULT_PASS_PASSWORD_STORE_DIR",
        "path",
        "the program's own",
        "SHELLVAULT_PASS_PASSWORD_STORE_DIR=~/keys",
        "The store of pass, as `--pass-dir`.",
    ),
    Key(
        "SHELLVAULT_PASS_PREFIX",
        "text",
        "shellvault",
        "SHELLVAULT_PASS_PREFIX=team",
        "The folder within the store, as `--pass-prefix`.",
    ),
    Key(
        "SHELLVAULT_SECRET_SERVICE_COLLECTION_NAME",
        "text",
        "the default collection",
        "SHELLVAULT_SECRET_SERVICE_COLLECTION_NAME=aws",
        "The collection of the Secret Service.",
    ),
    Key(
        "SHELLVAULT_KEYCTL_TIMEOUT",
        "seconds",
        "none",
        "SHELLVAULT_KEYCTL_TIMEOUT=86400",
        "After how long the kernel's keyring forgets an item; without it at a restart.",
    ),
    Key(
        "SHELLVAULT_STDOUT",
        "true or 1",
        "none",
        "SHELLVAULT_STDOUT=1",
        "`console` and sign-ins print the link, as `--stdout`; else AWS_VAULT_STDOUT.",
    ),
    Key(
        "SHELLVAULT_PROFILE_ENV",
        "true or 1",
        "none",
        "SHELLVAULT_PROFILE_ENV=1",
        "`exec` sets AWS_PROFILE instead of a session, as `--profile-env`; else AWS_VAULT_PROFILE_ENV.",
    ),
    Key(
        "SHELLVAULT_AUTO_LOGOUT",
        "true or 1",
        "none",
        "SHELLVAULT_AUTO_LOGOUT=1",
        "`console` ends the browser's present session first, as `--auto-logout`; else AWS_VAULT_AUTO_LOGOUT.",
    ),
    Key(
        "AWS_VAULT_DISABLE_HELP_MESSAGE",
        "1",
        "none",
        "AWS_VAULT_DISABLE_HELP_MESSAGE=1",
        "A shell opened by `exec NAME` does not say how to leave.",
    ),
    Key(
        "XDG_CONFIG_HOME",
        "path",
        "~/.config",
        "XDG_CONFIG_HOME=~/etc",
        "Where config.toml is: shellvault/config.toml below it.",
    ),
    Key(
        "XDG_STATE_HOME",
        "path",
        "~/.local/state",
        "XDG_STATE_HOME=~/var",
        "Where names, locks and backups are: shellvault below it.",
    ),
    Key(
        "XDG_RUNTIME_DIR",
        "path",
        "the system's",
        "XDG_RUNTIME_DIR=/run/user/1000",
        "Where the agent's socket is: shellvault below it.",
    ),
    Key(
        "VAULT_ADDR",
        "URL",
        "none",
        "VAULT_ADDR=https://vault.example.com",
        "The HashiCorp Vault or OpenBao server; VAULT_NAMESPACE, VAULT_CACERT, VAULT_CAPATH, VAULT_SKIP_VERIFY and "
        "VAULT_TOKEN as Vault's own command reads them.",
    ),
    Key("NO_COLOR", "any text", "none", "NO_COLOR=1", "No colours."),
)

#: What a session sets in a shell for programs and prompts to read.
SET_BY_A_SESSION = (
    ("AWS_VAULT", "The profile."),
    ("AWS_CREDENTIAL_EXPIRATION, AWS_SESSION_EXPIRATION", "When the session ends (RFC 3339)."),
    ("SHELLVAULT_EXPIRES_AT, SHELLVAULT_REFRESH_AT", "When it ends, and when it is renewed (epoch seconds)."),
    ("SHELLVAULT_NEEDS_YOU_AT", "When a code or a sign-in that it was made with ends (epoch seconds)."),
    ("SHELLVAULT_NARROWED", "ro or policy, for a narrowed session."),
    ("SHELLVAULT_SEGMENT", "The prompt's text (not exported)."),
)
