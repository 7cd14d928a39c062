"""The verb `tune`."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from recurra.cli.words import split
from recurra.tasks.console import terminal

if TYPE_CHECKING:
    from recurra.tasks.tuning import Tuned

__all__ = ["tune"]


def tune(
    task: Annotated[str, typer.Argument(metavar="TASK", help="what is to be trained; recurra tasks lists them")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[DATA] [name=value ...]", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="of the search; runs/tune-TASK if not given")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Search for good options: hidden=64..512 is a range, cell=lstm,gru are choices, all else stays as given.

    Trials that look hopeless end early; the best becomes the run FOLDER/best. The same command goes on after a stop.
    """
    from recurra.tasks import tuning

    data, pairs = split(words or [])
    tuned = tuning.tune(task, data, pairs, out=out, show=not as_json)
    if as_json:
        print(json.dumps(tuned.as_json(), indent=2))
        return
    from recurra.report import draw_curve, draw_tuning

    _show(tuned)
    draw_curve(tuned.best)
    best = shlex.quote(str(tuned.best.folder))
    print(f"\nThe search is pictured in {draw_tuning(tuned)}, its data are {tuned.folder / 'trials.json'}.")
    print("The best score was picked among many, so it flatters a little. Measure on data that no trial looked at:")
    print(f"  recurra evaluate {best} DATA")
    print("To train the best options again:")
    print(f"  {tuned.command}")


def _show(tuned: "Tuned") -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("trial", justify="right")
    for name in tuned.trials[0].options:
        table.add_column(Text(name), justify="right")
    table.add_column("score", justify="right")
    table.add_column("")
    for trial in tuned.ranked:
        value = "" if trial.value is None else f"{trial.value:.4f}"
        state = {"complete": "", "pruned": f"ended after {trial.looks} looks", "failed": trial.reason}[trial.state]
        options = (Text(f"{each:g}" if isinstance(each, float) else str(each)) for each in trial.options.values())
        table.add_row(str(trial.number), *options, value, Text(state), style="" if trial.state == "complete" else "dim")
    terminal().print(table)
    if tuned.importances:
        print("what mattered: " + ", ".join(f"{name} {share:.0%}" for name, share in tuned.importances.items()))
