"""A session's change as the text that was asked for, the same with and without the agent."""

from shellvault.errors import UsageError
from shellvault.fastlane import request
from shellvault.variables import Change


def text(form: str, change: Change, profile: str) -> str:
    """The text of `form`: `env.SHELL`, `refresh.SHELL`, `exec` (`exec.SHELL`: for a shell), or an export format.

    `exec` is one line a variable, `NAME=value` (escaped as in a request) or `-NAME`.
    Raises UsageError for a value that the form cannot hold.
    """
    from shellvault.shells import export, render

    kind, _, shell = form.partition(".")
    if kind == "env" and shell:
        return render.env_snippet(shell, change)
    if kind == "refresh" and shell:
        return render.refresh_snippet(shell, change)
    if kind == "exec":
        lines = [f"{name}={request.escape(value)}" for name, value in change.set.items()]
        return "".join(f"{line}\n" for line in lines + [f"-{name}" for name in change.unset])
    if form in export.FORMATS:
        return export.export(form, change, profile)
    raise UsageError(f"no such form: {form!r}")


def change(text: str) -> Change:
    """The change that the text of form `exec` stands for. Raises ValueError for any other text."""
    values, unset = {}, []
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator:
            values[name] = request.unescape(value)
        else:
            unset.append(name.removeprefix("-"))
    return Change(values, tuple(unset))
