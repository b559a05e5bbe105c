"""Requests held against the service models in botocore: what is required, and which values a member takes.

botocore's own validator looks at required members, types and minima; AWS looks at the rest too.
"""

import re
from functools import cache
from typing import Any

import botocore.session

from tests.support.signin.replies import Asked

_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "list": (list,),
    "long": (int,),
    "string": (str,),
    "structure": (dict,),
}


def problem(service: str, operation: str, asked: Asked) -> str | None:
    """What is wrong with a request, by the model of `service`; None when nothing is."""
    shape = _input(service, operation)
    payload = shape.serialization.get("payload")
    given: dict[str, Any] = {}
    for name, member in shape.members.items():
        where, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if name == payload:
            given[name] = asked.document
        elif where == "querystring" and wire in asked.query:
            text = asked.query[wire]
            given[name] = int(text) if member.type_name == "integer" and text.isdigit() else text
        elif where == "header" and wire.lower() in asked.headers:
            given[name] = asked.headers[wire.lower()]
        elif where is None and wire in asked.document:
            given[name] = asked.document[wire]
    return _problem(shape, given, operation)


@cache
def _input(service: str, operation: str) -> Any:
    return botocore.session.Session().get_service_model(service).operation_model(operation).input_shape


def _problem(shape: Any, value: Any, path: str) -> str | None:
    if type(value) not in _TYPES[shape.type_name]:
        return f"{path} is no {shape.type_name}"
    limits = shape.metadata
    size = value if shape.type_name in ("integer", "long") else len(value)
    if not limits.get("min", size) <= size <= limits.get("max", size):
        return f"{path} is out of range"
    if shape.type_name == "string":
        if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
            return f"{path} does not match the pattern"
        return f"{path} is none of the enum" if value not in limits.get("enum", [value]) else None
    members: list[tuple[Any, Any, str]] = []
    if shape.type_name == "list":
        members = [(shape.member, each, f"{path}[]") for each in value]
    elif shape.type_name == "structure":
        if missing := [name for name in limits.get("required", ()) if value.get(name) in (None, "")]:
            return f"{path} lacks {missing[0]}"
        known = shape.members.items()
        members = [
            (member, value[name], f"{path}.{name}") for name, member in known if value.get(name) is not None
        ]
    return next(filter(None, (_problem(*member) for member in members)), None)
