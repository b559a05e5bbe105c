"""`shellvault help`: the same as `--help`."""

import click

from shellvault.dialogue import output


@click.command(name="help")
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.option("--long", "every", is_flag=True, hidden=True)
@click.option("--man", "as_manual", is_flag=True, hidden=True)
@click.pass_context
def command(context: click.Context, words: tuple[str, ...], every: bool, as_manual: bool) -> int:
    """Show what shellvault, or one of its commands, does.

    `help aws-vault` shows aws-vault's commands, ours, and what differs.
    """
    root = context.parent or context
    if as_manual:
        from shellvault.cli import manual

        output.result(manual.troff(root.command))
    elif words == ("aws-vault",):
        from shellvault.cli import aws_vault

        output.result(aws_vault.text())
    else:
        commands = root.command.list_commands(root) if isinstance(root.command, click.Group) else []
        shown = [(), *((name,) for name in commands)] if every else [words]
        output.result("\n".join(_help(root, each) for each in shown))
    return 0


def _help(shown: click.Context, words: tuple[str, ...]) -> str:
    # What the function adds to the command: its `use` and `leave` are `env`.
    rest = ["env" if word in ("use", "leave") and not index else word for index, word in enumerate(words)]
    while rest and isinstance(shown.command, click.Group):
        name, found, rest = shown.command.resolve_command(shown, rest)
        if found is not None:
            shown = found.context_class(found, info_name=name, parent=shown, **found.context_settings)
    return f"{shown.get_help()}\n"
