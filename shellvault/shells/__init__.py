"""The shells: their records, which shell asks, and the text that it evaluates."""

from shellvault.shells import bash, fish, powershell, sh, zsh

RECORDS = {record.name: record for record in (bash.SHELL, zsh.SHELL, fish.SHELL, powershell.SHELL, sh.SHELL)}

#: The shells that shellvault speaks; each has a folder of templates of the same name.
SHELLS = tuple(RECORDS)

#: What `init` needs to know of those with a prompt hook.
SET_UP = {name: record.set_up for name, record in RECORDS.items() if record.set_up}

#: Their names.
HOOKED = tuple(SET_UP)
