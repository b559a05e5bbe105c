"""Runs a program as a child, if this process must serve it, and stays out of its way.

The child shares our process group and terminal: what the terminal sends (Ctrl-C, a new window size, a hang-up) reaches
it from the kernel, and only what another process sends to us is passed on. A group of its own would not do: in a
pipeline the terminal would go to the child, and be taken from the pager behind it.
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


def _named(*names: str) -> frozenset[signal.Signals]:
    """The signals of these names that this system has."""
    return frozenset(number for number in signal.Signals if number.name in names)


#: What we wait for instead of being ended or stopped by it.
HELD = _named(
    *("SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGTSTP"),
    *("SIGUSR1", "SIGUSR2", "SIGWINCH"),
)

#: What ends a server that has no child.
ENDING = _named("SIGHUP", "SIGINT", "SIGTERM")

#: Python ignores these, and a program would inherit that.
IGNORED_BY_PYTHON = _named("SIGPIPE", "SIGXFSZ")


@contextmanager
def holding_signals() -> Iterator[set[int]]:
    """Holds signals back until `run` looks at them, for threads that are started meanwhile too; gives those that were
    held back before, as the child is to find it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    # Where it is ignored the kernel forgets how a child has ended (wait(2)).
    ignored = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield set(before)
    finally:
        # What a terminal has sent meanwhile was for the child.
        while signal.sigpending() & HELD:
            signal.sigwait(signal.sigpending() & HELD)
        signal.signal(signal.SIGCHLD, ignored)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run(file: str, program: list[str], environment: Mapping[str, str], mask: set[int]) -> int:
    """The exit status of the program in `file`, 128 + the number of a signal that ended it (POSIX sh).

    `mask` is what `holding_signals` gave. Raises OSError when the program cannot be started.
    """
    # Closed where Python's own files are, whatever number they have: the child finds what we were given.
    child = os.posix_spawn(file, program, environment, setsigmask=mask, setsigdef=IGNORED_BY_PYTHON)
    is_stopped = False
    while True:
        number, sender = _wait()
        found, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        while found:
            if found != child:
                # What has lost its parent below us (PR_SET_CHILD_SUBREAPER) is only cleared away.
                pass
            elif os.WIFEXITED(status):
                return os.WEXITSTATUS(status)
            elif os.WIFSIGNALED(status):
                return 128 + os.WTERMSIG(status)
            else:
                is_stopped = os.WIFSTOPPED(status)
                if is_stopped:
                    # What started us waits for us, and is to have its terminal back.
                    _stop(os.WSTOPSIG(status))
            found, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        if number == signal.SIGCONT:
            # `fg` continues all of the group by itself.
            if is_stopped:
                os.kill(child, signal.SIGCONT)
        elif number != signal.SIGCHLD and sender is not None and not _is_below_us(sender):
            os.kill(child, number)


def _wait() -> tuple[int, int | None]:
    """The next signal, and the process that sent it; None for the kernel, and where the system does not say."""
    if sys.platform == "linux":
        signalled = signal.sigwaitinfo(HELD)
        # Codes above zero are the kernel's own: sigaction(2), si_code.
        return signalled.si_signo, signalled.si_pid if signalled.si_code <= 0 else None
    number = signal.sigwait(HELD)
    # A terminal sends these. The others come from processes.
    return number, None if number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGWINCH) else 0


def _is_below_us(sender: int) -> bool:
    """Whether a process is the child or one of its own: they send to the whole group, as vim does for Ctrl-Z."""
    if sender == 0:
        return False
    import psutil

    try:
        return any(parent.pid == os.getpid() for parent in psutil.Process(sender).parents())
    except psutil.Error:
        return False


def _stop(number: int) -> None:
    """Stops this process as the child was stopped, until it is continued."""
    # Sent while it is held back, so that it is one with what the terminal sent to us too.
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.pthread_sigmask(signal.SIG_BLOCK, {number} & HELD)
