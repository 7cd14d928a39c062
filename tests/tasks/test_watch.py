import io
import math
from typing import Any

import pytest
from rich.console import Console

from recurra.tasks.console import terminal
from recurra.tasks.evaluation import Evaluation, Figure, Held, Rows
from recurra.tasks.watch import show_evaluation, watch
from recurra.train import Report

REPORT = Report(
    step=100,
    steps=400,
    loss=1.23456,
    metrics={"bits/character": 1.78},
    best=True,
    lr=0.004,
    norm=0.5,
    clipped=0.25,
    skipped=0,
    items_per_second=12345.6,
    seconds=9.0,
    seconds_left=3725.0,
    sample="first [line]\nsecond",
    notes=(),
)


def shown(*reports: Report, width: int = 120) -> str:
    file = io.StringIO()
    watch(reports, Console(file=file, width=width))
    return file.getvalue()


def report(**values: Any) -> Report:
    return REPORT._replace(**values)


class TestWatch:
    def test_a_line_for_each_report(self) -> None:
        heading, line, *_ = shown(report()).splitlines()
        assert heading.split() == ["step", "loss", "bits/character", "items/s", "rate", "gradient", "clipped", "left"]
        assert line.split() == ["100", "1.2346", "1.7800", "12,346", "0.004", "0.500", "25%", "1h02m", "best"]
        assert line.index("1.7800") + 6 == heading.index("bits/character") + len("bits/character")

    def test_samples_now_and_then(self) -> None:
        text = shown(*(report(sample=f"sample {k}") for k in range(11)))
        assert [k for k in range(11) if f"| sample {k}\n" in text] == [0, 5, 10]

    def test_what_looks_like_markup_is_text(self) -> None:
        text = shown(report(notes=("[red]x[/] is [/gone]",), sample="[/] [bold]"))
        assert "note: [red]x[/] is [/gone]" in text
        assert "| [/] [bold]" in text
        assert "      | first [line]\n      | second\n" in shown(report())

    def test_skipped_steps_are_told(self) -> None:
        assert " skipped 3 best" in shown(report(skipped=3))
        assert "best" not in shown(report(best=False))

    @pytest.mark.parametrize(("seconds", "text"), [(0, "0m00s"), (59.6, "1m00s"), (3599.4, "59m59s"), (3600, "1h00m")])
    def test_times(self, seconds: float, text: str) -> None:
        assert text in shown(report(seconds_left=seconds)).split()

    def test_the_heading_comes_again(self) -> None:
        assert shown(*[report()] * 41).count("items/s") == 3

    def test_nothing_and_what_is_not_finite(self) -> None:
        assert shown().strip() == ""
        assert "nan" in shown(report(loss=math.nan, metrics={"bits/character": math.nan}))


class TestShowEvaluation:
    def test_many_figures_beside_the_same_baselines_share_a_table(self) -> None:
        file = io.StringIO()
        held = Held("int8", 0.9, 0.1, (0.05, 0.15))
        many = [Figure(f"figure {k}", k + 1.0, (k + 0.5, k + 1.5), {"naive": k + 2.0}, held) for k in range(3)]
        last = Figure("coverage", 0.7, (0.6, 0.8), {"as promised": 0.8})
        show_evaluation(Evaluation("forecast", "a.csv", (*many, last), ()), Console(file=file, width=100))
        lines = [line.split() for line in file.getvalue().splitlines()]
        assert lines[1:7] == [
            ["who", "figure", "0", "figure", "1", "figure", "2"],
            ["this", "run,", "full", "weights", "0.9", "0.9", "0.9"],
            ["this", "run,", "int8", "weights", "1", "2", "3"],
            ["95", "%", "interval,", "from", "0.5", "1.5", "2.5"],
            ["to", "1.5", "2.5", "3.5"],
            ["naive", "2", "3", "4"],
        ]
        cost = "int8 weights change figure 0 by +0.10000, 95 % interval +0.05000 to +0.15000"
        assert cost in file.getvalue()
        assert ["as", "promised", "0.8000"] in lines

    def test_the_best_comes_first(self) -> None:
        file = io.StringIO()
        figure = Figure("bits", 2.0, (1.9, 2.1), {"unigram": 4.0, "8-gram": 1.5})
        show_evaluation(Evaluation("text", "[a]/b.txt", (figure,), ("[note]",)), Console(file=file, width=100))
        title, _, *rows, _, note = file.getvalue().rstrip("\n").splitlines()
        assert title.strip().startswith("bits")
        assert title.strip().endswith("[a]/b.txt")
        assert [row.split()[0] for row in rows] == ["8-gram", "this", "unigram"]
        assert "1.9000 to 2.1000" in rows[1]
        assert note == "[note]"

    def test_weights_in_fewer_bytes_stand_beside_full_ones(self) -> None:
        file = io.StringIO()
        figure = Figure("bits", 2.0, (1.9, 2.1), {"unigram": 4.0}, Held("int8", 1.99, 0.01, (0.005, 0.015)))
        show_evaluation(Evaluation("text", "x", (figure,), ()), Console(file=file, width=100))
        _, _, full, this, unigram, cost = file.getvalue().rstrip("\n").splitlines()
        assert full.split() == ["this", "run,", "full", "weights", "1.9900"]
        assert this.split()[:5] == ["this", "run,", "int8", "weights", "2.0000"]
        assert unigram.startswith("unigram")
        assert cost == "int8 weights change it by +0.01000, 95 % interval +0.00500 to +0.01500"

    def test_without_baselines_and_interval(self) -> None:
        file = io.StringIO()
        figure = Figure("bits", math.nan, (math.nan, math.nan), {})
        show_evaluation(Evaluation("text", "x", (figure,), ()), Console(file=file, width=100))
        assert "this run" in file.getvalue()


def test_tables_are_shown_as_far_as_they_are_meant_to_be() -> None:
    many = Rows("by label", ("label", "recall"), tuple((f"[{k}]", 0.5) for k in range(32)))
    hidden = Rows("confusion", ("true", "count"), (("secret", 3),), shown=False)
    file = io.StringIO()
    show_evaluation(Evaluation("classify", "a.csv", (), (), (many, hidden)), Console(file=file, width=120))
    text = file.getvalue()
    assert text.splitlines()[:3] == ["by label", "label  recall", "[0]     0.500"]
    assert "[29]" in text
    assert "[30]" not in text
    assert "and 2 rows more, in evaluation.json" in text
    assert "secret" not in text


def test_a_pipe_is_wide_enough(capsys: pytest.CaptureFixture[str]) -> None:
    watch([report(metrics={"bits/character": 1.0, "and/another": 2.0})], terminal())
    assert max(map(len, capsys.readouterr().out.splitlines())) > 80
    watch([report()], terminal(quiet=True))
    assert capsys.readouterr().out == ""
