"""What a run that tells labels tells of what, label by label, and, of the task `classify`, which steps made it so."""

from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from recurra.errors import RecurraError, UsageError
from recurra.report.page import Section
from recurra.report.style import COLOURS, LINES, Picture
from recurra.tasks import classify, labelling
from recurra.tasks.explanations import Explained, explain
from recurra.tasks.options import Classify
from recurra.tasks.runs import Run

__all__ = ["LabelReport", "confusion_figure", "label_report", "label_table"]

WIDEST = 30  # labels that a confusion shows
WRITTEN = 16  # labels up to which it has numbers in its cells
SHOWN = 2  # sequences that are told rightly, and as many that are not, where nobody names any
ASKED = 400  # of those that were measured on, among which they are looked for
LONGEST = 200  # steps that are drawn of one
CHANNELS = 4  # that are drawn of a series
FOR, AGAINST = (0, 114, 178), (213, 94, 0)  # blue and orange, told apart by colour-blind people
STYLE = """<style>
.told { margin: 0 0 1.4rem; max-width: 60rem; break-inside: avoid; }
.told p { margin: .15rem 0; max-width: none; overflow-wrap: anywhere; line-height: 2; }
.told span { padding: .1rem .12rem; border-bottom: 3px solid transparent; white-space: pre-wrap;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.told .for { border-bottom-style: solid; } .told .against { border-bottom-style: dashed; }
</style>"""


class LabelReport(NamedTuple):
    """Sections of a page, their pictures, and what was found of each sequence that is shown."""

    sections: list[Section]
    pictures: list[Picture]
    explained: list[dict[str, Any]]


def label_report(run: Run, evaluation: Mapping[str, Any], sentences: Sequence[str], missing: list[str]) -> LabelReport:
    """The labels of an evaluation, as its JSON has them, and the steps of some sequences, or of those that are asked for.

    Of a run that tells no labels there is nothing, and steps are those of the task `classify` alone; of what cannot be had,
    `missing` gets why not.

    Raises:
        UsageError: sentences for a run that reads series.
    """
    found = LabelReport([], [], [])
    tables = evaluation.get("tables", {})
    if tables.get("confusion"):
        labels = run.read("labels.json")["labels"]
        said = "Rows are true labels, columns what is told of them; darker is a larger share of the row."
        said += f" Only the {WIDEST} most frequent of {len(labels)} labels are drawn." if len(labels) > WIDEST else ""
        picture = Picture("confusion", "What is told of what", said, confusion_figure(labels, tables["confusion"]))
        found.pictures.append(picture)
        found.sections.append(Section("Label by label", label_table(tables.get("by label", [])), [picture]))
    if not isinstance(run.options, Classify):
        return found
    if sentences and run.read("labels.json")["channels"]:
        raise UsageError(f"{run.folder}: reads series; leave --sentence out")
    try:
        given = [(text, None) for text in sentences if text.strip()] or _some(run)
        explained = explain(run, [each for each, _ in given])
    except RecurraError as error:
        missing.append(f"no steps that mattered: {error}")
        return found
    rows = [_row(number, one, true) for number, (one, (_, true)) in enumerate(zip(explained, given, strict=False), 1)]
    found.explained.extend(each for each, _, _ in rows)
    pictures = [picture for _, _, picture in rows if picture is not None]
    found.pictures.extend(pictures)
    if rows:
        what = "log odds of the label" if run.options.output == "label" else "number"
        body = f"{STYLE}<p>What each step adds to the {what}, by integrated gradients: blue and solid for it, orange and "
        body += f"dashed or hatched against it.</p>{''.join(text for _, text, _ in rows)}"
        found.sections.append(Section("Which steps mattered", body, pictures))
    return found


def confusion_figure(
    labels: Sequence[str],
    cells: Sequence[Mapping[str, Any]],
    *,
    more_true: Mapping[Any, str] = MappingProxyType({}),
    more_told: Mapping[Any, str] = MappingProxyType({}),
) -> Figure:
    """A map of true labels and what is told of them, from rows ``true, told, count``; with some more rows and columns.

    These are what no label is, ``""`` or None, and how each is written.
    """
    frequent = {label: sum(cell["count"] for cell in cells if cell["true"] == label) for label in labels}
    kept = sorted(sorted(labels, key=lambda label: -frequent[label])[:WIDEST], key=list(labels).index)
    true, told = ({label: k for k, label in enumerate([*kept, *more])} for more in (more_true, more_told))
    counts = np.zeros((len(true), len(told)), np.int64)
    for cell in cells:
        if cell["true"] in true and cell["told"] in told:
            counts[true[cell["true"]], told[cell["told"]]] += cell["count"]
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    size = 1.6 + 0.36 * len(told) if len(kept) <= WRITTEN else 1.8 + 0.19 * len(told)
    figure = Figure(figsize=(max(4.8, size + 0.6), size), layout="constrained")
    axes: Axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    small = 8 if len(kept) <= WRITTEN else 6.5
    down, across = ([_name(label) for label in (*kept, *more.values())] for more in (more_true, more_told))
    upright = 0 if max(map(len, across)) < 4 else 90
    axes.set_xticks(range(len(across)), across, rotation=upright, fontsize=small, parse_math=False)
    axes.set_yticks(range(len(down)), down, fontsize=small, parse_math=False)
    axes.set_xlabel("told", fontsize=9)
    axes.set_ylabel("true", fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(across) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(down) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#d9d9d9", linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    if len(kept) <= WRITTEN:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.55 else "#1a1a1a"
            axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=7, color=colour)
    return figure


def _some(run: Run) -> list[tuple[Any, str | None]]:
    """Of what was measured on, some that are told rightly, as surely as most are, and the surest of those that are not."""
    test = classify.kept(run).test
    places = np.unique(np.linspace(0, len(test) - 1, min(ASKED, len(test))).astype(np.int64))
    asked = test.take([int(k) for k in places if len(test.inputs[k])])
    whole = labelling.opened(run)
    told = labelling.told(whole, labelling.outputs(whole.model, whole.encoded(asked.inputs)))
    if not whole.known.labels:
        chosen = np.linspace(0, len(asked) - 1, min(2 * SHOWN, len(asked))).astype(int).tolist()
    else:
        right = np.array([whole.known.labels[k] for k in told.argmax(1)]) == np.array(asked.labels)
        order = np.argsort(told.max(1), kind="stable")
        fine, wrong = ([k for k in order.tolist() if right[k] == side] for side in (True, False))
        chosen = fine[len(fine) // 2 : len(fine) // 2 + SHOWN] + wrong[::-1][:SHOWN]
    return [(asked.inputs[k], asked.labels[k]) for k in chosen]


def _row(number: int, one: Explained, true: str | None) -> tuple[dict[str, Any], str, Picture | None]:
    """The figures of one sequence, how a page tells them, and the picture of a series."""
    facts = {"pieces": list(one.pieces)} if one.pieces else {"series": one.series.tolist()}
    facts |= {
        "label": one.label,
        "true": true,
        "probability": one.probability,
        "attributions": one.attributions.tolist(),
        "change": one.change,
        "missed": one.missed,
        "weights": None if one.weights is None else one.weights.tolist(),
    }
    title = f"{one.label} ({one.probability:.2f})" if np.isfinite(one.probability) else one.label
    title += f", truly {true}" if true is not None and true != one.label else ""
    if not one.pieces:
        said = "Above the series, each channel on its own scale"
        said += f" (of {len(one.channels)} those that vary most)" if len(one.channels) > CHANNELS else ""
        said += "; below what each step adds"
        said += " and, as a line, how much attention weighs it." if one.weights is not None else "."
        return facts, "", Picture(f"steps-{number}", title, said, _trace(one))
    lines = [f"<p class='soft'>{escape(title)}</p><p>{_coloured(one)}</p>"]
    if one.weights is not None:
        lines.append(f"<p class='soft'>where attention looks: darker is more</p><p>{_greyed(one)}</p>")
    cut = f"<p class='soft'>and {len(one.pieces) - LONGEST:,} more</p>" if len(one.pieces) > LONGEST else ""
    return facts, f"<div class='told'>{''.join(lines)}{cut}</div>", None


def _coloured(one: Explained) -> str:
    """A text whose pieces are marked by what they add."""
    most, spans = float(np.abs(one.attributions).max()) or 1.0, []
    for piece, share in zip(one.pieces[:LONGEST], one.attributions, strict=False):
        strength = abs(share) / most
        red, green, blue = FOR if share > 0 else AGAINST
        style = f"background:rgba({red},{green},{blue},{0.55 * strength:.2f})"
        style += f";border-bottom-color:rgba({red},{green},{blue},{strength if strength > 0.1 else 0:.2f})"
        side = "for" if share > 0 else "against"
        spans.append(f"<span class='{side}' style='{style}' title='{share:+.3f}'>{_seen(piece)}</span>")
    return _between(one).join(spans)


def _greyed(one: Explained) -> str:
    assert one.weights is not None
    most, spans = float(one.weights.max()) or 1.0, []
    for piece, weight in zip(one.pieces[:LONGEST], one.weights, strict=False):
        style = f"background:rgba(0,0,0,{0.4 * weight / most:.2f})"
        spans.append(f"<span style='{style}' title='{weight:.3f}'>{_seen(piece)}</span>")
    return _between(one).join(spans)


def _between(one: Explained) -> str:
    """Words stand apart, characters and pieces of words do not."""
    whole = all(len(piece) == 1 for piece in one.pieces) or any(piece.startswith(" ") for piece in one.pieces)
    return "" if whole else " "


def _seen(piece: str) -> str:
    return escape(piece).replace("\n", "\u21b5 ")


def _trace(one: Explained) -> Figure:
    """A series, and under it what each step adds."""
    steps = np.arange(len(one.series))
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    spreads = [(float(np.nanstd(channel)), channel) for channel in one.series.T]
    drawn = sorted(range(len(spreads)), key=lambda k: -spreads[k][0])[:CHANNELS]
    for number, k in enumerate(sorted(drawn)):
        spread, channel = spreads[k]
        line = (channel - np.nanmean(channel)) / (spread or 1.0)
        look: dict[str, Any] = {"color": COLOURS[number], "linestyle": LINES[number], "linewidth": 1.2}
        above.plot(steps, line, label=_name(one.channels[k]).replace("$", r"\$"), **look)
    above.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=CHANNELS, fontsize=7, frameon=False, borderaxespad=0.2)
    for side, colour, hatch in ((1, "#0072b2", ""), (-1, "#d55e00", "////")):
        chosen = np.where(np.sign(one.attributions) == side, one.attributions, 0.0)
        below.bar(steps, chosen, width=1.0, color=colour, hatch=hatch, edgecolor="white" if hatch else colour, linewidth=0.2)
    below.axhline(0, color="#555555", linewidth=0.6)
    if one.weights is not None:
        other = below.twinx()
        edge = [Stroke(linewidth=2.8, foreground="white"), Normal()]  # seen on dark bars, too
        other.plot(steps, one.weights, color="#000000", linewidth=1.1, path_effects=edge)
        other.set_ylim(bottom=0)
        other.set_ylabel("attention", fontsize=9)
        other.tick_params(labelsize=7)
        other.spines["top"].set_visible(False)
    below.set_xlabel("step", fontsize=9)
    below.set_ylabel("adds", fontsize=9)
    above.set_ylabel("series", fontsize=9)
    for axes in (above, below):
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def label_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of an evaluation's table, as its JSON has them, in HTML."""
    if not rows:
        return ""
    words = {name for name, value in rows[0].items() if isinstance(value, str)}
    sides = {name: "" if name in words else " class=n" for name in rows[0]}
    head = "".join(f"<th{side}>{escape(name.replace('_', ' '))}</th>" for name, side in sides.items())
    body = "".join(f"<tr>{''.join(_cell(sides[name], value) for name, value in row.items())}</tr>" for row in rows)
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(side: str, value: Any) -> str:
    if value is None:
        text = ""
    elif isinstance(value, str):
        text = value
    else:
        text = f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
    return f"<td{side}>{escape(text)}</td>"


def _name(label: str) -> str:
    return label if len(label) <= 20 else f"{label[:19]}\u2026"
