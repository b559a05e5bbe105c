"""What the `shellvault` command starts, as `python -I -S __main__.py …`: the warm path, or else everything.

Python compiles a script anew at every start, so this file is only the door: the room behind it is
compiled once. Nothing on the warm path may import what a bare interpreter has not loaded, but for a socket.
"""

import sys

#: The folder that holds the package: where imports are allowed to find it, whatever else is installed.
FOLDER = __file__.replace("\\", "/").rpartition("/")[0].rpartition("/")[0]


def main() -> None:
    """Runs the command line in `sys.argv` and ends the process; never returns."""
    try:
        # Without the POSIX calls (Windows) everything is a miss.
        if "posix" in sys.builtin_module_names:
            _warm()
        _everything()
    except ImportError as error:
        sys.exit(f"shellvault: error: this installation is damaged ({error}): install shellvault again")
    except KeyboardInterrupt:
        sys.exit(130)


def _warm() -> None:
    if "shellvault" in sys.modules:
        from shellvault.fastlane import commands
    else:
        sys.path.insert(0, FOLDER)
        from shellvault.fastlane import commands

        sys.path.remove(FOLDER)
    commands.main()


def _everything() -> None:
    made_for = FOLDER.rpartition("/")[0].rpartition("/")[2].rstrip("t")
    if made_for.startswith("python3.") and made_for != "python{}.{}".format(*sys.version_info):
        # The same path may lead to a newer Python one day; compiled packages then fail, each in its own way.
        sys.exit(
            f"shellvault: error: it was installed for {made_for}, and {sys.executable} has become "
            "{}.{}: install shellvault again".format(*sys.version_info)
        )
    import site

    if sys.flags.no_site:
        site.main()
    if FOLDER not in sys.path:
        # A per-user installation, which an isolated interpreter leaves out, or a checkout.
        site.addsitedir(FOLDER)
    from shellvault.cli.main import main as command_line

    command_line()


if __name__ == "__main__":
    main()
