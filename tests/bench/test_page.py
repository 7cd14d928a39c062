import re
from pathlib import Path

from recurra.bench import PARTS, Contender, Shape
from recurra.bench.goals import GOALS
from recurra.bench.page import line, page, several, summary
from tests.bench.made import beside_torch, measured, result


def test_a_comparison_in_a_line() -> None:
    told = line(beside_torch(2.5, ours=2e-4))
    assert told == (
        "shapes: gru (16, 128, 128) training, 1 thread: 2.50x torch.nn; recurra 200 us, torch.nn 500 us, A @ A 10 ms"
    )


def test_a_line_says_what_is_missing() -> None:
    lack = {Contender.KERAS: "not installed: pip install keras jax"}
    told = line(measured("peers", "Keras on JAX", "training", missing=lack, threads=2))
    assert told.endswith("2 threads: Keras on JAX: not installed: pip install keras jax")


def test_the_family_beside_lstm_and_fold() -> None:
    wide, seconds = Shape(32, 128, 256), {Contender.OURS: 2.0, Contender.OURS_LSTM: 4.0, Contender.FOLD: 50.0}
    made = [
        measured("family", "gru", "training", seconds=seconds),
        measured("family", "gru", "training", shape=wide, seconds=seconds | {Contender.OURS: 8.0}),
        measured("family", "mlstm", "training", seconds={Contender.OURS: 4.0, Contender.OURS_LSTM: 2.0}),
    ]
    lines = list(summary(result(*made), []))
    assert "## The family" in lines
    assert "| gru | 0.50 | 25.0x | 2.00 | 6.2x |" in lines
    assert "| mlstm | 2.00 |  |  |  |" in lines


class TestPage:
    def test_its_head(self) -> None:
        text = "\n".join(page(result(beside_torch(6.0)), []))
        assert text.startswith(
            "# Speed of the engine\n\n`recurra bench`: 61 seconds on 2 cores of Abacus 5 with BEADS; python 3.11"
        )
        assert "`A @ A` runs at 200 GFLOP/s, reading at 20 GB/s from memory" in text

    def test_every_goal(self) -> None:
        lines = list(page(result(beside_torch(6.0, threads=2), threads=(1, 2)), []))
        assert "|  | goal | 1 thread | 2 threads | in detail |" in lines
        assert "| gru, training: geometric mean over torch.nn | >= 5x | not measured | 6.00x |  |" in lines
        for goal in GOALS:
            assert sum(one.startswith(f"| {goal.name} | {goal.wanted} | ") for one in lines) == 1

    def test_a_goal_that_is_missed_says_so(self) -> None:
        assert "| gru, training: geometric mean over torch.nn | >= 5x | 4.90x, missed |  |" in page(
            result(beside_torch(4.9)), []
        )

    def test_every_comparison_but_the_grid(self) -> None:
        low = {Contender.OURS: 2.0**20, Contender.LOW_MEMORY: 2.0**21}
        seconds = {Contender.OURS: 1.0, Contender.LOW_MEMORY: 20.0}
        lines = list(
            page(
                result(
                    beside_torch(6.0),
                    beside_torch(7.0, part="grid", shape=Shape(1, 2, 3)),
                    measured("memory", "lstm", "training", seconds=seconds, memory=low),
                    measured("cells", "MGU", "training", seconds={Contender.FOLD: 1.0}, missing={Contender.OURS: "not yet"}),
                    measured("step", "gru", "step", seconds={Contender.OURS: 1.0}, missing={Contender.ONNX: "not here"}),
                ),
                [],
            )
        )
        assert "## shapes: training and inference beside torch.nn, and the share of A @ A" in lines
        assert "| gru | training | 16, 128, 128 | 1 | torch.nn | 6.00x | 10 ms | 60 ms | 50% |" in lines
        assert "| lstm | training | 16, 128, 128 | 1 | recurra, memory=low | 20.00x | 1 s, 1 MiB | 20 s, 2 MiB |  |" in lines
        assert "| MGU | training | 16, 128, 128 | 1 | Python fold |  | not yet | 1 s |  |" in lines
        assert "| gru | step | 16, 128, 128 | 1 | ONNX Runtime |  | 1 s | not here |  |" in lines
        assert not [one for one in lines if "1, 2, 3" in one and "worst" not in one]

    def test_where_the_time_goes(self) -> None:
        seconds = {Contender.OURS: 0.02, Contender.DIAGONAL: 0.0085, Contender.PRODUCT: 0.01}  # products would take 0.005
        found = measured("profile", "gru", "training", seconds=seconds, work=2.0 * 1024**3 / 2)
        lines = list(summary(result(found), []))
        assert "## Where the time goes" in lines
        assert "| gru | training | 16, 128, 128 | 1 | 20 ms | 25% | 45% | 30% |" in lines
        assert "## Where the time goes" not in summary(result(beside_torch(4.9)), [])

    def test_pictures(self) -> None:
        assert "![roofline 1 threads](images/roofline-1-threads.svg)" in page(result(), ["images/roofline-1-threads.svg"])

    def test_a_summary_inside_another_page(self) -> None:
        lines = list(summary(result(beside_torch(6.0)), [], level=2))
        assert lines[0] == "## Speed of the engine"
        assert sum(one.startswith("#") for one in lines) == 1


def test_several() -> None:
    assert (several(1, "core"), several(0, "core")) == ("1 core", "0 cores")


def test_the_reference_tells_every_part() -> None:
    text = (Path(__file__).parents[2] / "docs/reference/bench.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(PARTS)
