"""The verb `report`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from recurra.tasks.console import terminal

if TYPE_CHECKING:
    from recurra.report import RunReport

__all__ = ["report"]


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, as recurra train made it")],
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="where to; report in the run folder if not given")] = None,
    sentence: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="draw where the run looks in it; may come more than once", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of sentences")] = False,
) -> None:
    """Say why a run does not learn: a page of its curves, gradients, gates and units, with advice for what stands out."""
    from recurra.report import draw_report
    from recurra.tasks.runs import load

    made = draw_report(load(folder), out, sentences=sentence or ())
    if as_json:
        print((made.folder / "report.json").read_text("utf-8"), end="")
        return
    _show(made)
    print(f"The page is {shlex.quote(str(made.page))}; its pictures (SVG, PNG) and figures (report.json) lie beside it.")


def _show(made: "RunReport") -> None:
    console = terminal()
    if not made.advice:
        console.print("Nothing stands out.\n")
    for number, advice in enumerate(made.advice, 1):
        console.print(f"{number}. {escape(advice.says)}", highlight=False)
        if advice.tries:
            console.print(f"   try {escape(', '.join(advice.tries))}", style="bold", highlight=False)
        print()
    for line in made.figures["missing"]:
        console.print(f"missing: {escape(line)}", style="dim", highlight=False)
