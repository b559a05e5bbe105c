"""What the shells of the POSIX family share."""

EVALUATED = 'eval "$({})"'
EXPORTED = "export {name}={value}"
#: Ends with a separator: in an unquoted `eval $(…)` all lines become one.
UNSET = "unset {name};"


def quote(value: str) -> str:
    """Nothing is special within single quotes (POSIX.1-2017, 2.2.2)."""
    return "'" + value.replace("'", "'\\''") + "'"
