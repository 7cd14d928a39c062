from typing import Any

from recurra.report.entities import WORST, entity_report

LABELS = [{"label": "LOC", "true": 4, "F1": 0.5}, {"label": "PER", "true": 9, "F1": 0.75}]
ANSWERS = [
    ("PER", "PER", "same", 7, "Ann"),
    ("PER", "", "", 2, "<b>"),
    ("LOC", "PER", "same", 3, "Rome"),
    ("LOC", "LOC", "other", 1, "a" * 99),
    ("", "LOC", "", 5, "In"),
]
CELLS: list[dict[str, Any]] = [dict(zip(("true", "told", "ends", "count", "most often"), one, strict=True)) for one in ANSWERS]


def test_labels_and_mistakes() -> None:
    found = entity_report({"tables": {"labels": LABELS, "confusion": CELLS}})
    labels, taken = found.sections
    assert (labels.title, taken.title) == ("Label by label", "What is taken for what")
    assert "0.750" in labels.body
    assert "11 of 11 mistakes" in taken.body
    assert taken.body.index("Rome") > taken.body.index("&lt;b&gt;")
    assert "Ann" not in taken.body
    assert "a" * 60 not in taken.body
    [picture] = found.pictures
    [axes] = picture.figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["LOC", "PER", "other ends", "nothing"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["LOC", "PER", "nothing"]
    assert sorted(text.get_text() for text in axes.texts) == ["1", "2", "3", "5", "7"]


def test_labels_may_be_called_as_the_other_rows_and_columns() -> None:
    names = {"PER": "nothing", "LOC": "other ends"}
    cells = [cell | {side: names.get(cell[side], "") for side in ("true", "told")} for cell in CELLS]
    [axes] = entity_report({"tables": {"confusion": cells}}).pictures[0].figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["nothing", "other ends", "other ends", "nothing"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["nothing", "other ends", "nothing"]
    counts = {text.get_position(): text.get_text() for text in axes.texts}
    assert counts == {(0, 0): "7", (3, 0): "2", (0, 1): "3", (2, 1): "1", (1, 2): "5"}


def test_the_most_frequent_kinds_are_listed() -> None:
    cells = [{"true": f"A{k}", "told": "", "ends": "", "count": 100 - k, "most often": "x"} for k in range(WORST + 5)]
    body = entity_report({"tables": {"confusion": cells}}).sections[0].body
    assert (body.count("<tr>"), "A14" in body, "A15" in body) == (WORST + 1, True, False)


def test_nothing_wrong() -> None:
    assert "No mistake." in entity_report({"tables": {"confusion": CELLS[:1]}}).sections[0].body
