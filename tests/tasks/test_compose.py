import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import recurra
from recurra.data import read_pieces
from recurra.data.cadences import cadences
from recurra.data.passages import framed
from recurra.data.pieces import Piece
from recurra.data.rolls import write_json_roll
from recurra.errors import DataError, UsageError
from recurra.tasks import compose
from recurra.tasks.evaluation import Evaluation

SMALL: dict[str, Any] = {"hidden": 24, "nade_hidden": 12, "window": 16, "batch": 4, "check": 80, "lr": 0.02, "transpose": 0}
PIECES = cadences(60)


@pytest.fixture(scope="module")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("data") / "tunes.json"
    path.write_bytes(write_json_roll(PIECES))
    return path


def fit(tunes: Path, folder: Path, **options: Any) -> recurra.Run:
    run: recurra.Run = recurra.Compose(**SMALL | {"grid": 2, "steps": 240, "clip": 10.0} | options).fit(
        tunes, out=folder, show=False
    )
    return run


@pytest.fixture(scope="module", params=["nade", "independent", "events"])
def run(request: pytest.FixtureRequest, tunes: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    more = {"embedding": 16, "stretch": 0.1} if request.param == "events" else {}
    return fit(tunes, tmp_path_factory.mktemp("runs") / request.param, output=request.param, **more)


@pytest.fixture(scope="module")
def evaluation(run: recurra.Run) -> Evaluation:
    made: Evaluation = run.evaluate()
    return made


class TestEvaluate:
    def test_it_learns(self, run: recurra.Run, evaluation: Evaluation) -> None:
        [figure] = evaluation.figures
        assert figure.value < max(figure.baselines.values()) < 61  # nats of 88 keys of which nothing is known
        assert figure.interval[0] < figure.value < figure.interval[1]
        assert run.read("evaluation.json") == evaluation.as_json()

    def test_baselines(self, run: recurra.Run, evaluation: Evaluation) -> None:
        [figure] = evaluation.figures
        if getattr(run.options, "output") == "events":  # noqa: B009
            assert list(figure.baselines) == ["unigram", *(f"Kneser-Ney {n}-gram" for n in range(2, 6))]
        else:
            assert list(figure.baselines) == ["each key by itself", "each key after itself"]

    def test_against_the_model_asked_step_by_step(self, run: recurra.Run, tunes: Path, tmp_path: Path) -> None:
        pieces = PIECES[:3]
        (path := tmp_path / "some.json").write_bytes(write_json_roll(pieces))
        options, model = compose._options(run), compose._opened(run)
        events, sums, count = options.output == "events", 0.0, 0
        with torch.no_grad():
            for piece in read_pieces(path, compose._grid(options)):
                assert isinstance(piece[1], Piece)
                row, _ = framed([piece[1]], events)
                row = np.append(row, 0) if events else row
                state = model.initial(1)
                for t in range(len(row) - 1):
                    now, after = (torch.from_numpy(row[k : k + 1]) for k in (t, t + 1))
                    said, state = model.step(now, state)
                    nats = compose._nats(model, said[:, None], after[:, None])
                    if events or t:
                        sums, count = sums + float(nats), count + 1
        assert run.evaluate(path).figures[0].value == pytest.approx(sums / count, abs=1e-4)

    def test_a_piece_does_not_depend_on_its_company(self, run: recurra.Run) -> None:
        model, grid = compose._opened(run), compose._grid(compose._options(run))
        pieces = PIECES[:5] if grid else [piece.timed(100) for piece in PIECES[:5]]
        together = compose._piece_nats(model, pieces)
        for piece, nats in zip(pieces, together, strict=True):
            [alone] = compose._piece_nats(model, [piece])
            assert np.allclose(alone, nats, atol=1e-5)

    def test_weights_in_fewer_bytes(self, run: recurra.Run, evaluation: Evaluation) -> None:
        [figure] = run.evaluate(weights="int8").figures
        assert figure.held is not None
        assert figure.held.full == evaluation.figures[0].value
        assert 0 < abs(figure.held.difference) < 0.2

    def test_another_file_needs_the_old_one_for_baselines(self, tunes: Path, tmp_path: Path) -> None:
        (path := tmp_path / "own.json").write_bytes(tunes.read_bytes())
        run = fit(path, tmp_path / "run", output="independent", steps=4, check=4)
        path.unlink()
        evaluation = run.evaluate(tunes)
        assert not evaluation.figures[0].baselines
        assert evaluation.notes[0].startswith("no baselines, they need what was learnt from: ")
        with pytest.raises(DataError, match="no such file"):
            run.evaluate()


class TestPredict:
    def test_a_row_for_each_piece(self, run: recurra.Run, tunes: Path, tmp_path: Path) -> None:
        strange = Piece.of_roll("a", (np.random.default_rng(0).random((30, 88)) < 0.05), 4.0)
        silent = Piece.of("a", [], steps=20, rate=4.0)
        (path := tmp_path / "some.json").write_bytes(write_json_roll([PIECES[0], strange, silent]))
        rows = list(run.predict(path))
        assert [row["piece"] for row in rows] == [f"{path}, piece {k}" for k in (1, 2, 3)]
        figure = next(name for name in rows[0] if name.startswith("nats"))
        assert rows[0][figure] < rows[1][figure]
        [(_, first), *_] = read_pieces(path, compose._grid(compose._options(run)))
        assert isinstance(first, Piece)
        assert (rows[0]["notes"], rows[0]["seconds"]) == (len(first), first.seconds)
        assert all(row[figure] is not None for row in rows)

    def test_what_cannot_be_read(self, run: recurra.Run, tunes: Path, tmp_path: Path) -> None:
        (tmp_path / "good.json").write_bytes(tunes.read_bytes())
        (tmp_path / "bad.json").write_text("[")
        first, *others = run.predict(tmp_path)
        assert "bad.json: no JSON" in first["problem"]
        assert len(others) == len(PIECES)
        assert not any(row["problem"] for row in others)

    def test_without_a_file(self, run: recurra.Run) -> None:
        with pytest.raises(UsageError, match="predict wants music"):
            run.predict()


class TestGenerate:
    def test_a_seed_says_all(self, run: recurra.Run) -> None:
        one, same, other = (run.generate(steps=60, seed=seed) for seed in (1, 1, 2))
        assert np.array_equal(one.roll(), same.roll())
        assert not np.array_equal(one.roll(), other.roll())
        assert len(one) > 0

    def test_it_goes_on_from_an_opening(self, run: recurra.Run, tunes: Path) -> None:
        piece = run.generate(steps=40, opening=str(tunes), opening_seconds=2.0)
        known = round(2.0 * piece.rate)
        [(_, first), *_] = read_pieces(tunes, compose._grid(compose._options(run)))
        assert isinstance(first, Piece)
        assert np.array_equal(piece.roll()[: known - 1], first.roll()[: known - 1])
        assert piece.steps > known

    def test_rolls_have_as_many_steps_as_were_asked_for(self, run: recurra.Run) -> None:
        if compose._options(run).output != "events":
            assert run.generate(steps=33).steps == 33

    def test_speed(self, run: recurra.Run) -> None:
        slow, fast = (run.generate(steps=20, speed=speed) for speed in (1.0, 2.0))
        assert fast.seconds == pytest.approx(slow.seconds / 2)

    def test_without_chance(self, run: recurra.Run) -> None:
        one, other = (run.generate(steps=20, temperature=0, seed=seed) for seed in (1, 2))
        assert np.array_equal(one.roll(), other.roll())

    def test_top_p_is_of_events(self, run: recurra.Run) -> None:
        if compose._options(run).output == "events":
            assert run.generate(steps=20, top_p=0.5).steps
        else:
            with pytest.raises(UsageError, match=r"top_p=0\.5: of events; the run has output="):
                run.generate(steps=20, top_p=0.5)

    @pytest.mark.parametrize(("opening", "said"), [("no.mid", "no such file"), ("", "no piece in it to go on from")])
    def test_openings_that_are_none(self, opening: str, said: str, run: recurra.Run, tmp_path: Path) -> None:
        (empty := tmp_path / "empty.json").write_text("[]")
        with pytest.raises(DataError, match=said):
            run.generate(opening=str(tmp_path / opening if opening else empty))


class TestTraining:
    def test_samples_to_be_heard_lie_in_the_run(self, run: recurra.Run) -> None:
        sounds = sorted(file.name for file in (run.folder / "samples").glob("*.wav"))
        assert sounds == [f"{step:06}-sample.wav" for step in (80, 160, 240)]
        lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
        assert all(line["sample"] and "files" not in line for line in lines)

    def test_a_resumed_run_is_the_same(self, tunes: Path, tmp_path: Path) -> None:
        options = recurra.Compose(**SMALL | {"grid": 2, "steps": 12, "check": 4, "transpose": 4})
        whole, half = (compose.begin(options, tunes, tmp_path / name) for name in ("whole", "half"))
        list(whole.reports())
        next(iter(half.reports()))
        list(half.reports())
        one, other = ((run.folder / "weights.safetensors").read_bytes() for run in (whole, half))
        assert one == other

    def test_changed_data(self, tmp_path: Path) -> None:
        (path := tmp_path / "own.json").write_bytes(write_json_roll(PIECES))
        run = compose.begin(recurra.Compose(**SMALL, grid=2, steps=4), path, tmp_path / "run")
        path.write_bytes(write_json_roll(PIECES[1:]))
        with pytest.raises(DataError, match="changed since this run began"):
            run.setup()

    @pytest.mark.parametrize("output", ["nade", "events"])
    def test_a_transformer(self, output: str, tunes: Path, tmp_path: Path) -> None:
        run = fit(tunes, tmp_path / "run", model="transformer", output=output, steps=8, check=8, embedding=16)
        assert math.isfinite(run.evaluate().figures[0].value)
        assert run.generate(steps=10).steps

    def test_the_embedded_default(self) -> None:
        setup = compose.setup(recurra.Compose(**SMALL, output="independent"), None)
        loss = setup.update(setup.batches[0], setup.carry)
        assert 40 < loss.mean.item() < 80  # 88 keys that know nothing: 61 nats
        assert setup.look().value < 80

    def test_stretching_is_of_events(self) -> None:
        with pytest.raises(UsageError, match=r"stretch=0\.1: steps of rolls are no time; wanted stretch=0, or output=events"):
            recurra.Compose(stretch=0.1)

    def test_too_little_music(self, tmp_path: Path) -> None:
        (path := tmp_path / "own.json").write_bytes(write_json_roll(PIECES[:8]))
        with pytest.raises(DataError, match="window=600 wants at least 1200: give more music"):
            compose.begin(recurra.Compose(window=600, held_out=0.5), path, tmp_path / "run")
        assert not (tmp_path / "run").exists()


class TestForeseen:
    def test_probabilities_are_those_of_the_nats(self, run: recurra.Run) -> None:
        if compose._options(run).output == "events":
            with pytest.raises(UsageError, match="output=events foresees events"):
                compose.foreseen(run)
            return
        found = compose.foreseen(run, 24)
        assert found.roll.shape == found.probable.shape == (24, 88)
        nats = -np.log(np.where(found.roll, found.probable, 1 - found.probable)).sum(1)
        piece = compose._kept(run).test[0].opening(24)
        [expected] = compose._piece_nats(compose._opened(run), [piece])
        assert np.allclose(nats, expected, atol=1e-3)

    def test_how_it_goes_on(self, run: recurra.Run) -> None:
        known, own, true = compose.gone_on(run, seconds=6.0, opening=2.0)
        assert known == pytest.approx(2.0)
        steps = round(2.0 * true.rate) - 1
        assert np.array_equal(own.roll()[:steps], true.roll()[:steps])
