"""Small edits of the AWS config file: a section at its end, or one line in a section. Every other byte stays.

The new file is checked before it takes the old one's place: read back, it must hold what the old one held and
what was asked for, and nothing else.
"""

import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from shellvault import files, locks
from shellvault.display import printable
from shellvault.errors import ConfigError
from shellvault.profiles.grammar import split_lines
from shellvault.profiles.parse import ConfigFile, Section, decode, encode, parse, read_bytes
from shellvault.profiles.settings import check_understood

#: The copy of the file from before the last edit, in the same folder.
BACKUP_SUFFIX = ".shellvault-backup"

_LOCK_SUFFIX = ".shellvault-lock"
_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_COMMENT = re.compile(r"(?:^|\s)[#;]")
_PLAIN_NAME = re.compile(r"[\w.@+:/=,%-]+")


#: Most characters of a profile's name.
_LONGEST_NAME = 256

#: What a profile is given: values, and groups of values (`s3`).
Settings = Mapping[str, str | Mapping[str, str]]


def append_profile(path: Path, name: str, settings: Settings) -> None:
    """Adds `[profile NAME]` with `settings` at the end of the config file, which is made if it is not there.

    Raises ConfigError, with the file as it was, for a profile that exists, for names or values that a line
    cannot hold, and when the file cannot be written or is changed by someone else meanwhile.
    """
    append_profiles(path, {name: settings})


def append_profiles(path: Path, profiles: Mapping[str, Settings]) -> None:
    """Adds several as `append_profile` adds one, in one edit: all or none. Raises ConfigError."""
    for name, settings in profiles.items():
        check_name(name)
        for key, value in settings.items():
            for inner, text in [(key, value)] if isinstance(value, str) else value.items():
                _check_setting(inner, text)

    def edit(text: str, config: ConfigFile) -> str:
        for name, settings in profiles.items():
            if section := config.profiles.get(name):
                raise ConfigError(f"{config.at(section.line)}: profile {printable(name)} exists already")
            text = with_profile(text, name, settings)
        return text

    def with_profile(text: str, name: str, settings: Settings) -> str:
        end = _line_end(text)
        *complete, unfinished = split_lines(text.removeprefix("\ufeff"))
        last = complete[-1] if complete else ""
        gap = end * 2 if unfinished else end if last.strip() else ""
        lines = [f"[{header_of(name)}]"]
        for key, value in settings.items():
            if isinstance(value, str):
                lines.append(f"{key} = {value}".rstrip())
            else:
                lines += [f"{key} =", *(f"  {inner} = {text}".rstrip() for inner, text in value.items())]
        return text + gap + "".join(line + end for line in lines)

    def expect(before: ConfigFile) -> dict[str, dict[str, object]]:
        return _expected(before) | {name: dict(settings) for name, settings in profiles.items()}

    rewrite(path, edit, expect)


def change_keys(path: Path, name: str, changes: Mapping[str, str | None]) -> None:
    """Changes keys of profile `name`: in the old one's place, else below the header; None removes the key.

    Raises ConfigError as `set_key` does.
    """
    for key, value in changes.items():
        _check_setting(key, value or "x")

    def edit(text: str, config: ConfigFile) -> str:
        section = config.profiles.get(name)
        if not section:
            raise ConfigError(f"{printable(str(path))} has no profile {printable(name)}")
        check_understood(section)
        lines, end = _lines(text), _line_end(text)
        for key, value in changes.items():
            if key not in section.lines:
                continue
            old = lines[section.lines[key] - 1]
            indent, ending = old[: len(old) - len(old.lstrip())], old[len(old.rstrip("\r\n")) :]
            lines[section.lines[key] - 1] = "" if value is None else f"{indent}{key} = {value}{ending or end}"
        header = lines[section.line - 1]
        if not header.endswith(("\r", "\n")):
            header += end
        indent = _indent(lines, section)
        new = [
            f"{indent}{key} = {value}{end}"
            for key, value in changes.items()
            if value and key not in section.lines
        ]
        lines[section.line - 1] = header + "".join(new)
        return "".join(lines)

    def expect(before: ConfigFile) -> dict[str, dict[str, object]]:
        expected = _expected(before)
        section: dict[str, object] = {**expected.get(name, {}), **changes}
        expected[name] = {key: value for key, value in section.items() if value is not None}
        return expected

    rewrite(path, edit, expect)


def set_key(path: Path, name: str, key: str, value: str) -> None:
    """Adds `KEY = VALUE` as the first line of profile `name`.

    Raises ConfigError as `append_profile` does, and for a profile that is not there or that has the key.
    """
    _check_setting(key, value)

    def edit(text: str, config: ConfigFile) -> str:
        section = config.profiles.get(name)
        if not section:
            raise ConfigError(f"{printable(str(path))} has no profile {printable(name)}")
        check_understood(section)
        if key in section.lines:
            raise ConfigError(f"{config.at(section.lines[key])}: {key} is set already: change it there")
        lines = _lines(text)
        header = lines[section.line - 1]
        indent = _indent(lines, section)
        end = _line_end(text)
        if not header.endswith(("\r", "\n")):
            lines[section.line - 1] = header + end
        lines.insert(section.line, f"{indent}{key} = {value}".rstrip() + end)
        return "".join(lines)

    rewrite(path, edit, lambda before: _expected(before, name, {key: value}))


def remove_key(path: Path, name: str, key: str) -> None:
    """Removes the line of `key` from profile `name`. Raises ConfigError as `set_key` does, also where it has none."""

    def edit(text: str, config: ConfigFile) -> str:
        section = config.profiles.get(name)
        if not section or key not in section.lines:
            raise ConfigError(f"{printable(str(path))}: profile {printable(name)} has no {key}")
        lines = _lines(text)
        del lines[section.lines[key] - 1]
        return "".join(lines)

    def expect(before: ConfigFile) -> dict[str, dict[str, object]]:
        expected = _expected(before, name, {})
        expected[name].pop(key, None)
        return expected

    rewrite(path, edit, expect)


def remove_profile(path: Path, name: str) -> None:
    """Removes the section of profile `name` and the blank lines before it. Raises ConfigError as `set_key` does."""

    def edit(text: str, config: ConfigFile) -> str:
        section = config.profiles.get(name)
        if not section:
            raise ConfigError(f"{printable(str(path))} has no profile {printable(name)}")
        lines = _lines(text)
        start, end = section.line - 1, max(section.line, *section.lines.values())
        while start > 0 and not lines[start - 1].strip():
            start -= 1
        return "".join(lines[:start] + lines[end:])

    rewrite(path, edit, lambda before: {n: dict(s.values) for n, s in before.profiles.items() if n != name})


def check_editable(path: Path, name: str) -> None:
    """Raises ConfigError where an edit of profile `name` would fail, so that a person learns it before typing."""
    check_name(name)
    with _locked(path) as target, tempfile.TemporaryFile(dir=target.parent):
        section = parse(read_bytes(target) or b"", path).profiles.get(name)
        if section:
            check_understood(section)


@contextmanager
def _locked(path: Path) -> Iterator[Path]:
    """Keeps other shellvault processes from editing the file, and gives its path with links resolved."""
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():  # /dev/null must not become a file
            raise ConfigError(f"{printable(str(path))} is not a file: correct AWS_CONFIG_FILE")
        if not target.parent.is_dir():
            target.parent.mkdir(mode=0o700, parents=True)
        lock = locks.writers_lock(target.with_name(f".{target.name}{_LOCK_SUFFIX}"))
        with locks.held(lock, ConfigError):
            yield target
    except OSError as error:
        raise ConfigError(f"{printable(str(path))} cannot be changed: {error.strerror or error}") from error


def header_of(name: str) -> str:
    """The text between the brackets for profile `name`."""
    if name == "default":
        return name
    if _PLAIN_NAME.fullmatch(name):
        return f"profile {name}"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'profile "{quoted}"'


def _indent(lines: Sequence[str], section: Section) -> str:
    """The indent of a section's keys: a deeper line would continue the value of the line above it."""
    following = [line for line in section.lines.values() if line > section.line]
    model = lines[min(following or [section.line]) - 1].lstrip("\ufeff")
    return model[: len(model) - len(model.lstrip())]


def _lines(text: str) -> list[str]:
    """The lines, each with its end, as the config file's parser counts them."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n|$)", text)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def check_name(name: str) -> None:
    """Raises ConfigError for a text that cannot be the name of a section."""
    fits = name.strip() and len(name) <= _LONGEST_NAME and name.isprintable()
    if not fits or not {"[", "]"}.isdisjoint(name):
        raise ConfigError(
            f"{name[:100]!r} cannot be a profile name: use at most {_LONGEST_NAME} printable characters, "
            "without [ and ]"
        )


def _check_setting(key: str, value: str) -> None:
    if not _KEY.fullmatch(key):
        raise ConfigError(f"{key[:100]!r} is not a key of the AWS config file")
    if not value.isprintable() or value != value.strip() or _COMMENT.search(value):
        raise ConfigError(
            f"{key}: {value[:100]!r} cannot stand in the AWS config file: use one line of plain text"
        )


def append_section(path: Path, kind: str, name: str, settings: Mapping[str, str]) -> None:
    """Adds `[KIND NAME]`, such as an sso-session, at the end of the config file. Raises ConfigError."""
    check_name(name)
    for key, value in settings.items():
        _check_setting(key, value)

    def edit(text: str, config: ConfigFile) -> str:
        if kind == "sso-session" and (section := config.sso_sessions.get(name)):
            raise ConfigError(f"{config.at(section.line)}: sso-session {printable(name)} exists already")
        end = _line_end(text)
        gap = end * 2 if text and not text.endswith("\n") else end if text.strip() else ""
        header = f"[{kind} {header_of(name).removeprefix('profile ')}]"
        return (
            text
            + gap
            + "".join(f"{line}{end}" for line in (header, *(f"{k} = {v}" for k, v in settings.items())))
        )

    rewrite(path, edit, lambda before: {n: dict(section.values) for n, section in before.profiles.items()})


def rewrite(
    path: Path,
    edit: Callable[[str, ConfigFile], str],
    expect: Callable[[ConfigFile], Mapping[str, Mapping[str, object]]],
) -> None:
    """Replaces the file's text with the result of `edit`. Links are followed, and a backup is kept.

    Nothing is written unless the new text, read back, has the profiles of `expect`. Raises ConfigError.
    """
    with _locked(path) as target:
        old = read_bytes(target)
        before = parse(old or b"", path)
        new = encode(edit(decode(old or b""), before))
        _check_result(before, parse(new, path), expect(before))
        mode = stat.S_IMODE(target.stat().st_mode) if old is not None else 0o600
        if old is not None:
            # The copy may hold keys: other users must not read it.
            files.replace(target.with_name(target.name + BACKUP_SUFFIX), old, mode & 0o700, owned_like=target)
        files.replace(target, new, mode, owned_like=target, check=lambda: _check_unchanged(target, old, path))


def _expected(
    before: ConfigFile, name: str | None = None, settings: Mapping[str, str] | None = None
) -> dict[str, dict[str, object]]:
    """The profiles before the edit, with `settings` added to `name`, if given."""
    expected: dict[str, dict[str, object]] = {
        other: dict(section.values) for other, section in before.profiles.items()
    }
    if name is not None:
        expected[name] = {**expected.get(name, {}), **(settings or {})}
    return expected


def _check_result(
    before: ConfigFile, after: ConfigFile, expected: Mapping[str, Mapping[str, object]]
) -> None:
    """Raises ConfigError unless the profiles are those that are expected."""
    found = {name: dict(section.values) for name, section in after.profiles.items()}
    # A new section also has the keys of [DEFAULT].
    complete = {
        name: values if name in before.profiles or name not in found else {**after.section(name), **values}
        for name, values in expected.items()
    }
    # Nor may the edit add lines that cannot be understood.
    if found != complete or len(after.remarks()) != len(before.remarks()):
        raise ConfigError(f"{printable(str(before.path))}: make this change by hand: the file is too unusual")


def _check_unchanged(target: Path, old: bytes | None, path: Path) -> None:
    if read_bytes(target) != old:
        raise ConfigError(f"{printable(str(path))} was changed by another program just now: run this again")
