import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from recurra.report import draw_range_test
from recurra.train import RangeTest

RATES, LOSSES = (0.001, 0.01, 0.1, 1.0), (3.0, 2.0, 1.0, 9.0)
GOOD = RangeTest(RATES, LOSSES, LOSSES, first=1, level=3.0, spread=0.1, diverged=True)


@pytest.mark.parametrize(
    ("test", "said"),
    [(GOOD, "suggestion lr=0.01"), (GOOD._replace(level=1.0), "no suggestion"), (GOOD._replace(spread=9.0), "no suggestion")],
)
def test_a_picture_and_its_data(test: RangeTest, said: str, tmp_path: Path) -> None:
    data = draw_range_test(test, tmp_path / "new" / "lr.svg")
    assert data == tmp_path / "new" / "lr.json"
    assert json.loads(data.read_text()) == json.loads(json.dumps(test.as_json()))
    assert ElementTree.parse(tmp_path / "new" / "lr.svg").getroot().tag.endswith("svg")
    assert said in (tmp_path / "new" / "lr.svg").read_text()


@pytest.mark.parametrize("losses", [(2.0,), (2.0, 2.0), (-5.0, -7.0)])
def test_short_and_flat_ones(losses: tuple[float, ...], tmp_path: Path) -> None:
    test = RangeTest(RATES[: len(losses)], losses, losses, first=1, level=losses[0], spread=0.0, diverged=True)
    draw_range_test(test, tmp_path / "lr.svg")
