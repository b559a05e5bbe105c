"""Adds a caller's marks to a request line, and reads them from it. Pure."""

from shellvault import guard
from shellvault.fastlane import request


def marked(line: str, fields: dict[str, str]) -> str:
    """The request line with these fields (request.GIVEN, request.NARROWING) in place of its own of that name."""
    profile, *words = line.split(" ")
    kept = [word for word in words if word.partition("=")[0] not in fields]
    added = [f"{name}={request.escape(value)}" for name, value in fields.items() if value]
    return " ".join([profile, *sorted([*kept, *added])])


def base(line: str) -> str:
    """The line as a command may send it again."""
    profile, *words = line.split(" ")
    return " ".join([profile, *(word for word in words if word.partition("=")[0] not in request.GIVEN)])


def is_marked(line: str) -> bool:
    """Whether the line has a field that no command may send."""
    return any(word.partition("=")[0] in request.GIVEN for word in line.split(" ")[1:])


def profile_of(line: str) -> str:
    """The profile of a request line, as the line writes it (`request.escape`)."""
    return line.partition(" ")[0]


def subject_of(line: str, profile: str = "") -> str:
    """The profile of a request line (or `profile`, as a line writes it), with the fields that decide what it means."""
    own, *words = line.split(" ")
    return " ".join([profile or own, *(word for word in words if word.partition("=")[0] not in guard.FREE)])


def field_of(line: str, field: str) -> str:
    """The value of one field of a request line; "" without it. Raises ValueError."""
    found = [word for word in line.split(" ")[1:] if word.startswith(field + "=")]
    return request.unescape(found[0].partition("=")[2]) if found else ""


def narrowing_of(line: str) -> dict[str, str]:
    """The fields of a request line that narrow the session."""
    return {field: value for field in request.NARROWING if (value := field_of(line, field))}
