"""The verb `compare`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from recurra.cli.words import split
from recurra.tasks.console import terminal

if TYPE_CHECKING:
    from recurra.tasks.compared import Compared, Variant

__all__ = ["compare"]


def compare(
    task: Annotated[str, typer.Argument(metavar="TASK", help="what is to be trained; recurra tasks lists them")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[DATA] [name=value ...]", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="of the comparison; runs/compare-TASK if not given")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Compare variants: cell=lstm,gru trains both with the same data, budget and seeds=N; all else stays as given.

    Each is measured beside naive methods, and told apart from the others or not. The same command goes on after a stop.
    """
    from recurra.tasks import compare as comparing

    data, pairs = split(words or [])
    compared = comparing.compare(task, data, pairs, out=out, show=not as_json)
    from recurra.report import draw_comparison

    picture = draw_comparison(compared)
    if as_json:
        print(json.dumps(compared.as_json(), indent=2))
        return
    _show(compared)
    print(f"\nThe comparison is pictured in {picture}, its data are {compared.folder / 'comparison.json'}.")


def _show(compared: "Compared") -> None:
    console, many = terminal(), len(compared.seeds)
    over = f"mean and 95 % interval over {many} seeds" if many > 1 else "one seed, 95 % interval of the measurement alone"
    console.print(f"\n{compared.figure}, lower is better: {over}", style="bold", highlight=False, markup=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in ("mean", "interval", "parameters", "updates", "training", "items/s", "step", "1k steps", "10k steps"):
        table.add_column(name, justify="right")
    for name, value in sorted(compared.baselines.items(), key=lambda item: item[1]):
        table.add_row(Text(name), f"{value:.5g}", style="dim")
    for row in compared.ranked:
        table.add_row(Text(row.name), *_cells(row))
    console.print(table)
    for sentence in compared.sentences:
        console.print(sentence, highlight=False, markup=False)


def _cells(row: "Variant") -> list[str]:
    updates, seconds, speed = (row.mean(name) for name in ("updates", "seconds", "items_per_second"))
    cells = ["failed" if row.value is None else f"{row.value:.5g}"]
    cells += ["" if row.interval is None else "{:.5g} to {:.5g}".format(*row.interval)]
    if row.costs is None:
        return cells
    cells += [f"{row.costs.parameters:,}", "" if updates is None else f"{updates:,.0f}"]
    cells += ["" if seconds is None else f"{seconds:.4g} s", "" if speed is None else f"{speed:,.0f}"]
    cells += ["" if row.costs.step is None else f"{row.costs.step * 1000:.3g} ms"]
    return [*cells, *(f"{row.costs.memory[n] / 1e6:.3g} MB" if n in row.costs.memory else "" for n in (1_000, 10_000))]
