"""Profiles that shellvault writes and keeps up to date. A key marks them, and no other profile is changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shellvault.profiles.edit import header_of, rewrite
from shellvault.profiles.parse import ConfigFile

#: The key that marks such a profile; its value names the origin. The AWS CLI ignores it.
MARK = "shellvault_generated_from"


@dataclass(frozen=True, slots=True)
class Changes:
    """What a run changes, by profile name; `conflicts` exist without the mark and stay as they are."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def changes(
    config: ConfigFile, origin: str, wanted: Mapping[str, Mapping[str, str]], *, prune: bool
) -> Changes:
    """The changes that make the profiles of `origin` equal to `wanted`; `prune` removes the other ones of `origin`."""
    ours = {name for name, section in config.profiles.items() if section.values.get(MARK) == origin}
    there = wanted.keys() & config.profiles.keys()
    different = {
        name for name in there & ours if dict(config.profiles[name].values) != _marked(origin, wanted[name])
    }
    return Changes(
        tuple(sorted(wanted.keys() - config.profiles.keys())),
        tuple(sorted(different)),
        tuple(sorted(ours - wanted.keys())) if prune else (),
        tuple(sorted(there - ours)),
    )


def apply(path: Path, origin: str, wanted: Mapping[str, Mapping[str, str]], *, prune: bool) -> Changes:
    """Makes the changes in the config file, every other byte as it was. Raises ConfigError."""
    made: list[Changes] = []

    def edit(text: str, config: ConfigFile) -> str:
        made.append(changes(config, origin, wanted, prune=prune))
        return _edited(text, config, origin, wanted, made[-1])

    def expect(before: ConfigFile) -> dict[str, dict[str, object]]:
        kept: dict[str, dict[str, object]] = {
            name: dict(section.values) for name, section in before.profiles.items()
        }
        for name in made[-1].removed:
            del kept[name]
        return kept | {
            name: dict(_marked(origin, wanted[name])) for name in (*made[-1].added, *made[-1].changed)
        }

    rewrite(path, edit, expect)
    return made[-1]


def _marked(origin: str, settings: Mapping[str, str]) -> dict[str, str]:
    return {**settings, MARK: origin}


def _edited(
    text: str, config: ConfigFile, origin: str, wanted: Mapping[str, Mapping[str, str]], due: Changes
) -> str:
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith(("\r", "\n")):
        lines[-1] += end

    def rendered(name: str) -> list[str]:
        settings = _marked(origin, wanted[name])
        return [f"[{header_of(name)}]{end}", *(f"{key} = {value}{end}" for key, value in settings.items())]

    spots = _spots(lines, config, origin, due)
    insertions: dict[int, list[str]] = {}
    for name in due.added:
        later = [start for other, (start, _) in spots.items() if other > name]
        place = min(later) if later else max((stop for _, stop in spots.values()), default=len(lines))
        insertions.setdefault(place, []).append(name)
    result: list[str] = []
    index = 0
    starts = {start: (name, stop) for name, (start, stop) in spots.items()}
    while index <= len(lines):
        for name in insertions.get(index, ()):
            if result and result[-1].strip():
                result.append(end)
            result += rendered(name)
            if index < len(lines) and lines[index].strip():
                result.append(end)
        if index == len(lines):
            break
        name, stop = starts.get(index, ("", index))
        if name in due.removed:
            # One of the blank lines around it is removed, too.
            has_blank = stop < len(lines) and not lines[stop].strip()
            if stop == len(lines) and result and not result[-1].strip():
                result.pop()
            index = stop + 1 if has_blank else stop
        elif name in due.changed:
            result += rendered(name)
            index = stop
        else:
            result.append(lines[index])
            index += 1
    return "".join(result)


def _spots(lines: list[str], config: ConfigFile, origin: str, due: Changes) -> dict[str, tuple[int, int]]:
    """Where each profile of ours begins and ends: its header, and the lines after it that are not blank."""
    spots = {}
    for name, section in config.profiles.items():
        if section.values.get(MARK) != origin:
            continue
        start = section.line - 1
        stop = start + 1
        while stop < len(lines) and lines[stop].strip() and not lines[stop].lstrip().startswith("["):
            stop += 1
        spots[name] = (start, stop)
    return spots
