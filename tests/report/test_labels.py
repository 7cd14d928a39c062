import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import recurra
from recurra.errors import UsageError
from recurra.report import draw_report
from recurra.report.labels import confusion_figure, label_report

SMALL: dict[str, Any] = {"hidden": 8, "embedding": 6, "steps": 8, "check": 8}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "words.csv"
    path.write_text(
        "text,label\n" + "".join(f"a <b> {'&' if k % 3 else 'c'} {k % 17},{'odd' if k % 3 else 'even'}\n" for k in range(90))
    )
    return path


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    folder = tmp_path_factory.mktemp("runs") / "run"
    return recurra.Classify(**SMALL, pooling="attention").fit(data, out=folder, show=False)


def test_a_confusion_shows_every_count() -> None:
    cells = [
        {"true": "a", "told": "a", "count": 3},
        {"true": "a", "told": "b", "count": 1},
        {"true": "", "told": "b", "count": 2},
    ]
    figure = confusion_figure(["a", "b"], cells)
    [axes] = figure.axes
    assert np.asarray(axes.images[0].get_array()).tolist() == [[0.75, 0.25], [0, 0]]
    assert sorted(text.get_text() for text in axes.texts) == ["1", "3"]
    more = confusion_figure(["a", "b"], cells, more_true={"": "b"}, more_told={None: "none"})
    assert np.asarray(more.axes[0].images[0].get_array()).tolist() == [[0.75, 0.25, 0], [0, 0, 0], [0, 1, 0]]
    assert [text.get_text() for text in more.axes[0].get_yticklabels()] == ["a", "b", "b"]
    many = [{"true": f"label {k}", "told": f"label {k}", "count": 100 - k} for k in range(50)]
    [axes] = confusion_figure([f"label {k}" for k in range(50)], many).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == [f"label {k}" for k in range(30)]


def test_the_page_has_labels_and_steps(run: recurra.Run, tmp_path: Path) -> None:
    made = draw_report(run, tmp_path / "report")
    page = made.page.read_text()
    assert "Label by label" in page
    assert "Which steps mattered" in page
    assert "where attention looks" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert (tmp_path / "report" / "confusion.png").exists()
    kept = json.loads((tmp_path / "report" / "report.json").read_text())["explained"]
    assert 1 <= len(kept) <= 4
    for each in kept:
        assert len(each["pieces"]) == len(each["attributions"]) == len(each["weights"])
        assert each["change"] == pytest.approx(sum(each["attributions"]) + each["missed"])


def test_sentences(run: recurra.Run) -> None:
    [only] = label_report(run, {}, ["", "a <b> c"], []).explained
    assert only["pieces"] == ["a", "<b>", "c"]
    assert only["true"] is None


def test_series_have_a_trace(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    with (tmp_path / "a.jsonl").open("w") as file:
        for k in range(60):
            values = draw.normal(k % 2, 1, (5, 6)).round(3).tolist()
            file.write(json.dumps({"series": values, "label": str(k % 2)}) + "\n")
    run = recurra.Classify(**SMALL).fit(tmp_path / "a.jsonl", out=tmp_path / "run", show=False)
    found = label_report(run, run.read("evaluation.json"), [], [])
    assert [section.title for section in found.sections] == ["Label by label", "Which steps mattered"]
    assert [picture.name for picture in found.pictures[1:]] == [f"steps-{k + 1}" for k in range(len(found.explained))]
    assert np.shape(found.explained[0]["series"]) == (5, 6)
    above, below, *_ = found.pictures[1].figure.axes
    assert len(above.lines) == 4
    shares = [cast("Any", bar).get_height() for bar in below.patches]
    np.testing.assert_allclose(np.array(shares).reshape(2, 5).sum(0), found.explained[0]["attributions"])
    with pytest.raises(UsageError, match="reads series; leave --sentence out"):
        label_report(run, {}, ["a"], [])


def test_data_that_are_gone(data: Path, tmp_path: Path) -> None:
    gone, missing = tmp_path / "gone.csv", list[str]()
    gone.write_text(data.read_text())
    run = recurra.Classify(**SMALL).fit(gone, out=tmp_path / "run", show=False)
    gone.unlink()
    found = label_report(run, run.read("evaluation.json"), [], missing)
    assert [section.title for section in found.sections] == ["Label by label"]
    assert "no steps that mattered" in missing[0]
