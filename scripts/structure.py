"""Draws which room imports which into docs/design.md, from the code; tests/test_structure.py checks the code by it.

usage: python -m scripts.structure
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "shellvault"
DESIGN = ROOT / "docs" / "design.md"

#: The rooms (folders of the package), from the top down: a room may import what is further down, and nothing else.
#: `shared` is every file outside the rooms.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("worker", "watcher"),
    ("dialogue", "service"),
    ("console", "doctor", "rotation"),
    ("importing",),
    ("client",),
    ("hashicorp", "signin"),
    ("sessions",),
    ("plan",),
    ("profiles",),
    ("agent", "browser", "servers", "shells", "vault"),
    ("shared",),
    ("fastlane",),
)

BEGIN, END = "<!-- made by scripts/structure.py -->\n", "<!-- end -->\n"

#: Module → the modules of this package that it imports: at its top, in a function or for its types alone.
Imports = dict[str, set[str]]


def imports() -> Imports:
    """What every module of the package imports."""
    modules = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
    # The package itself holds the version and nothing else, and is loaded before any of its modules.
    return {name: set(_imported(path, modules)) - {name, "shellvault"} for name, path in modules.items()}


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imported(path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module in modules:
            for name in node.names:
                submodule = f"{node.module}.{name.name}"
                yield submodule if submodule in modules else node.module


def room(module: str) -> str:
    """The room that a module is in."""
    _, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    return first if first == "__main__" or ((PACKAGE / first).is_dir() and first) else "shared"


def rooms(found: Imports) -> dict[str, set[str]]:
    """Room → the rooms that it imports."""
    result: dict[str, set[str]] = defaultdict(set)
    for module, targets in found.items():
        result[room(module)].update(room(target) for target in targets)
    return {name: targets - {name} for name, targets in result.items()}


def upward(found: Imports) -> list[str]:
    """The imports that do not go down, and the rooms that no layer names."""
    layer = {name: number for number, names in enumerate(LAYERS) for name in names}
    unknown = sorted({room(module) for module in found} - set(layer))
    if unknown:
        return [f"{name} is in no layer: give it one in scripts/structure.py" for name in unknown]
    return [
        f"{module} imports {target}"
        for module, targets in sorted(found.items())
        for target in sorted(targets)
        if room(module) != room(target) and layer[room(target)] <= layer[room(module)]
    ]


def circle(found: Imports) -> list[str]:
    """Modules of which each imports the one before it, the last the first; empty where there are none."""
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def picture(found: Imports) -> str:
    """A Mermaid flowchart of the rooms: an arrow from each to what it imports."""
    edges = rooms(found)
    lines = ["```mermaid", "flowchart TD"]
    for names in LAYERS:
        for name in sorted(set(names) & set(edges)):
            # Arrows to what every room imports would hide the others.
            targets = sorted(edges[name] - {"shared", "fastlane"})
            lines += [f"    {_node(name)} --> {_node(target)}" for target in targets] or [
                f"    {_node(name)}"
            ]
    return "\n".join([*lines, "```", ""])


def _node(name: str) -> str:
    # `__main__` alone would be text in bold.
    return 'door["__main__.py"]' if name == "__main__" else name


def redrawn(text: str, found: Imports) -> str:
    """The text of docs/design.md with the picture of now."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + picture(found) + END + rest.partition(END)[2]


if __name__ == "__main__":
    DESIGN.write_text(redrawn(DESIGN.read_text("utf-8"), imports()), "utf-8")
