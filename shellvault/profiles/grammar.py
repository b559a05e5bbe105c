"""The lines of an AWS config file: sections, keys and values, with the line and the problems of each.

Where AWS's readers differ, all that one of them understands is read. Where they contradict each other, the SDKs'
specification decides ("Shared config and credentials files", AWS SDKs and Tools Reference Guide). The AWS CLI
(botocore.configloader) reads the file with configparser.RawConfigParser and its defaults; whatever it reads
differently, or refuses the file for, is noted.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from shellvault.display import printable

#: What a key holds: text, or the keys of an indented block (`s3 =` and deeper lines).
Value = str | Mapping[str, str]

#: What a section is, by the first word of its header; `other` ones are not read.
Kind = Literal["profile", "sso-session", "services", "common", "other"]

#: A section's kind and name, and whether its header is `[default]`, without the word `profile`.
Name = tuple[Kind, str, bool]

#: Notes kept of one section: enough to see what is wrong with it.
_MAX_NOTES = 20

_WORDS: tuple[Kind, ...] = ("profile", "sso-session", "services")
_HEADER = re.compile(r"\[([^\]]+)\]\s*(?:[#;].*)?")
_CONFIGPARSER_HEADER = re.compile(r"\[(.+)\]")
_COMMENT = re.compile(r"\s[#;]")
_DELIMITER = re.compile("[=:]")
_KEY = re.compile(r"[A-Za-z0-9_./%@:+-]+")
_BLANKS = re.compile("[ \t\r\n]+")
_ONE_BLANK = re.compile(r"[\w-]+ [\w-]+")
_QUOTING = frozenset("'\"\\")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")

_STRAY = "this line stands before the first section and is not read: put [default] above it"
_ENCODING = "this line is not UTF-8: save the file as UTF-8"
_NO_KEY = "this line is neither `key = value` nor a [section]"
_NO_BLOCK = "the indented lines below this key must be `key = value` each"
_REFUSES = "the AWS CLI refuses the file"


@dataclass(slots=True)
class Draft:
    """A section while it is read."""

    name: Name
    header: str
    line: int
    parts: dict[str, list[str]] = field(default_factory=dict, repr=False)
    """The lines of each value, still apart."""
    lines: dict[str, int] = field(default_factory=dict, repr=False)
    notes: list[str] = field(default_factory=list)
    problem: str | None = None
    """The first line that cannot be understood."""


@dataclass(slots=True)
class Drafts:
    """A whole file while it is read; sections of one name are one."""

    at: Callable[[int], str]
    """`FILE:LINE`, for notes."""
    sections: dict[Name, Draft] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """Notes on lines outside the sections that are read."""

    def note(self, draft: Draft | None, number: int, text: str) -> None:
        """Keeps a note on a line: in its section, or else in the file's notes."""
        of_section = draft is not None and draft.name[0] not in ("common", "other")
        notes = draft.notes if draft and of_section else self.notes
        if len(notes) < _MAX_NOTES:
            notes.append(f"{self.at(number)}: {text}")

    def complain(self, draft: Draft, number: int, text: str) -> None:
        """Marks a section with a line that cannot be understood; other sections stay usable."""
        if draft.name[0] in ("common", "other"):
            self.note(draft, number, text)
        elif draft.problem is None:
            draft.problem = f"{self.at(number)}: {text}"


def word(text: str) -> str:
    """A name as one word of a command that a message suggests: bash, zsh, fish and PowerShell read it alike."""
    return shlex.quote(printable(text))


def split_lines(text: str) -> list[str]:
    """The lines of a text file, which end with LF, CRLF or CR and nothing else; the last may be empty."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def read(text: str, at: Callable[[int], str]) -> Drafts:
    """All sections of a file. Never fails: what cannot be understood is a note or a section's `problem`."""
    drafts = Drafts(at)
    draft: Draft | None = None
    value: list[str] | None = None  # a deeper line continues it
    indent = 0
    for number, line in enumerate(split_lines(text), start=1):
        words = line.strip()
        if not words:
            if value is not None:
                value.append("")
            continue
        if words[0] in "#;":
            if not words.isascii() and _NOT_UTF8.search(words):
                drafts.note(None, number, f"this line is not UTF-8: {_REFUSES}")
            continue
        depth = len(line) - len(line.lstrip())
        if value is not None and depth > indent:
            value.append(words)
            if draft and not words.isascii() and _NOT_UTF8.search(words):
                drafts.complain(draft, number, _ENCODING)
            continue
        indent = depth
        if words[0] == "[":
            draft, value = _open_section(drafts, words, number), None
        elif draft is None:
            drafts.note(None, number, _STRAY)
        else:
            value = _open_value(drafts, draft, words, number)
    return drafts


def _open_section(drafts: Drafts, words: str, number: int) -> Draft:
    clean, by_configparser = _HEADER.fullmatch(words), _CONFIGPARSER_HEADER.match(words)
    match = clean or by_configparser
    # Without a closing bracket, the section that is meant gets the problem.
    header = match[1].strip() if match else words[1:].strip()
    name = _classified(header)
    shown = f"[{printable(header)}]"
    earlier = drafts.sections.get(name)
    draft = earlier or drafts.sections.setdefault(name, Draft(name, header, number))
    if not match:
        drafts.complain(draft, number, "this section has no closing ]")
    elif not by_configparser or (by_configparser[1] != header and _classified(by_configparser[1]) != name):
        drafts.note(
            draft, number, f"the AWS CLI does not read {shown}: leave nothing inside or after the brackets"
        )
    if not words.isascii() and _NOT_UTF8.search(words):
        drafts.complain(draft, number, _ENCODING)
    if earlier and name[0] != "common":
        cli = _REFUSES if earlier.header == header else "the AWS CLI reads this one alone"
        drafts.note(draft, number, f"{shown} is on line {earlier.line} already: the two are one here, {cli}")
    if name[0] == "other" and header.startswith(_WORDS):
        drafts.note(None, number, f"{shown} is not read: a name is one word, or in quotes")
    return draft


def _classified(header: str) -> Name:
    """As in botocore: a header begins with one of the words, and its second word is the name."""
    if header == "default":
        return ("profile", "default", True)
    if header == "DEFAULT":  # configparser gives its keys to all other sections
        return ("common", "", False)
    kind = next((word for word in _WORDS if header.startswith(word)), None)
    name = _second_word(header) if kind else None
    return (kind, name, False) if kind and name is not None else ("other", header, False)


def _second_word(header: str) -> str | None:
    """The second of exactly two shell words (`profile "a b"`), None when the header is anything else."""
    if _QUOTING.isdisjoint(header):  # shlex is slow, and quotes are rare
        words = (
            header.split(" ") if _ONE_BLANK.fullmatch(header) else list(filter(None, _BLANKS.split(header)))
        )
    else:
        try:
            words = shlex.split(header)
        except ValueError:
            return None
    return words[1] if len(words) == 2 else None


def _open_value(drafts: Drafts, draft: Draft, words: str, number: int) -> list[str]:
    """The lines of the value that begins here; a value that is not usable is dropped."""
    text = words
    if ("#" in words or ";" in words) and (comment := _COMMENT.search(words)):
        text = words[: comment.start()]
    match = _DELIMITER.search(text)
    key = text[: match.start()].rstrip().lower() if match else ""
    if not match or not key:
        # The line is not repeated in the message: it may hold a secret.
        drafts.complain(draft, number, _NO_KEY)
        return []
    if not words.isascii() and _NOT_UTF8.search(words):
        drafts.complain(draft, number, _ENCODING)
        return []
    if not _KEY.fullmatch(key):
        drafts.note(draft, number, "this is not a valid key and is ignored")
        return []
    if text is not words:
        drafts.note(draft, number, f"{key}: the AWS CLI takes the comment for a part of the value")
    if key in draft.lines:
        drafts.note(
            draft, number, f"{key} is on line {draft.lines[key]} already: this one counts, {_REFUSES}"
        )
    draft.lines[key], draft.parts[key] = number, [text[match.end() :].strip()]
    return draft.parts[key]


def values(drafts: Drafts, draft: Draft) -> dict[str, Value]:
    """The values of a section, their lines joined. A bad block becomes the section's `problem`."""
    return {key: _value(drafts, draft, key, parts) for key, parts in draft.parts.items()}


def _value(drafts: Drafts, draft: Draft, name: str, parts: list[str]) -> Value:
    text = parts[0] if len(parts) == 1 else "\n".join(parts).rstrip()
    if not text.startswith("\n"):
        return text
    block = {}
    for line in text.splitlines():
        if line := line.strip():
            key, separator, value = (part.strip() for part in line.partition("="))
            if not separator or not key:
                drafts.complain(draft, draft.lines[name], _NO_BLOCK)
            else:
                block[key] = value
    return block
