"""What a run of the task `tag` found of each label, and what it took for what."""

from collections.abc import Mapping
from typing import Any

from recurra.report.labels import LabelReport, confusion_figure, label_table
from recurra.report.page import Section
from recurra.report.style import Picture

__all__ = ["entity_report"]

WORST = 15  # confusions that a page lists
LONGEST = 60  # characters of words that it shows
NOTHING, OTHER = "nothing", "other ends"


def entity_report(evaluation: Mapping[str, Any]) -> LabelReport:
    """The labels of an evaluation of entities, as its JSON has them, and its most frequent mistakes.

    Example:
        >>> entity_report({}).sections
        []
    """
    found, tables = LabelReport([], [], []), evaluation.get("tables", {})
    if tables.get("labels"):
        found.sections.append(Section("Label by label", label_table(tables["labels"])))
    cells = tables.get("confusion", [])
    if not cells:
        return found
    labels = sorted({cell[side] for cell in cells for side in ("true", "told")} - {""})
    drawn = [{**cell, "told": None if cell["ends"] == "other" else cell["told"]} for cell in cells]
    figure = confusion_figure(labels, drawn, more_true={"": NOTHING}, more_told={None: OTHER, "": NOTHING})
    said = (
        "Rows are true labels, columns what is told of the same words; darker is a larger share of the row. Of an entity told "
        "with other ends some words are found, others not; the last row is what is told where nothing is true."
    )
    picture = Picture("confusion", "What is told of what", said, figure)
    wrong = [cell for cell in cells if cell["true"] != cell["told"] or cell["ends"] == "other"]
    rows = [_told(cell) for cell in wrong[:WORST]]
    share = f"{sum(cell['count'] for cell in wrong[:WORST]):,} of {sum(cell['count'] for cell in wrong):,} mistakes"
    listed = f"<p>{share}, the most frequent kinds first.</p>{label_table(rows)}" if rows else "<p>No mistake.</p>"
    found.pictures.append(picture)
    found.sections.append(Section("What is taken for what", listed, [picture]))
    return found


def _told(cell: Mapping[str, Any]) -> dict[str, Any]:
    words = cell["most often"]
    return {
        "true": cell["true"] or NOTHING,
        "told": cell["told"] or NOTHING,
        "ends": cell["ends"],
        "count": cell["count"],
        "most often": words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}\u2026",
    }
