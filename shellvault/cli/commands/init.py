"""`shellvault init`: the text that sets up a shell, and the line that runs it at every start."""

import os
from typing import TYPE_CHECKING

import click

from shellvault.dialogue import output
from shellvault.errors import UsageError
from shellvault.shells import HOOKED, SET_UP

if TYPE_CHECKING:
    from shellvault.shells.init import InitOptions


@click.command(name="init")
@click.argument("shell", required=False, type=click.Choice(HOOKED))
@click.option(
    "--no-prompt", is_flag=True, help="Leave the prompt as it is ($SHELLVAULT_SEGMENT is set all the same)."
)
@click.option("--no-wrapper", is_flag=True, help="Wrap no program, not even aws.")
@click.option("--no-completions", is_flag=True, help="Set up no completions.")
@click.option(
    "--wrap", multiple=True, metavar="COMMAND", help="Wrap this program as well as aws (repeatable)."
)
@click.option(
    "--cmd", default="shellvault", metavar="FUNCTION", help="The name of the function (default: shellvault)."
)
@click.option("--completions-only", is_flag=True, hidden=True)
@click.option("--start", metavar="PROGRAM", hidden=True)
@click.option(
    "--install", is_flag=True, help="Write the line that runs this into the shell's start-up file, once."
)
@click.option("--uninstall", is_flag=True, help="Take that line out again.")
@click.pass_context
def command(
    context: click.Context,
    /,
    shell: str | None,
    no_prompt: bool,
    no_wrapper: bool,
    no_completions: bool,
    wrap: tuple[str, ...],
    cmd: str,
    completions_only: bool,
    start: str | None,
    install: bool,
    uninstall: bool,
) -> None:
    """Print what sets up a shell, or --install it.

    That is the prompt hook, `use` and `leave`, the wrapper and completions. \b
    bash, zsh:   eval "$(shellvault init bash)"
    fish:        shellvault init fish | source
    PowerShell:  Invoke-Expression (& shellvault init powershell | Out-String)
    """
    from shellvault.shells import detect, init

    if install and uninstall:
        raise UsageError("--install and --uninstall cannot both be meant: choose one")
    if no_wrapper and wrap:
        raise UsageError("--wrap and --no-wrapper cannot both be meant: choose one")
    shell = shell or detect.detect(os.getppid())
    if shell not in HOOKED:
        raise UsageError(f"{shell} has no prompt hook to set up: name the shell, {', '.join(HOOKED)}")
    options = init.InitOptions(
        prompt=not no_prompt,
        completions=None if no_completions else context.find_root().command,
        wrap=() if no_wrapper else tuple(dict.fromkeys(("aws", *wrap))),
        command=cmd,
    )
    if completions_only:
        from shellvault.shells.completions import completion_text

        output.result(completion_text(shell, context.find_root().command, cmd, (), has_function=False))
    elif uninstall:
        _uninstall(shell)
    elif install:
        _install(shell, options)
    elif start:
        from shellvault.shells.start import start_text

        output.result(start_text(shell, options, start, os.environ))
    else:
        output.result(init.init_text(shell, options, os.environ))


def _install(shell: str, options: "InitOptions") -> None:
    from shellvault.shells import init, install, start

    program, words = start.program(os.environ), init.init_words(options)
    # Renders first: what cannot be rendered must not be run at every start, and the next shell finds the text ready.
    if program:
        start.start_text(shell, options, program, os.environ)
        line = start.line(shell, program, words, os.environ)
    else:
        init.init_text(shell, options, os.environ)
        line = install.init_line(shell, words)
    path = SET_UP[shell].start_up_file(os.environ)
    backup = install.install(path, shell, line)
    if backup is None:
        output.note(f"{path} runs `shellvault init` already; nothing was changed")
        return
    output.note(f"added to {path}: {line}")
    if backup != path:
        output.note(f"the file as it was: {backup}")
    output.note("open a new shell to use it")


def _uninstall(shell: str) -> None:
    from shellvault.shells import install

    path = SET_UP[shell].start_up_file(os.environ)
    backup = install.uninstall(path, shell)
    if backup is None:
        output.note(f"{path} has no line of ours; nothing was changed")
    else:
        output.note(f"taken out of {path}; the file as it was: {backup}")
