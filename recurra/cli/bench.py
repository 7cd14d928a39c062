"""The verb `bench`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from recurra.bench import Bench, Result
from recurra.cli.words import split
from recurra.errors import UsageError
from recurra.tasks.console import terminal

__all__ = ["bench"]


def bench(
    words: Annotated[list[str] | None, typer.Argument(metavar="[name=value ...]", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="write bench.json, bench.md and pictures there")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of lines and a table")] = False,
) -> None:
    """Measure layers beside torch.nn and other peers; nothing else should run meanwhile."""
    data, pairs = split(words or [])
    if data is not None:
        raise UsageError(f"{data}: bench takes no data; options are name=value")
    result = Bench.parse(pairs).run(out, show=not as_json)
    if as_json:
        print(json.dumps(result.as_json(), indent=2))
    else:
        _show(result)
        if out is not None:
            print(f"\nThe page of this run is {out / 'bench.md'}, its data {out / 'bench.json'}.")


def _show(result: Result) -> None:
    table = Table(box=None, pad_edge=False, title="\nGoals, and what this run reached", title_justify="left")
    table.add_column("")
    table.add_column("goal")
    for threads in result.threads:
        table.add_column(f"{threads} thread{'' if threads == 1 else 's'}")
    for row in result.rows:
        cells = []
        for threads in result.threads:
            text, met, _ = row.reached[threads]
            style = {True: "green", False: "red", None: "dim"}[met]
            cells.append(f"[{style}]{escape(text)}{', missed' if met is False else ''}[/]")
        table.add_row(escape(row.name), escape(row.goal), *cells)
    terminal().print(table)
