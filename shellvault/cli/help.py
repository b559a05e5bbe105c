"""`shellvault help`: as `--help`, for whoever types it the other way round."""

import click

from shellvault.cli import output


@click.command(name="help")
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(context: click.Context, words: tuple[str, ...]) -> int:
    """Show what shellvault, or one of its commands, does."""
    shown = context.parent or context
    # What the function adds to the command: its `use` and `leave` are `env`.
    rest = ["env" if word in ("use", "leave") and not index else word for index, word in enumerate(words)]
    while rest and isinstance(shown.command, click.Group):
        name, found, rest = shown.command.resolve_command(shown, rest)
        if found is not None:
            shown = found.context_class(found, info_name=name, parent=shown, **found.context_settings)
    output.result(f"{shown.get_help()}\n")
    return 0
