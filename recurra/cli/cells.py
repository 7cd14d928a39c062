"""The verb `cells`."""

import inspect
import json
import re
import unicodedata
from math import prod
from textwrap import dedent
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from recurra.tasks.console import terminal

if TYPE_CHECKING:
    from recurra.layers import Member

__all__ = ["cells"]

BY_DECISION = """In Python by decision, whatever the cell: convolutional wirings, mlstm, batch statistics inside the recurrence.
recurra cells NAME shows one of them whole."""


def cells(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME ...]", help="show these whole, with the source of their step")
    ] = None,
    size: Annotated[int, typer.Option(help="units to count the parameters for, as many inputs as outputs")] = 256,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """List the cells: equation, paper, when to take which, parameters, and the engine that runs each on this machine."""
    from recurra.layers import FAMILY, member

    told = [_told(name, member(name), size, whole=bool(names)) for name in names or FAMILY]
    if as_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    elif names:
        print("\n\n".join(_page(one, size) for one in told))
    else:
        _show(told, size)


def _told(name: str, one: "Member", size: int, *, whole: bool) -> dict[str, Any]:
    count, engine = _cost(one, size)
    facts: dict[str, Any] = {
        "name": name,
        "equation": one.equation,
        "use": one.use,
        "paper": one.paper,
        "parameters": count,
        "engine": engine,
    }
    return facts | _inside(one) if whole else facts


def _cost(one: "Member", size: int) -> tuple[int, str]:
    """Parameters, and the engine; of a core of its own that of the layer inside it."""
    if one.cell:  # counted without being made: orthogonal starts take their time
        from recurra.engine import choose

        wiring = one.wiring(size, size)
        return sum(prod(start.shape) for start in wiring.weights(one.cell).values()), choose(one.cell, wiring).name
    from recurra.layers import Recurrent

    layer = one.build(size, size)
    engines = [part.engine.name for part in layer.modules() if isinstance(part, Recurrent)]
    return sum(weight.numel() for weight in layer.parameters()), engines[0] if engines else "python"


def _inside(one: "Member") -> dict[str, Any]:
    cell = one.cell
    if cell is None:
        layer = one.build(8, 8)
        return {"about": _plain(layer), "step": _source(layer)}
    wiring = type(one.wiring(8, 8)).__name__
    told: dict[str, Any] = {"about": _plain(cell), "cell": repr(cell), "wiring": wiring, "gates": cell.gates}
    maps = {name: _map(map) for name, map in cell.maps.items()}
    starts = {name: "filled" if callable(start) else start for name, start in cell.vectors.items()}
    more = {"maps": maps, "vectors": starts, "norms": cell.norms, "biases that do not start at 0": dict(cell.bias)}
    return {
        **told,
        **{what: value for what, value in more.items() if value},
        "state": cell.State._fields,
        "step": _source(cell),
    }


def _map(declared: Any) -> str:
    if isinstance(declared, tuple) and not hasattr(declared, "parts"):
        return f"{', '.join(declared)}; starts orthogonal"
    kept = f"stays {declared.matrix}" if declared.matrix != "free" else f"starts {_START[declared.start]}"
    if declared.takes != declared.gives:
        kept = f"{declared.takes} to {declared.gives}"
    return f"{', '.join(declared.parts)}; {kept}{'' if declared.bias else ', no bias'}"


_START = {"orthogonal": "orthogonal", "identity": "at the identity"}


def _plain(thing: object) -> str:
    """What a class says of itself, without formulas and examples."""
    said = inspect.getdoc(type(thing)) or ""
    said = re.sub(r"\n\.\. math::(?:[^\n]*\n?)(?:\n? +[^\n]+)*", "", said.partition("\nExample:")[0])
    said = re.sub(r":math:`([^`]*)`", lambda found: _letters(found[1]), said)
    said = re.sub(r":\w+:`~?(?:[\w.]+\.)?([^`]*)`", r"\1", said)
    return re.sub(r"\n{3,}", "\n\n", said.replace("``", "")).strip()


def _letters(tex: str) -> str:
    r"""A short formula as a terminal shows it.

    >>> _letters(r"\sqrt{1 - |\lambda|^2}")
    'sqrt(1 - |λ|^2)'
    """

    def letter(found: re.Match[str]) -> str:
        case = "CAPITAL" if found[1][0].isupper() else "SMALL"
        try:
            return unicodedata.lookup(f"GREEK {case} LETTER {found[1].upper().replace('LAMBDA', 'LAMDA')}")
        except KeyError:
            return found[1]

    return re.sub(r"\\([A-Za-z]+)", letter, tex).translate(str.maketrans("{}", "()"))


def _source(thing: object) -> str:
    return dedent(inspect.getsource(type(thing).step)).rstrip()  # type: ignore[attr-defined]


def _page(told: dict[str, Any], size: int) -> str:
    facts = {
        f"parameters at {size}": f"{told['parameters']:,}",
        **{name: told[name] for name in ("engine", "paper", "use")},
        **{name: value for name, value in told.items() if name not in _ELSEWHERE},
    }
    lines = [f"{told['name']}: {told['equation']}", "", told["about"], ""]
    lines += [f"{name}: {_listed(value)}" for name, value in facts.items()]
    return "\n".join([*lines, "", told["step"]])


_ELSEWHERE = {"name", "equation", "about", "parameters", "engine", "paper", "use", "step"}


def _listed(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} ({of})" if isinstance(of, str) else f"{name} {of}" for name, of in value.items())
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _show(told: list[dict[str, Any]], size: int) -> None:
    table = Table("cell", "engine", box=None, pad_edge=False)
    table.add_column(f"weights\nat {size}", justify="right")
    table.add_column("equation, and when to take it")
    for one in told:
        what = Text(f"{one['equation']}\n").append(f"{one['use']} ({one['paper']})", style="dim")
        table.add_row(Text(one["name"]), one["engine"], f"{one['parameters']:,}", what)
    console = terminal()
    console.print(table)
    console.print(f"\n{BY_DECISION}", highlight=False, markup=False)
