"""What the shells of the POSIX family share."""

EVALUATED = 'eval "$({})"'
EXPORTED = "export {name}={value}"
#: With its own end: in `eval $(…)` without quotes all lines become one.
UNSET = "unset {name};"


def quote(value: str) -> str:
    """Nothing is special within single quotes (POSIX.1-2017, 2.2.2)."""
    return "'" + value.replace("'", "'\\''") + "'"
