import json

import pytest

from recurra.bench import Contender, Measure, Result, Shape
from recurra.bench.results import geometric_mean
from tests.bench.made import SQUARE_SECONDS, beside_torch, measured, result


def test_geometric_mean() -> None:
    assert geometric_mean([1.0, 10.0, 100.0]) == pytest.approx(10)
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1)


def test_the_ratio_is_the_others_time_over_ours() -> None:
    measure = measured("step", "gru", "step", seconds={Contender.OURS: 2.0, Contender.ONNX: 6.0, Contender.INT8: 1.0})
    assert measure.ratio(Contender.ONNX) == 3
    assert measure.ratio(Contender.ONNX, Contender.INT8) == 6
    assert measure.ratios == {"ONNX Runtime": 3, "recurra, int8 weights": 0.5}


def test_without_ours_there_is_no_ratio() -> None:
    assert measured("step", "gru", "step", seconds={Contender.NN: 2.0}).ratios == {}


def test_share_and_cap() -> None:
    measure = beside_torch(3.0, ours=SQUARE_SECONDS, work=2.0 * 1024**3 / 2)  # half of the work of A @ A in its time
    assert measure.product == pytest.approx(SQUARE_SECONDS / 2)
    assert measure.share == pytest.approx(0.5)
    assert measure.cap() == pytest.approx(6)


def test_the_product_is_no_peer() -> None:
    assert beside_torch(2.0).peers == ["torch.nn"]


class TestJson:
    def test_there_and_back(self) -> None:
        low = {Contender.OURS: 3e6, Contender.LOW_MEMORY: 1e6}
        one = result(
            beside_torch(2.0, threads=2),
            measured("memory", "lstm", "training", seconds={Contender.OURS: 0.5}, memory=low),
            measured("peers", "Keras on JAX", "training", missing={Contender.KERAS: "not installed"}),
            threads=(1, 2),
        )
        again = Result.of(json.loads(json.dumps(one.as_json(), allow_nan=False)))
        assert again.as_json() == one.as_json()
        assert (again.rows, again.roofs, again.threads) == (one.rows, one.roofs, one.threads)
        assert again.measures[1] == one.measures[1]

    def test_what_stands_there(self) -> None:
        table = result(beside_torch(2.0)).as_json()
        assert set(table) == {"command", "machine", "threads", "seconds", "roofs", "rows", "measures"}
        assert table["roofs"] == {"1": {"product": 2e11, "memory": 2e10, "cache": 1e11}}
        [measure] = table["measures"]
        assert set(measure) == {*Measure.__dataclass_fields__, "ratios"}
        assert measure["shape"] == {"batch": 16, "steps": 128, "units": 128}
        assert measure["ratios"] == {"torch.nn": 2.0}
        row = next(row for row in table["rows"] if row["name"].startswith("gru, training: geometric"))
        assert row["reached"] == {"1": {"text": "2.00x", "met": False, "detail": ""}}

    def test_four_digits(self) -> None:
        [measure] = result(beside_torch(1.0, ours=0.123456789)).as_json()["measures"]
        assert measure["seconds"][Contender.OURS] == 0.1235


def test_a_shape_reads_as_pages_write_it() -> None:
    assert str(Shape(1, 128, 32)) == "1, 128, 32"
