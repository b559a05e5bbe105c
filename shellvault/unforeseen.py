"""One line for an error that no code foresaw."""

from pathlib import Path


def described(error: BaseException) -> str:
    """The file that the system refused, and why; of any other error type and place, since its text could be secret."""
    if isinstance(error, OSError) and isinstance(error.filename, str | Path) and error.strerror:
        return f"cannot use {str(error.filename)!r}: {error.strerror}"
    return f"internal error: {_origin(error)}; please report it with the command you ran"


def _origin(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return type(error).__name__
    return f"{type(error).__name__} at {Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
