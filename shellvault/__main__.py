"""What the `shellvault` command starts, as `python -I -S __main__.py …`: the warm path, or else everything.

Python compiles a script at every start, so this file is small and imports the rest, which is
compiled once. Nothing on the warm path may import what a bare interpreter has not loaded, but for a socket.
"""

import sys
from _signal import SIG_DFL, getsignal, signal  # type: ignore[import-not-found]  # `signal` itself would import enum

#: The folder that holds the package: where imports are allowed to find it, whatever else is installed.
FOLDER = __file__.replace("\\", "/").rpartition("/")[0].rpartition("/")[0]

#: signal(7): SIGHUP and SIGTERM, which have these numbers on every POSIX system.
ENDING = (1, 15)


def main() -> None:
    """Runs the command line in `sys.argv` and ends the process; never returns.

    However it fails, a shell that evaluates the output gets a text that fails, and it gets it from here alone:
    `eval "$(shellvault env --bogus work)" && deploy` must not deploy with the session from before.
    """
    message = ""
    try:
        status = _run()
    except SystemExit as leaving:
        status = 0 if leaving.code is None else leaving.code if isinstance(leaving.code, int) else 1
        message = "" if leaving.code is None or isinstance(leaving.code, int) else leaving.code
    except KeyboardInterrupt:
        status = 130
    except (ImportError, SyntaxError) as error:
        status, message = 1, f"this installation is damaged ({error}): install shellvault again"
    except Exception as error:
        # Its text could hold a secret.
        status, message = (
            1,
            f"internal error: {type(error).__name__}; please report it with the command you ran",
        )
    if status:
        _fail(sys.argv[1:])
    if message and sys.stderr is not None:
        try:
            print(f"shellvault: error: {message}", file=sys.stderr)
        except OSError:
            status = 1
    sys.exit(status)


def _run() -> int:
    # Without the POSIX calls (Windows) everything is a miss.
    if "posix" not in sys.builtin_module_names:
        return _everything()
    # `timeout 5 shellvault env work` has to end with a text, too. What nohup ignores stays ignored.
    for number in ENDING:
        if getsignal(number) == SIG_DFL:
            signal(number, _end)
    status = _warm()
    return _everything() if status is None else status


def _end(number: int, frame: object) -> None:
    import posix

    signal(number, SIG_DFL)
    _fail(sys.argv[1:])
    posix.kill(posix.getpid(), number)


def _fail(arguments: list[str]) -> None:
    try:
        from shellvault.fastlane.failing import write
    except (ImportError, SyntaxError):
        # It may be what is damaged.
        if arguments[:1] in (["env"], ["init"]) and sys.__stdout__ is not None:
            print("false", file=sys.__stdout__, flush=True)
        return
    write(arguments)


def _warm() -> int | None:
    if "shellvault" in sys.modules:
        from shellvault.fastlane import commands
    else:
        sys.path.insert(0, FOLDER)
        from shellvault.fastlane import commands

        sys.path.remove(FOLDER)
    return commands.main()


def _everything() -> int:
    made_for = FOLDER.rpartition("/")[0].rpartition("/")[2].rstrip("t")
    if made_for.startswith("python3.") and made_for != "python{}.{}".format(*sys.version_info):
        # The same path may lead to a newer Python one day; compiled packages then fail, each in its own way.
        raise ImportError(
            f"it was installed for {made_for}, and {sys.executable} has become {{}}.{{}}".format(
                *sys.version_info
            )
        )
    import site

    if sys.flags.no_site:
        site.main()
    if FOLDER not in sys.path:
        # A per-user installation, which an isolated interpreter leaves out, or a checkout.
        site.addsitedir(FOLDER)
    from shellvault.cli.door import main as command_line

    return command_line()


if __name__ == "__main__":
    main()
