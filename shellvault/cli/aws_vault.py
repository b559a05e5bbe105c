"""aws-vault's commands, ours, and what differs: docs/aws-vault.md and `shellvault help aws-vault`."""

from typing import NamedTuple


class Row(NamedTuple):
    """A feature of aws-vault, its name here, and what differs and why (Markdown's backquotes)."""

    theirs: str
    ours: str
    differs: str


ROWS = (
    Row(
        "`add NAME`, `--env`, `--no-add-config`",
        "the same",
        "stored keys are replaced only with `--force`; the config file is added to, never rewritten",
    ),
    Row(
        "`list`, `ls`",
        "the same",
        "other columns; two header lines where a link named `aws-vault` starts it (an alias shows one); "
        "`--sessions` prints profiles, `--json` is for programs, so that a table may change",
    ),
    Row(
        "`exec NAME -- COMMAND`",
        "the same",
        "works inside a session too; COMMAND may have options without `--`; not found is status 127, as in a shell; "
        "the command inherits no passphrase",
    ),
    Row(
        "`exec NAME`",
        "the same",
        "the shell's session is renewed; `use NAME` needs no subshell at all",
    ),
    Row(
        "`exec -- COMMAND`",
        "the same",
        "COMMAND is never taken for a profile: without AWS_PROFILE a list to choose from, or an error",
    ),
    Row(
        "`exec -s`, `--server`, `--ecs-server`",
        "the same; `env --server` too",
        "with every prompt driver, and Ctrl-C reaches the command once",
    ),
    Row(
        "`exec --lazy`",
        "the same",
        "a question that comes up later is an error for the SDK, never asked on the command's terminal",
    ),
    Row(
        "`exec --ec2-server`",
        "the same",
        "IMDSv2 only, your own processes only, several at once; without root at a free port, which a variable names",
    ),
    Row(
        "`proxy`, `server`",
        "`sudo shellvault proxy --bind 169.254.169.254 --to URL`",
        "no sudo by itself; ends with Ctrl-C (`--stop` stops nothing); also for containers, by a socket or an address",
    ),
    Row(
        "`exec --profile-env`",
        "the same",
        "no sign-in is written in plain text for it (`export_token` in config.toml does that)",
    ),
    Row("`exec -j`, `--json`", "the same", "it is `export --format json`"),
    Row(
        "`exec --stdout`, `export --stdout`",
        "the same",
        "the link to sign in with stands on the terminal, not in the output",
    ),
    Row(
        "`export NAME --format F`",
        "the same, and `fish`, `powershell`, `dotenv`",
        "AWS_PROFILE counts where no NAME is; values are quoted and stale variables unset; on a terminal it wants a "
        "`--format` or `--force`",
    ),
    Row(
        "`login NAME`",
        "`console`, `login`",
        "without `iam:GetUser`; `--path` without a region; `--stdout` opens no browser on its way either",
    ),
    Row(
        "`rotate NAME`",
        "the same",
        "one MFA code; the new key is proved before the old one goes; what was stopped is completed",
    ),
    Row("`clear [NAME]`", "the same", "an unknown name is an error: it was mistyped"),
    Row(
        "`remove NAME`, `rm`, `-f`, `-s`",
        "the same",
        "asks on the terminal, never on stdin; the sessions made with the keys go too; `no` is status 1, so that a "
        "script notices",
    ),
    Row(
        "`migrate-backend --from A --to B`",
        "the same",
        "`--profile` may be repeated; the vault in use changes with the keys",
    ),
    Row(
        "`version`, `--version`, `--help`",
        "the same",
        "on stdout, where a pager finds it; the version stands behind our name",
    ),
    Row(
        "`--prompt ykman`, `zenity`, `kdialog`, `osascript`, `wincredui`",
        "the same, `pinentry`, `none`",
        "the terminal asks wherever there is one, also inside `$(…)`; `none` never asks",
    ),
    Row("messages (`Added credentials …`)", "in our words", "on stderr: stdout has results only"),
    Row(
        "errors are status 1",
        "1; a wrong command line 2",
        "`@FILE` is no list of arguments, and of a flag given twice the last counts",
    ),
    Row(
        "`AWS_VAULT_BACKEND`, `_PROMPT`, `_DURATION`, `_STDOUT`, …",
        "`SHELLVAULT_…`, else `AWS_VAULT_…`",
        "`AWS_VAULT_PASS_PREFIX` and `AWS_VAULT_PASS_CMD` are for `import` alone: "
        "nothing of ours may replace an item of theirs",
    ),
    Row(
        "`AWS_SESSION_TOKEN_TTL`, `AWS_ASSUME_ROLE_TTL`, …",
        "the same",
        "with or without a unit; what is no duration is an error, not ignored",
    ),
    Row(
        "`--backend op`, `op-connect`, `proton-pass`, `winhello`",
        "none",
        "`shellvault import` takes keys over from aws-vault's other vaults",
    ),
    Row(
        "`--secret-service-collection`, `AWS_VAULT_SECRET_SERVICE_COLLECTION_NAME`",
        "the same, `SHELLVAULT_…`",
        "without it the default collection, which is open in every desktop session",
    ),
    Row(
        "`--keychain`, `--biometrics`, `--op-…`",
        "without effect",
        "understood, and said to be so",
    ),
    Row(
        "`[default]` in the config file",
        "as the AWS CLI reads it",
        "a profile's identity (`role_arn`, `source_profile`, …) is never inherited: no other account by mistake",
    ),
)


def markdown() -> str:
    """The table of docs/aws-vault.md."""
    heading = Row("aws-vault's command", "ours", "what differs and why")
    lines = (f"| {row.theirs} | {row.ours} | {row.differs} |" for row in (heading, *ROWS))
    first, *others = lines
    return "\n".join([first, "|---|---|---|", *others]) + "\n"


def text() -> str:
    """What `shellvault help aws-vault` prints."""
    parts = [
        "aws-vault's commands, and what differs here. `alias aws-vault=shellvault` serves scripts and habits;\n"
        "`shellvault import aws-vault` takes the keys over.\n"
    ]
    for theirs, ours, differs in ROWS:
        parts.append(f"{theirs}\n    {ours}: {differs}\n".replace("`", ""))
    return "\n".join(parts)
