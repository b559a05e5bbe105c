"""`shellvault shim`: executables for PATH that give a program its session where there is no shell to do it."""

import os

import click

from shellvault.cli.options import known_names
from shellvault.cli.suggest import Group, unknown_profile
from shellvault.dialogue import output
from shellvault.fastlane.program import find


@click.group(name="shim", cls=Group)
def command() -> None:
    """Give make, an IDE or a script its session.

    Shims are stand-ins on PATH for programs such as aws. A shim uses the live session of its environment, else
    AWS_PROFILE, else AWS_DEFAULT_PROFILE, else the profile it was made with, and becomes the program itself.
    """


@command.command(name="add")
@click.argument("programs", nargs=-1, metavar="[PROGRAM]...")
@click.option("--profile", metavar="NAME", help="The profile to use when nothing names another.")
def add(programs: tuple[str, ...], profile: str | None) -> None:
    """Write shims (default: for aws)."""
    from shellvault.shells import shims

    names = known_names(os.environ)
    if profile and profile not in names:
        output.note(f"{unknown_profile(profile, names)} (the shim is written all the same)")
    folder = shims.folder(os.environ)
    for program in programs or ("aws",):
        written = shims.add(folder, program, profile)
        output.note(f"written: {written}")
        if find(program, os.environ.get("PATH", ""), passes_shims=True) is None:
            output.note(f"{program} itself is not on PATH: install it, or `shellvault shim remove {program}`")
    if str(folder) not in os.environ.get("PATH", "").split(os.pathsep):
        output.note(f"put this folder first on PATH: {folder}")


@command.command(name="remove")
@click.argument("programs", nargs=-1, metavar="[PROGRAM]...")
def remove(programs: tuple[str, ...]) -> None:
    """Delete shims (default: for aws)."""
    from shellvault.shells import shims

    folder = shims.folder(os.environ)
    for program in programs or ("aws",):
        output.note(f"removed: {shims.remove(folder, program)}")


@command.command(name="list")
def list_shims() -> None:
    """List the shims, one a line."""
    from shellvault.shells import shims

    for shim in shims.installed(shims.folder(os.environ)):
        output.result(f"{shim.path}\n")
