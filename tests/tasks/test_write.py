import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import recurra
from recurra.data.drawings import Drawing
from recurra.data.scribbles import scribbles
from recurra.errors import DataError, UsageError
from recurra.losses.pen_mixture import END
from recurra.report import keep_drawings
from recurra.tasks import write
from recurra.tasks.evaluation import Evaluation

SMALL: dict[str, Any] = {"hidden": 20, "layers": 1, "components": 4, "windows": 3, "embedding": 6, "batch": 16, "lr": 0.01}
DRAWINGS = scribbles(160)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Numbers, and the same by how many digits they have."""
    made: Path = tmp_path_factory.mktemp("data")
    keep_drawings(DRAWINGS, made / "text.jsonl")
    keep_drawings([one._replace(text=f"of {len(one.text)}") for one in DRAWINGS], made / "class.jsonl")
    return made


def fit(data: Path | None, out: Path, **options: Any) -> recurra.Run:
    run: recurra.Run = recurra.Write(**SMALL | {"steps": 120, "check": 60, "held_out": 0.2} | options).fit(
        data, out=out, show=False
    )
    return run


@pytest.fixture(scope="module", params=["text", "class", "nothing"])
def run(request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    name = "class" if request.param == "class" else "text"
    told = "nothing" if request.param == "nothing" else "auto"
    return fit(folder / f"{name}.jsonl", tmp_path_factory.mktemp("runs") / request.param, told=told)


@pytest.fixture(scope="module")
def evaluation(run: recurra.Run) -> Evaluation:
    made: Evaluation = run.evaluate()
    return made


class TestEvaluate:
    def test_it_learns(self, evaluation: Evaluation, run: recurra.Run) -> None:
        [figure] = evaluation.figures
        assert list(figure.baselines) == ["one Gaussian", "one Gaussian by the pen"]
        assert figure.value < min(figure.baselines.values())
        assert run.read("evaluation.json") == evaluation.as_json()

    def test_against_the_model_asked_point_by_point(self, run: recurra.Run) -> None:
        known, model, one = write._pen(run), write._opened(run), DRAWINGS[5]
        text = one.text if known.told == "text" else "of 2"
        [nats] = write._each(model, known, [one._replace(text=text)])
        told = write._telling(known, torch.tensor([known.ids(text)]), torch.tensor([len(known.ids(text))]))
        state, before, found = None, torch.from_numpy(write._start())[None], []
        with torch.no_grad():
            for point in torch.from_numpy(write._row(one, known.scale)):
                h, state, _ = model(before, told, state)
                before = point[None, None]
                found.append(model.output(h, before).item())
        assert len(found) == len(one.moves) + 1
        assert np.allclose(found, nats, atol=1e-4)

    def test_drawings_do_not_depend_on_their_company(self, run: recurra.Run, folder: Path) -> None:
        known, model = write._pen(run), write._opened(run)
        some = write._all(run, folder / ("class.jsonl" if known.told == "class" else "text.jsonl"))[:7]
        for one, nats in zip(some, write._each(model, known, some), strict=True):
            [alone] = write._each(model, known, [one])
            assert np.allclose(alone, nats, atol=1e-4)

    def test_another_file(self, run: recurra.Run, folder: Path) -> None:
        evaluation = run.evaluate(folder / "text.jsonl")
        assert evaluation.notes[-1].startswith("160 drawings, ")
        assert evaluation.figures[0].baselines
        with pytest.raises(UsageError, match="weights=int8: not of the task write"):
            run.evaluate(weights="int8")

    def test_predict(self, run: recurra.Run, folder: Path) -> None:
        rows = list(run.predict(folder / "text.jsonl"))
        assert [row["drawing"] for row in rows] == list(range(1, 161))
        assert [row["points"] for row in rows] == [len(one.moves) for one in DRAWINGS]
        with pytest.raises(UsageError, match="predict wants drawings"):
            run.predict()


class TestGenerate:
    def test_a_seed_says_all(self, run: recurra.Run) -> None:
        one, same, other = (run.generate(count=3, points=30, seed=seed) for seed in (1, 1, 2))
        assert all(np.array_equal(a.moves, b.moves) for a, b in zip(one, same, strict=True))
        assert any(not np.array_equal(a.moves, b.moves) for a, b in zip(one, other, strict=True))
        assert len(one) == 3
        assert all(len(each.moves) <= 30 for each in one)

    def test_what_is_told(self, run: recurra.Run) -> None:
        told = write._pen(run).told
        if told == "nothing":
            with pytest.raises(UsageError, match="text=12: the run draws freely"):
                run.generate(text="12")
            assert [one.text for one in run.generate(count=2, points=5)] == ["", ""]
        elif told == "class":
            assert [one.text for one in run.generate(text="of 3", points=5)] == ["of 3"]
            with pytest.raises(UsageError, match=r"text=of 9: no such class; did you mean of "):
                run.generate(text="of 9")
        else:
            assert [one.text for one in run.generate(text="2026", count=2, points=5)] == ["2026"] * 2
            with pytest.raises(UsageError, match=r"text=2x: 'x' was never learnt; wanted letters of '0123456789'"):
                run.generate(text="2x")
            texts = {one.text for one in DRAWINGS}
            assert {one.text for one in run.generate(count=4, points=5)} <= texts

    def test_a_hand_to_go_on_with(self, run: recurra.Run, folder: Path) -> None:
        plain, primed = (run.generate(points=20, prime=prime) for prime in ("", str(folder / "text.jsonl")))
        assert not np.array_equal(plain[0].moves, primed[0].moves)
        with pytest.raises(DataError, match="no such file"):
            run.generate(prime="no.jsonl")

    def test_what_grows_upwards_is_turned(self) -> None:
        known = write.Known(2.0, "nothing", (), upwards=True)
        row = np.array([[1, 1, 0], [1, 1, 1], [0, 0, END]], np.float32)
        assert write._drawing(row, known, "").moves.tolist() == [[2, -2, 0], [2, -2, 1]]

    def test_where_the_window_looks(self, run: recurra.Run) -> None:
        if write._pen(run).told != "text":
            with pytest.raises(UsageError, match="a window is there where texts are told"):
                write.looked(run)
            return
        found = write.looked(run)
        assert len(found) == 2
        for one in found:
            assert one.weights.shape == (len(one.drawing.moves) + 1, len(one.drawing.text))
            assert (one.weights >= 0).all()


class TestTraining:
    def test_samples_to_be_seen_lie_in_the_run(self, run: recurra.Run) -> None:
        for step in (60, 120):
            assert (run.folder / "samples" / f"{step:06}-sample.svg").read_text().startswith("<svg")

    def test_what_is_told_follows_from_the_texts(self, run: recurra.Run) -> None:
        kept = run.read("pen.json")
        wanted = {"text": list("0123456789"), "class": ["of 1", "of 2", "of 3", "of 4"], "nothing": []}
        assert kept["symbols"] == wanted[kept["told"]]

    def test_a_resumed_run_is_the_same(self, folder: Path, tmp_path: Path) -> None:
        options = recurra.Write(**SMALL, steps=12, check=4)
        whole, half = (write.begin(options, folder / "text.jsonl", tmp_path / name) for name in ("whole", "half"))
        list(whole.reports())
        next(iter(half.reports()))
        list(half.reports())
        one, other = ((run.folder / "weights.safetensors").read_bytes() for run in (whole, half))
        assert one == other

    def test_the_embedded_default(self) -> None:
        setup = write.setup(recurra.Write(**SMALL), None)
        assert 0 < setup.update(setup.batches[0], setup.carry).mean.item() < 10
        look = setup.look()
        assert look.sample.startswith("drawn in samples/: ")

    def test_too_long_ones_are_left_out(self, folder: Path, tmp_path: Path) -> None:
        run = write.begin(recurra.Write(**SMALL, longest=30, steps=1), folder / "text.jsonl", tmp_path / "run")
        assert any("of more than longest=30 points left out" in note for note in run.facts["data"]["notes"])
        with pytest.raises(DataError, match="no drawing of at most longest=2 points"):
            write.begin(recurra.Write(**SMALL, longest=2), folder / "text.jsonl", tmp_path / "other")

    def test_one_text_for_all(self, tmp_path: Path) -> None:
        same = keep_drawings([one._replace(text="a") for one in DRAWINGS], tmp_path / "a.jsonl")
        assert write._known(recurra.Write(), [one._replace(text="a") for one in DRAWINGS]).told == "nothing"
        with pytest.raises(DataError, match="all drawings say 'a'; wanted several texts or classes, or told=nothing"):
            write.begin(recurra.Write(**SMALL, told="class"), same, tmp_path / "run")

    def test_log_lines_hold_no_pictures(self, run: recurra.Run) -> None:
        lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
        assert all("files" not in line for line in lines)


def test_letters_never_learnt_are_read_as_unknown() -> None:
    known = write.Known(1.0, "text", ("a", "b"), upwards=False)
    assert known.ids("abc") == [1, 2, 0, 3]
    assert known.size == 4
    of_class = write.Known(1.0, "class", ("a", "b"), upwards=False)
    assert (of_class.ids("b"), of_class.ids("c"), of_class.size) == ([2], [0], 3)
    assert Drawing(np.zeros((1, 3), np.float32)).text == ""
