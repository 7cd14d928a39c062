"""The verb `lr`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from recurra.cli.words import split
from recurra.errors import UsageError, near_miss
from recurra.tasks.console import terminal
from recurra.tasks.options import TASKS

if TYPE_CHECKING:
    from recurra.train import RangeTest

__all__ = ["lr"]

ROWS_PER_DECADE = 3


def lr(
    task: Annotated[str, typer.Argument(metavar="TASK", help="what is to be trained; recurra tasks lists them")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[DATA] [name=value ...]", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="the picture, an SVG, its data beside it; runs/lr-TASK.svg if not given")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Find a learning rate: train a model, which is thrown away, while the rate rises from 1e-6 until the loss diverges.

    Options are those of recurra train TASK; steps=N takes N updates instead of 150.
    """
    if task not in TASKS:
        raise UsageError(f"{task}: no such task; {near_miss(task, TASKS)}")
    data, pairs = split(words or [])
    picture = out or Path("runs") / f"lr-{task}.svg"
    if picture.suffix != ".svg":
        raise UsageError(f"{picture}: wanted a name that ends in .svg")
    test = TASKS[task].parse(pairs).find_lr(data)
    from recurra.report import draw_range_test

    numbers = draw_range_test(test, picture)
    if as_json:
        print(json.dumps(test.as_json(), indent=2))
        return
    _show(test)
    if test.suggestion is None:
        print("\nNo suggestion: the loss did not fall by more than it varies. More steps may show more.")
    else:
        lowest, steepest = f"{test.lowest:.2g}", f"{test.steepest:.2g}"
        print(f"\nlr={test.suggestion:g}: a tenth of {lowest}, where the loss was lowest. It fell fastest at {steepest}.")
    print(f"The picture is {picture}, its data {numbers}.")


def _show(test: "RangeTest") -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("rate", "loss", "smoothed"):
        table.add_column(name, justify="right")
    last = 0.0
    for k, (rate, loss, smoothed) in enumerate(zip(test.rates, test.losses, test.smoothed, strict=True)):
        lowest = rate == test.lowest
        if rate >= last * 10 ** (1 / ROWS_PER_DECADE) or lowest or k == len(test.rates) - 1:
            last = rate
            table.add_row(f"{rate:.2g}", f"{loss:.4f}", f"{smoothed:.4f}", style="green" if lowest else "")
    terminal().print(table)
    print("The loss diverged; the test ended there." if test.diverged else "The loss never diverged.")
