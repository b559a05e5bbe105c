"""What STS answers, read as botocore reads it (the AWS query protocol; tests hold the two together)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import responses
from typing import Any
from xml.parsers import expat


class ResponseParserError(Exception):
    """The reply is no XML."""


def result(operation: str, text: bytes) -> Mapping[str, Any]:
    """What is in the answer to an operation. Raises ResponseParserError, LookupError, ValueError."""
    found: dict[str, Any] = dict((_document(text) or {})[f"{operation}Result"] or {})
    given = found.get("Credentials")
    if isinstance(given, dict) and "Expiration" in given:
        given["Expiration"] = _time(given["Expiration"])
    return found


def refusal(status: int, headers: Mapping[str, str], text: bytes) -> dict[str, Any]:
    """What is in an error's answer, as in botocore's ClientError. Raises ResponseParserError."""
    start = text.strip()
    if status >= 500 and (not start or start.startswith(b"<html>")):
        # Of something between here and AWS.
        parsed: dict[str, Any] = {"Error": {"Code": str(status), "Message": responses.get(status, "")}}
    else:
        document = _document(text)
        parsed = document if isinstance(document, dict) else {}
        errors = parsed.pop("Errors", None)
        parsed |= errors if isinstance(errors, dict) else {}
        if not isinstance(parsed.get("Error"), dict):
            parsed["Error"] = {}
    return parsed | {"ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": dict(headers)}}


def _time(text: Any) -> datetime:
    """A time in one of the forms of AWS's protocols: ISO 8601, seconds, or as in HTTP. Raises ValueError."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        pass
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        pass
    try:
        return parsedate_to_datetime(text)
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError("not a time") from error


def _document(text: bytes) -> Any:
    """What is in an XML document's root: text, or children by name (a list where a name is repeated).

    Raises ResponseParserError.
    """
    stack: list[tuple[dict[str, Any], list[str]]] = [({}, [])]

    def begin(name: str, attributes: Mapping[str, str]) -> None:
        stack.append(({}, []))

    def end(name: str) -> None:
        children, texts = stack.pop()
        above = stack[-1][0]
        key, value = name.rpartition(" ")[2], children or "".join(texts)
        above[key] = [*_listed(above[key]), value] if key in above else value

    parser = expat.ParserCreate("utf-8", " ")
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = lambda data: stack[-1][1].append(data)
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise ResponseParserError from error
    (root,) = stack[0][0].values()
    return root


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
