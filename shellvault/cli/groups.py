"""The commands by what they are for, in the order of the help, the manual and the README."""

GROUPS = {
    "Every day": ("add", "use", "leave", "env", "exec", "export", "list", "status", "why", "console"),
    "Signing in": ("signin", "signout", "configure", "sso"),
    "Keys": ("rotate", "remove", "clear", "unlock", "lock", "passphrase", "migrate-backend"),
    "Coding agents": ("requests", "approve", "deny", "leases", "revoke", "history"),
    "Moving in": ("import", "install-process"),
    "The shell": ("init", "shim"),
    "Upkeep": ("doctor", "config", "agent", "proxy", "help", "version"),
}

#: What the shell function adds: a process cannot change the shell that started it.
FUNCTION_WORDS = {
    "use": "Enter a session of profile NAME in this shell.",
    "leave": "Put every variable back as it was before.",
}
