"""How a reply proves itself to a shell that asks us itself and cannot see who answers.

zsh and PowerShell know no SO_PEERCRED. So what reaches such a shell over a way that is checked (our commands look at
the peer's user id) gives it a secret, and each direct reply begins with that: nobody else's text is evaluated.
"""

#: How each of those shells keeps its secret: in a variable that no child inherits, whatever its options are. What
#: stands before has failed or not, and that stays.
_ASSIGNMENTS = {
    "powershell": "$global:__shellvault_secret = '{}'\n",
    "zsh": "() {{ builtin local code=$?; builtin emulate -L zsh +x; builtin typeset -g +x __shellvault_secret={}; "
    "builtin return $code; }}\n",
}


def with_secret(text: str, form: str, secret: str | None) -> str:
    """The text of `form`, followed by what gives its shell the secret, where that is a shell that needs one."""
    assignment = _ASSIGNMENTS.get(form.rpartition(".")[2])
    return text + assignment.format(secret) if assignment and secret else text
