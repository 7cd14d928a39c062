"""Training and measurements as a person sees them on a terminal; plain lines elsewhere."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recurra.data.counts import told_count
from recurra.tasks.evaluation import Evaluation, Figure, Held, Rows
from recurra.train import Report

__all__ = ["show_evaluation", "watch"]

LINES = 30
"""Rows of a table that a terminal shows."""
MANY = 2
"""More figures than these stand in one table, where their baselines are the same."""


def watch(reports: Iterable[Report], console: Console) -> None:
    """Print a line for each report as it comes, samples now and then, and between them how long it will take."""
    with console.status("preparing") as status:
        for number, report in enumerate(reports):
            for note in report.notes:
                console.print(f"note: {escape(note)}", style="yellow")
            if number % 20 == 0:
                console.print(_heading(report), style="bold", highlight=False)
            console.print(_line(report), highlight=False, style="green" if report.best else "")
            if report.sample and number % 5 == 0:
                console.print("".join(f"      | {escape(line)}\n" for line in report.sample.splitlines()), style="dim", end="")
            status.update(f"step {report.step} of {report.steps}, {_time(report.seconds_left)} left; Ctrl-C saves and stops")


def show_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Print each figure beside its baselines, the best first; several in a row that have the same ones in one table."""
    for _, some in groupby(evaluation.figures, lambda figure: (list(figure.baselines), figure.higher)):
        figures = list(some)
        if len(figures) > MANY:
            _show_many(figures, evaluation.data, console)
        else:
            for figure in figures:
                _show_one(figure, evaluation.data, console)
    for rows in evaluation.tables:
        if rows.shown:
            _show_rows(rows, console)
    for note in evaluation.notes:
        console.print(escape(note), highlight=False)


def _show_rows(rows: Rows, console: Console) -> None:
    console.print(escape(rows.name), style="bold", highlight=False)
    table = Table(box=None, pad_edge=False)
    for k, name in enumerate(rows.columns):
        table.add_column(escape(name), justify="right" if k else "left")
    for row in rows.rows[:LINES]:
        table.add_row(*(f"{cell:.3f}" if isinstance(cell, float) else escape(str(cell)) for cell in row))
    console.print(table)
    if len(rows.rows) > LINES:
        console.print(f"and {told_count(len(rows.rows) - LINES, 'row')} more, in evaluation.json", highlight=False)
    console.print()


def _show_one(figure: Figure, data: str, console: Console) -> None:
    console.print(f"{figure.name}: {escape(data)}", style="bold", highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("who", min_width=24)
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    held = figure.held
    rows = [(_this(held), figure.value, _interval(figure.interval, ".4f"), "bold")]
    rows += [] if held is None else [("this run, full weights", held.full, "", "")]
    rows += [(name, value, "", "") for name, value in figure.baselines.items()]
    for name, value, interval, style in sorted(rows, key=lambda row: row[1], reverse=figure.higher):
        table.add_row(name, f"{value:.4f}", interval, style=style)
    console.print(table)
    if held is not None:
        console.print(f"{held.weights} weights change it by {_cost(held)}", highlight=False)
    console.print()


def _show_many(figures: Sequence[Figure], data: str, console: Console) -> None:
    first, *_ = figures
    console.print(f"{'higher' if first.higher else 'lower'} is better: {escape(data)}", style="bold", highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("who", min_width=24)
    for figure in figures:
        table.add_column(figure.name, justify="right")
    rows = {name: [figure.baselines[name] for figure in figures] for name in first.baselines}
    rows |= {_this(first.held): [figure.value for figure in figures]}
    if first.held is not None:
        rows |= {"this run, full weights": [figure.held.full for figure in figures if figure.held]}
    for name, values in sorted(rows.items(), key=lambda row: row[1][0], reverse=first.higher):
        table.add_row(name, *(f"{value:.4g}" for value in values), style="bold" if name == _this(first.held) else "")
        if name == _this(first.held) and first.interval[0] <= first.interval[1]:
            for word, end in (("  95 % interval, from", 0), ("  to", 1)):
                table.add_row(word, *(f"{figure.interval[end]:.4g}" for figure in figures), style="dim")
    console.print(table)
    if first.held is not None:
        console.print(f"{first.held.weights} weights change {first.name} by {_cost(first.held)}", highlight=False)
    console.print()


def _this(held: Held | None) -> str:
    return "this run" if held is None else f"this run, {held.weights} weights"


def _cost(held: Held) -> str:
    return f"{held.difference:+.5f}, 95 % interval {_interval(held.interval, '+.5f')}"


def _interval(ends: tuple[float, float], form: str) -> str:
    low, high = ends
    return f"{low:{form}} to {high:{form}}" if low <= high else "none"


def _heading(report: Report) -> str:
    metrics = "".join(f"{name:>16}" for name in report.metrics)
    return f"{'step':>7}{'loss':>8}{metrics}{'items/s':>9}{'rate':>8}{'gradient':>9}{'clipped':>8}{'left':>7}"


def _line(report: Report) -> str:
    metrics = "".join(f"{value:16.4f}" for value in report.metrics.values())
    skipped = f" skipped {report.skipped}" if report.skipped else ""
    return (
        f"{report.step:7}{report.loss:8.4f}{metrics}{report.items_per_second:9,.0f}{report.lr:8.2g}{report.norm:9.3f}"
        f"{report.clipped:8.0%}{_time(report.seconds_left):>7}{skipped}{' best' if report.best else ''}"
    )


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"
