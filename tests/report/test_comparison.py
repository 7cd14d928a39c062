from pathlib import Path
from xml.etree import ElementTree

import pytest

from recurra.report import comparison_figure, draw_comparison
from recurra.tasks.compared import Compared, Trained, Variant
from recurra.tasks.costs import Costs

COSTS = Costs(1000, 1e-4, "stepper", {1_000: 2_000_000, 10_000: 20_000_000}, {})
BASELINES = {"unigram": 4.8, "4-gram": 2.05, "5-gram": 2.049}


def row(name: str, *values: float, costs: Costs | None = COSTS) -> Variant:
    trainings = {seed: Trained(value, (value - 0.1, value + 0.1), 9, 1.0, 50_000.0) for seed, value in enumerate(values)}
    return Variant(name, {"cell": name}, trainings, costs, {} if values else {"all": "too large"})


def compared(folder: Path, *rows: Variant) -> Compared:
    return Compared(folder, "text", "bits per character", tuple(range(len(rows[0].trainings))), 0, BASELINES, rows)


def test_a_picture(tmp_path: Path) -> None:
    path = draw_comparison(compared(tmp_path, row("lstm", 1.9, 2.0), row("gru", 1.7, 1.8), row("elman")))
    assert path == tmp_path / "comparison.svg"
    assert ElementTree.parse(path).getroot().tag.endswith("svg")
    said = path.read_text()
    assert "over 2 seeds" in said
    assert all(f"<!-- {label} -->" in said for label in ("lstm", "gru", "5-gram", "50,000", "0.1", "20"))
    assert not any(f"<!-- {label} -->" in said for label in ("elman", "unigram", "4-gram"))  # no value; far; no room


def test_the_best_is_on_top(tmp_path: Path) -> None:
    quality = comparison_figure(compared(tmp_path, row("lstm", 1.9), row("gru", 1.7), row("elman", 2.5))).axes[0]
    assert [label.get_text() for label in quality.get_yticklabels()] == ["elman", "lstm", "gru"]
    assert "of the measurement, one seed" in quality.get_xlabel()


@pytest.mark.parametrize("costs", [None, Costs(10, None, "", {}, {"step": "nothing in it recurs"})])
def test_without_costs(costs: Costs | None, tmp_path: Path) -> None:
    assert draw_comparison(compared(tmp_path, row("linear", 1.0, 1.0, costs=costs))).exists()
