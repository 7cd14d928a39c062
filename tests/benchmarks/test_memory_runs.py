import json
from pathlib import Path

import pytest
import torch

from benchmarks import machine, page
from benchmarks.memory import __main__ as command
from benchmarks.memory import languages
from benchmarks.memory.adding import Adding
from benchmarks.memory.languages import Parity
from benchmarks.memory.network import Network
from benchmarks.memory.options import MemoryOptions
from benchmarks.memory.page import ABOUT
from benchmarks.memory.run import MadeBatches, run
from benchmarks.memory.runs import RUNS, defaults
from benchmarks.memory.tasks import TASKS, make
from recurra.layers.family import FAMILY

SMALL = {"hidden": "8", "batch": "16", "steps": "40", "check": "20", "lr": "0.01", "engine": "fold"}


def words(*changes: str) -> list[str]:
    return [f"{name}={value}" for name, value in (SMALL | dict(one.split("=") for one in changes)).items()]


def small(*changes: str) -> MemoryOptions:
    return MemoryOptions.parse(words(*changes))


@pytest.fixture(autouse=True)
def _short_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "LONGEST", 8)


class TestRun:
    def test_a_short_training_improves(self) -> None:
        result = run(Adding(4), small("cell=gru", "steps=120", "check=40", "batch=32", "lr=0.03"))
        assert result["value"] < 0.5 * result["chance"]
        low, high = result["interval"]
        assert low <= result["value"] <= high
        assert result["updates"] == 120
        assert result["curve"]["updates"] == [40, 80, 120]

    def test_what_is_measured_are_the_last_weights(self) -> None:
        """Two runs that end alike are measured alike, however often they were looked at."""
        one, other = (run(Parity(4), small(f"check={check}"))["value"] for check in (10, 40))
        assert one == other

    def test_how_far_the_gradient_travels(self) -> None:
        found = run(Adding(30), small("cell=elman", "travel=true"))["travel"]
        for when in ("before", "after"):
            shares, horizon = found[when]["shares"], found[when]["horizon"]
            assert shares[0] == 1
            assert shares[horizon] < 0.01 <= shares[horizon - 1]
            assert found[when]["factor"] < 1

    def test_it_goes_on_from_its_folder(self, tmp_path: Path) -> None:
        whole = run(Adding(6), small())
        half = small(f"folder={tmp_path / 'run'}")

        def stop(report: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(Adding(6), half, stop)
        again = run(Adding(6), half)
        assert again["value"] == whole["value"]

    def test_minutes_end_it(self) -> None:
        assert run(Adding(6), small("minutes=1e-9"))["updates"] == 20

    @pytest.mark.parametrize(
        "how",
        [["blocks=true", "layers=2", "dropout=0.1"], ["blocks=true", "convolution=3"], ["average=0.9"], ["layers=2"]],
        ids=str,
    )
    def test_ways_to_build(self, how: list[str]) -> None:
        assert run(Parity(4), small("steps=2", "check=1", *how))["updates"] == 2


def test_convolved_blocks_see_neighbours_and_nothing_to_come() -> None:
    """Without its recurrence a block reads its own step and the one before."""
    torch.manual_seed(0)
    model = Network(Parity(4), small("cell=elman-relu", "blocks=true", "convolution=2")).eval()
    for name, weight in model.named_parameters():
        if name.endswith("recur_weight"):
            torch.nn.init.zeros_(weight)
    x = torch.randn(1, 6, 2, requires_grad=True)
    model(x)[0, 3].sum().backward()
    assert x.grad is not None
    assert x.grad[0].any(1).tolist() == [False, False, True, True, False, False]


class TestBatches:
    def test_functions_of_seed_and_step(self) -> None:
        task = Adding(8)
        one, same, other = (MadeBatches(task, small(f"seed={seed}")) for seed in (1, 1, 2))
        assert torch.equal(one[5].x, same[5].x)
        assert not torch.equal(one[5].x, other[5].x)
        assert not torch.equal(one[5].x, one[6].x)

    def test_a_curriculum_grows(self) -> None:
        batches = MadeBatches(Adding(100), small("curriculum=100"))
        assert [batches[step].x.shape[1] for step in (0, 45, 95, 200)] == [5, 50, 100, 100]


class TestPlan:
    def test_every_run_can_be_begun(self) -> None:
        for one in RUNS:
            options = MemoryOptions.parse(one.options.split())
            assert options.cell in FAMILY
            if not one.task.startswith("mnist"):
                make(one.task, options)
        assert {one.task for one in RUNS} == set(TASKS) == set(ABOUT)

    def test_no_two_are_kept_in_one_place(self) -> None:
        places = [
            (one.task, options.length, options.cell) for one in RUNS if (options := defaults(one.task, one.options.split()))
        ]
        assert len(places) == len(set(places))

    def test_what_is_given_beats_the_plan(self) -> None:
        first = next(one for one in RUNS if one.task == "adding")
        planned = defaults("adding", [])
        assert planned == MemoryOptions.parse(first.options.split())
        changed = defaults("adding", [f"cell={planned.cell}", "lr=0.5"])
        assert changed == planned.model_copy(update={"lr": 0.5})
        assert defaults("copy", ["length=1000"]).length == 1000
        assert defaults("adding", ["cell=mgu", "length=3"]) == MemoryOptions(cell="mgu", length=3)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (machine, command, page):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(page, "DOCS", tmp_path)
    return tmp_path


class TestCommand:
    def test_results_are_kept_and_shown(self, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for changes in (["cell=gru"], ["cell=lstm"], ["cell=gru", "lr=0.02"], ["cell=gru", "seed=1"]):
            assert command.main(["adding", *words("length=6", "steps=4", "check=2", *changes)]) == 0
        assert "mean squared error of chance 0.1667" in capsys.readouterr().out
        runs = json.loads((results / "memory.json").read_text())["runs"]
        assert [(one["cell"], one["seed"], one["options"]["lr"]) for one in runs] == [
            ("gru", 0, 0.02), ("gru", 1, 0.01), ("lstm", 0, 0.01)
        ]  # fmt: skip
        page.main()
        text = (results / "quality.md").read_text()
        assert "\n## Memory\n" in text
        assert "\n- adding: of T numbers two are marked" in text
        assert "| adding, 6 | gru | 2 | " in text
        assert (results / "images" / "memory-adding-6.svg").exists()

    @pytest.mark.parametrize(
        ("given", "complaint"),
        [
            ([], "TASK is one of adding, copy, recall"),
            (["addin"], "addin: no such memory task; did you mean adding?"),
            (["all", "addin"], "addin: no such memory task; did you mean adding?"),
            (["adding", "hiden=3"], "hiden: no such option of MemoryOptions; did you mean hidden?"),
            (["adding", "cell=lstn"], "cell=lstn: did you mean lstm?"),
            (["adding", "length=0.5"], "length=0.5: wanted whole number >= 0 <= 100000"),
            (["adding", "window=5"], "window=5: memory tasks have no use for it"),
            (["adding", "length=1"], "length=1: adding wants at least 2"),
            (["recall", "length=27"], "length=27: recall has 26 keys"),
            (["recall", "length=4", "queries=5"], "queries=5: recall asks for each of 4 pairs once"),
            (["adding", "queries=2"], "queries=2: adding takes none; leave it out"),
        ],
    )
    def test_bad_input(self, given: list[str], complaint: str, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.main(given) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert complaint in line
        assert not list(results.iterdir())

    def test_all_runs_every_seed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        begun: list[tuple[str, int]] = []
        monkeypatch.setattr(command, "_keep", lambda name, options: begun.append((name, options.seed)))
        assert command.main(["all", "parity", "recall"]) == 0
        wanted = [(one.task, seed) for one in RUNS if one.task in ("parity", "recall") for seed in range(one.seeds)]
        assert sorted(begun) == sorted(wanted)
