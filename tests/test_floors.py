"""Imports run down. Every import counts, lazy ones too; nothing is imported here, the sources are only read."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import recurra

ROOT = Path(recurra.__file__).parent
FLOORS = [  # from the bottom; what stands on one line does not import each other
    ["errors"],
    ["state", "lengths", "store", "cache"],
    ["cells"],
    ["wirings"],
    ["engine"],
    ["layers", "losses", "data", "metrics", "drop_in"],
    ["models", "decode"],
    ["train"],
    ["tasks"],
    ["report", "bench"],
    ["cli"],
    ["__main__"],
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
ROOT_ITSELF = ""  # recurra/__init__ resolves names on first use, so that whoever asks it for one may reach any floor
PLAIN = {"__version__"}  # what it holds itself


class Import(NamedTuple):
    """`importer` (a module, dotted below recurra) uses `imported`, at a line of its source."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"recurra.{self.importer}, line {self.line}: imports recurra{'.' if self.imported else ''}{self.imported}"


def modules(root: Path) -> dict[str, Path]:
    """Every source file by its dotted name below the package; the package itself is the empty name."""
    names = {path: path.relative_to(root).with_suffix("").parts for path in sorted(root.rglob("*.py"))}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in names.items()}


def imports(name: str, path: Path, known: set[str]) -> Iterator[Import]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        for target in _targets(node, package):
            if (inside := _inside(target, known)) is not None:
                yield Import(name, inside, getattr(node, "lineno", 0))


def _targets(node: ast.AST, package: str) -> list[str]:
    """Dotted names, from the root of all packages, that a piece of source asks for."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names if alias.name != "recurra"]  # then see the names asked of it
        case ast.ImportFrom(module=module, names=names, level=level):
            parts = ["recurra", *package.split(".")] if package else ["recurra"]
            above = [] if not level else parts[: len(parts) - level + 1]
            return [".".join([*above, *([module] if module else []), alias.name]) for alias in names]
        case ast.Attribute(value=ast.Name(id="recurra"), attr=attr):
            return [f"recurra.{attr}"]
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(target)), *_],
        ):
            return [target]
    return []


def _inside(target: str, known: set[str]) -> str | None:
    """The module below recurra that a dotted name leads to; None for other packages and for what the root itself holds."""
    first, *parts = target.split(".")
    if first != "recurra" or (parts and parts[0] in PLAIN):
        return None
    while parts and ".".join(parts) not in known:
        parts.pop()
    return ".".join(parts)


def wrong(one: Import) -> str | None:
    """Why an import must not be, if so."""
    own, other = one.importer.partition(".")[0], one.imported.partition(".")[0]
    if own == ROOT_ITSELF:
        return f"{one}; the root imports nothing, it resolves names on first use"
    if other == ROOT_ITSELF:
        return f"{one}, which may reach any floor; import the name from its home"
    if own == other or FLOOR[other] < FLOOR[own]:
        return None
    return f"{one}, {'sideways' if FLOOR[other] == FLOOR[own] else 'up'}"


MODULES = modules(ROOT)
IMPORTS = [one for name, path in MODULES.items() for one in imports(name, path, set(MODULES))]


def test_every_module_has_a_floor() -> None:
    homeless = {name for name in MODULES if name and name.partition(".")[0] not in FLOOR}
    assert not homeless, "give them a line in FLOORS"


def test_imports_run_down() -> None:
    complaints = [complaint for one in IMPORTS if (complaint := wrong(one))]
    assert not complaints, "\n".join(complaints)


def test_the_reader_sees_the_imports_there_are() -> None:
    seen = {(one.importer, one.imported) for one in IMPORTS}
    assert {
        ("lengths", "errors"),
        ("wirings.wiring", "cells.cell"),
        ("layers.stack", "layers.core"),
        ("layers.stack", "lengths"),
    } <= seen


@pytest.mark.parametrize(
    ("importer", "source", "complaint"),
    [
        ("engine.fold", "import recurra.layers.stack", "up"),
        ("engine.fold", "from recurra import layers", "up"),
        ("engine.fold", "from recurra.layers.stack import Stack", "up"),
        ("engine.fold", "from ..layers import Stack", "up"),
        ("engine.fold", "from .. import layers", "up"),
        ("engine.fold", "def f():\n    from recurra.layers import Stack", "up"),
        ("engine.fold", "if TYPE_CHECKING:\n    from recurra.layers import Stack", "up"),
        ("engine.fold", "importlib.import_module('recurra.layers')", "up"),
        ("engine.fold", "import recurra\nrecurra.LSTM(3, 5)", "any floor"),
        ("engine.fold", "from recurra import LSTM", "any floor"),
        ("cells.gru", "from recurra.wirings import Dense", "up"),
        ("state", "from recurra.lengths import mask", "sideways"),
        ("errors", "from recurra import state", "up"),
        ("", "from recurra.layers import LSTM", "on first use"),
        ("engine.fold", "from . import kernels", None),
        ("engine.fold", "from .kernels import TorchKernels", None),
        ("engine", "from .kernels import TorchKernels", None),
        ("engine.fold", "from recurra.cells import Cell\nimport torch.nn\nfrom torch import layers", None),
        ("engine.fold", "import recurra\nrecurra.__version__", None),
        ("engine.fold", "from recurra import __version__", None),
        ("wirings", "from recurra.cells import Cell", None),
        ("lengths", "from recurra.errors import ShapeError", None),
    ],
)
def test_what_is_wrong_is_seen(importer: str, source: str, complaint: str | None, tmp_path: Path) -> None:
    path = tmp_path / ("__init__.py" if importer in {"", "engine"} else "module.py")
    path.write_text(source)
    complaints = [why for one in imports(importer, path, set(MODULES)) if (why := wrong(one))]
    assert len(complaints) == (complaint is not None), complaints
    assert not complaint or complaint in complaints[0]
