"""The secret with which a shell checks that a direct reply comes from our agent.

zsh and PowerShell cannot use SO_PEERCRED. Our commands can check the agent's user id, so they bring such a shell a
secret. Each direct reply begins with it, and the shell evaluates no other text.
"""

#: How each of these shells keeps its secret: in a variable that no child inherits, with any options. The exit status
#: of the text before stays.
_ASSIGNMENTS = {
    "powershell": "$global:__shellvault_secret = '{}'\n",
    "zsh": "() {{ builtin local code=$?; builtin emulate -L zsh +x; builtin typeset -g +x __shellvault_secret={}; "
    "builtin return $code; }}\n",
}


def with_secret(text: str, form: str, secret: str | None) -> str:
    """The text of `form`, and for a shell that needs the secret the assignment of it."""
    assignment = _ASSIGNMENTS.get(form.rpartition(".")[2])
    return text + assignment.format(secret) if assignment and secret else text
