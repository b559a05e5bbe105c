"""Every door through which a program gets a session of `admin`, or has something done with keys, as a bash script.

What a script prints is searched for credentials. A door that is for a person alone prints what it has done.
"""

from typing import NamedTuple

from shellvault import __version__

#: Asks the container endpoint as an SDK does.
FETCH = """
import os, urllib.request
url, token = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
print(urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": token})).read().decode())
"""

#: Says one line to the agent's socket: `say.py LINE`.
SAY = """
import os, socket, sys
with socket.socket(socket.AF_UNIX) as agent:
    agent.settimeout(30)
    agent.connect(os.environ["XDG_RUNTIME_DIR"] + "/shellvault/agent.sock")
    agent.sendall(sys.argv[1].encode() + b"\\n")
    while data := agent.recv(65536):
        sys.stdout.buffer.write(data)
"""


class Door(NamedTuple):
    """One way to the agent, the vault or AWS."""

    script: str
    covers: tuple[str, ...]
    """The commands, and the operations of `guard`, that it goes through."""
    asks: bool = True
    """Whether a person can be asked at it; else nothing is given there."""
    is_warm: bool = False
    """Whether it gives only what the agent has already."""


#: What gives a session. `$LINE` is the request line, `$PYTHON` an interpreter.
SESSIONS = {
    "exec": Door("exec shellvault exec admin -- env", ("exec", "session")),
    "exec --no-agent": Door("exec shellvault exec --no-agent admin -- env", ("exec",), asks=False),
    "exec --server": Door('exec shellvault exec --server admin -- "$PYTHON" fetch.py', ("exec", "endpoint")),
    "env in bash": Door('eval "$(shellvault env --shell bash admin)" && env', ("env", "session")),
    "env in zsh": Door("exec zsh -dfc 'eval \"$(shellvault env --shell zsh admin)\" && env'", ("env",)),
    "env in fish": Door("exec fish -Nc 'shellvault env --shell fish admin | source; and env'", ("env",)),
    "env in powershell": Door(
        "exec pwsh -NoProfile -Command 'shellvault env --shell powershell admin | Out-String | Invoke-Expression; "
        "/usr/bin/env'",
        ("env",),
    ),
    "use in bash": Door(
        'eval "$(shellvault init bash)"; shellvault use admin && env', ("use", "leave", "init")
    ),
    "use in zsh": Door(
        "exec zsh -dfc 'eval \"$(shellvault init zsh)\"; shellvault use admin && env'", ("use",)
    ),
    "use in fish": Door(
        "exec fish -Nc 'shellvault init fish | source; shellvault use admin; and env'", ("use",)
    ),
    "use in powershell": Door(
        "exec pwsh -NoProfile -Command 'shellvault init powershell | Out-String | Invoke-Expression; "
        "shellvault use admin && /usr/bin/env'",
        ("use",),
    ),
    "export": Door("exec shellvault export --format export-env admin", ("export", "session")),
    "credential_process": Door(
        "exec shellvault export admin --format json --prompt none", ("export", "install-process")
    ),
    "refresh": Door(
        'AWS_VAULT=admin SHELLVAULT_REQUEST="$LINE"; '
        'eval "$("$PYTHON" say.py "SV1 $VERSION get refresh.bash - $LINE" | tail -n +2)" && env',
        ("text",),
        asks=False,
        is_warm=True,
    ),
    "prompt": Door(
        'eval "$("$PYTHON" say.py "SV1 $VERSION peek env.bash - $LINE" | tail -n +2)" && env',
        ("text",),
        asks=False,
        is_warm=True,
    ),
    "wrapper": Door("AWS_PROFILE=admin exec shellvault wrap env", ("wrap",)),
    "shim": Door(
        "shellvault shim add env 2>/dev/null; AWS_PROFILE=admin exec $HOME/.local/state/shellvault/shims/env",
        ("shim",),
    ),
    "console": Door("exec shellvault console admin --stdout", ("console", "session")),
}

#: A profile that signs in, and one that coding agents ask for whatever the general rule is.
OTHERS = """
[sso-session portal]
sso_start_url = https://shellvault.awsapps.com/start
sso_region = eu-west-1
[profile portal]
sso_session = portal
sso_account_id = 123456789012
sso_role_name = admin
[profile production]
source_profile = work
"""

#: Stores keys without a question.
ADD = (
    "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY "
    "shellvault add --env --no-check new"
)

#: What only a person does, and a background program that has the passphrase: never a coding agent.
KEYS = {
    "add": Door(ADD, ("add", "save", "save-new", "passphrase", "prove")),
    "add over others": Door(f"{ADD} --force", ("add", "save", "replace")),
    "rotate": Door("shellvault rotate spare", ("rotate",)),
    "remove": Door("shellvault remove -f new", ("remove",)),
    "clear": Door("shellvault clear work", ("clear", "forget")),
    "import --restore": Door("shellvault import --restore credentials", ("import", "restore", "back-up")),
    "long-term keys": Door("shellvault exec -n spare -- true", ("hand-out",)),
    "unlock": Door("shellvault unlock", ("unlock",)),
    "migrate-backend": Door("shellvault migrate-backend --from file --to keyctl", ("migrate-backend", "migrate")),
    "passphrase": Door("shellvault passphrase", ("passphrase",)),
    "signin": Door("shellvault signin portal", ("signin", "sign-in", "new-login")),
    "signout": Door("shellvault signout portal", ("signout", "sign-out", "forget-sign-ins")),
    "sso": Door("shellvault sso accounts", ("sso", "sso-token")),
    "configure": Door("shellvault configure sso --session portal", ("configure",)),
    "an MFA code": Door("shellvault exec -t 123456 work -- true", ("exec",)),
    "revoke": Door("shellvault revoke work", ("revoke",)),
    "approve": Door("shellvault approve $NUMBER", ("approve",)),
    "deny": Door("shellvault deny $NUMBER", ("deny",)),
    "a lease": Door("shellvault exec --lease 1h admin -- true", ("lease", "leases")),
    "the end of a lease": Door("shellvault revoke 1", ("end-permit",)),
    "doctor --keys --fix": Door(
        """"$PYTHON" say.py '{"do": "vault", "operation": {"do": "remove-orphans"}}' >&2; false""",
        ("orphans", "remove-orphans"),
    ),
    "agent stop": Door("shellvault agent stop", ("agent", "stop")),
}  # fmt: skip

#: What shows names and states, or ends something: neither a session nor a key is had there.
NEITHER = {
    "config": "shows settings",
    "doctor": "shows what is around",
    "help": "shows help",
    "history": "shows the record",
    "list": "shows names",
    "lock": "ends sessions",
    "permits": "shows permits",
    "proxy": "passes on what a token is for",
    "questions": "shows what waits",
    "requests": "shows what waits",
    "status": "shows sessions",
    "vault": "an operation of its own each",
    "version": "shows the version",
    "why": "shows a plan",
}

VERSION = __version__
