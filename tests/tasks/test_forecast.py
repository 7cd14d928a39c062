"""The task `forecast`: from a table to figures, a band, predictions and scores."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pytest
import torch

import recurra
from recurra import store
from recurra.data import SeriesBatch, air_passengers
from recurra.errors import DataError, UsageError
from recurra.models.forecasters import Forecaster
from recurra.report import draw_predictions
from recurra.tasks import backtest, forecast, rolling, telling
from recurra.tasks.options import Forecast
from recurra.tasks.plan import decide

SMALL: dict[str, Any] = {"hidden": 16, "steps": 60, "check": 20, "lr": 0.01, "batch": 16, "horizon": 4, "window": 14}


def table(path: Path, steps: int = 200, *, seed: int = 0, shift: int = 0, names: tuple[str, ...] = ("sales",)) -> Path:
    """Daily rows with a weekly wave and a little noise."""
    random = np.random.default_rng(seed)
    days = np.datetime64("2023-01-01") + np.arange(shift, shift + steps)
    lines = [",".join(["day", *names])]
    for k, day in enumerate(days, shift):
        wave = 50 + 10 * np.sin(2 * np.pi * k / 7) + 0.05 * k
        lines.append(",".join([str(day), *(f"{wave + 20 * n + random.normal():.3f}" for n in range(len(names)))]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    folder = tmp_path_factory.mktemp("forecast")
    run: recurra.Run = Forecast(**SMALL).fit(table(folder / "sales.csv"), out=folder / "run", show=False)
    return run


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One more number each time a network runs."""
    calls, plain = list[int](), Forecaster.forward

    def forward(model: Forecaster, window: SeriesBatch) -> Any:
        calls.append(len(window.x))
        return plain(model, window)

    monkeypatch.setattr(Forecaster, "forward", forward)
    return calls


class TestRun:
    def test_figures_beside_naive_forecasts(self, made: recurra.Run) -> None:
        metrics = json.loads((made.folder / "evaluation.json").read_text())["metrics"]
        assert list(metrics)[:7] == list(forecast.FIGURES)
        assert set(metrics["MAE"]["baselines"]) >= {"repeat last", "drift", "seasonal naive 7"}
        assert metrics["MAE"]["value"] < metrics["MAE"]["baselines"]["repeat last"]
        assert metrics["MAE"]["interval"][0] < metrics["MAE"]["value"] < metrics["MAE"]["interval"][1]
        covered = metrics["coverage of the 80% band"]
        assert covered["baselines"] == {"as promised": 0.8}
        assert 0.7 < covered["value"] <= 1

    def test_the_first_note_tells_of_skill(self, made: recurra.Run) -> None:
        first, second, *_ = made.evaluate().notes
        assert first.startswith(("no skill: ", "scaled MAE: "))
        assert second.startswith("37 origins, one every 1 day, each 4 ahead from 14 before; gap 0")

    def test_the_mean_absolute_error_is_that_of_the_predictions(self, made: recurra.Run) -> None:
        """The figure of one origin, computed again from what `predict` writes."""
        rows = list(made.predict(hold=4))
        assert len(rows) == 4
        error = float(np.mean([abs(row["forecast"] - row["true"]) for row in rows]))
        problem = forecast._problem(made)
        last = problem.part(2)
        last.of, last.origins = last.of[-1:], last.origins[-1:]
        model = forecast._trained(made, problem)
        totals = rolling.measured(model, problem, last, forecast._band(made, problem, model))
        assert totals.figures()["MAE"] == pytest.approx(error, rel=1e-9)

    def test_weights_in_fewer_bytes_and_what_they_cost(self, made: recurra.Run) -> None:
        held = {figure.name: figure.held for figure in made.evaluate(weights="bfloat16").figures}
        full = {figure.name: figure.value for figure in made.evaluate().figures}
        cost = held["MAE"]
        assert cost is not None
        assert cost.full == full["MAE"]
        assert 0 < abs(cost.difference) < 0.05 * full["MAE"]
        assert cost.interval[0] <= cost.difference <= cost.interval[1]

    def test_later_data(self, made: recurra.Run, tmp_path: Path) -> None:
        figures = {figure.name: figure for figure in made.evaluate(table(tmp_path / "later.csv", 60, shift=200)).figures}
        assert figures["MAE"].value < figures["MAE"].baselines["repeat last"]

    def test_the_same_data_again_give_the_same(self, made: recurra.Run) -> None:
        again = forecast._problem(made)
        later = backtest.Problem.later(Forecast(**made.options.model_dump()), made.read("series.json"), forecast.read(made))
        for mine, theirs in zip(again.series, later.series, strict=True):
            np.testing.assert_allclose(mine.known, theirs.known)
        assert again.plan == later.plan
        for one, other in zip((*again.scale, *again.units), (*later.scale, *later.units), strict=True):
            np.testing.assert_allclose(np.stack(one), np.stack(other))

    def test_data_that_changed(self, tmp_path: Path) -> None:
        data = table(tmp_path / "sales.csv")
        run = Forecast(**SMALL | {"steps": 2, "check": 2}).fit(data, out=tmp_path / "run", show=False)
        table(data, 201)
        with pytest.raises(DataError, match="changed since this run began"):
            list(run.predict())

    def test_resumed_it_ends_the_same(self, made: recurra.Run, tmp_path: Path) -> None:
        begun = forecast.begin(Forecast(**SMALL), Path(made.source), tmp_path / "run")
        for report in begun.reports():
            if report.step == 20:
                break
        recurra.load(begun.folder).train(show=False)
        ours, theirs = (store.read_tensors(run.folder / "weights.safetensors") for run in (made, begun))
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


class TestPredict:
    def test_the_future(self, made: recurra.Run) -> None:
        rows = list(made.predict())
        assert [row["time"] for row in rows] == ["2023-07-20", "2023-07-21", "2023-07-22", "2023-07-23"]
        assert all(row["lower"] < row["forecast"] < row["upper"] for row in rows)
        assert all("true" not in row for row in rows)

    def test_the_past_beside_the_truth(self, made: recurra.Run) -> None:
        rows = list(made.predict(hold=7))
        assert [row["time"] for row in rows] == [str(np.datetime64("2023-07-13") + k) for k in range(7)]
        assert all(abs(row["true"] - row["forecast"]) < 12 for row in rows)

    def test_what_is_held_back_is_not_read(self, made: recurra.Run, tmp_path: Path) -> None:
        source = Path(made.source).read_text().splitlines()
        shorter = tmp_path / "shorter.csv"
        shorter.write_text("\n".join(source[:-4]) + "\n")
        held, cut = list(made.predict(hold=4)), list(made.predict(shorter))
        assert [row["forecast"] for row in held] == pytest.approx([row["forecast"] for row in cut], rel=1e-5)

    def test_scores(self, made: recurra.Run, tmp_path: Path) -> None:
        lines = Path(made.source).read_text().splitlines()
        day, _ = lines[150].split(",")
        lines[150] = f"{day},200"
        strange = tmp_path / "strange.csv"
        strange.write_text("\n".join(lines) + "\n")
        rows = {row["time"]: row for row in made.predict(strange, score=True)}
        assert next(time for time in rows if rows[time]["score"] > 10) == day  # the day after is strange, too, beside it
        assert np.median([row["score"] for row in rows.values()]) < 1

    @pytest.mark.parametrize("log", [False, True])
    def test_scores_of_a_distribution(self, log: bool, tmp_path: Path) -> None:
        """The density at each value is that of the normal distribution whose quantiles are told."""
        options = Forecast(**SMALL | {"steps": 40, "check": 40}, loss="gaussian", log=log)
        run = options.fit(table(tmp_path / "sales.csv"), out=tmp_path / "run", show=False)
        problem = forecast._problem(run)
        model = forecast._trained(run, problem)
        rows = list(run.predict(score=True))
        window = problem.whole(beyond=True).at(np.arange(len(rows)))
        raw, centre, spread = model(window)
        mean = model.likelihood.mean(raw, centre, spread)[:, 0, 0]
        low, high = model.likelihood.quantiles(raw, centre, spread, (0.158655, 0.841345))[:, 0, 0].unbind(-1)
        deviation = (high - low) / 2
        value = torch.tensor([row["value"] for row in rows])
        known: Any = torch.distributions.Normal(mean, deviation)
        expected = -(known.log_prob(value.log()) - value.log() if log else known.log_prob(value))
        np.testing.assert_allclose([row["nats"] for row in rows], expected.detach(), atol=2e-3)

    def test_paths(self, tmp_path: Path) -> None:
        options = Forecast(**SMALL | {"steps": 4, "check": 4}, model="autoregressive", loss="gaussian")
        run = options.fit(table(tmp_path / "sales.csv"), out=tmp_path / "run", show=False)
        rows = list(run.predict(paths=3))
        assert [row["path"] for row in rows] == [0] * 4 + [1] * 4 + [2] * 4
        assert rows == list(run.predict(paths=3))
        assert rows != list(run.predict(paths=3, seed=1))

    def test_paths_want_a_distribution(self, made: recurra.Run) -> None:
        with pytest.raises(UsageError, match=r"^paths: wanted a run with model=autoregressive"):
            list(made.predict(paths=2))

    def test_the_picture_reads_nothing_again(self, made: recurra.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        predicted = made.predict(hold=4)
        rows = list(predicted)
        monkeypatch.setattr(forecast, "read", pytest.fail)
        path = draw_predictions(made, rows, predicted.collection, tmp_path / "rows.csv")
        assert path == tmp_path / "rows.svg"

    def test_a_network_runs_once_for_a_score(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        options = Forecast(**SMALL | {"steps": 2, "check": 2}, loss="gaussian")
        run = options.fit(table(tmp_path / "sales.csv", 100), out=tmp_path / "run", show=False)
        calls = counted(monkeypatch)
        assert len(list(run.predict(score=True))) == 86
        assert len(calls) == 1

    def test_many_series_are_read_side_by_side(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As one after the other: the same figures and forecasts, from far fewer readings."""
        random, days = np.random.default_rng(0), np.datetime64("2024-01-01") + np.arange(40)
        lines = [f"shop{k},{day},{random.normal():.3f}" for k in range(30) for day in days]
        data = tmp_path / "shops.csv"
        data.write_text("\n".join(["shop,day,sales", *lines]) + "\n")
        options = Forecast(**SMALL | {"steps": 2, "check": 2, "window": 7}, id="shop")
        run = options.fit(data, out=tmp_path / "run", show=False)
        calls = counted(monkeypatch)
        rows, figures = list(run.predict()), run.evaluate().figures
        assert len(calls) == 2
        for module in (forecast, rolling):
            monkeypatch.setattr(module, "READ", 1)
        monkeypatch.setattr(telling.read_batches, "__defaults__", (None, 1))
        again = list(run.predict())
        assert (
            [row["series"] for row in rows]
            == [row["series"] for row in again]
            == [f"shop{k}" for k in range(30) for _ in range(4)]
        )
        np.testing.assert_allclose([row["upper"] for row in rows], [row["upper"] for row in again], rtol=1e-5)
        for mine, theirs in zip(figures, run.evaluate().figures, strict=True):
            assert mine.value == pytest.approx(theirs.value, rel=1e-5)
            assert mine.baselines == pytest.approx(theirs.baselines)


class TestWords:
    def data(self, path: Path, words: str = "ab", steps: int = 120) -> Path:
        """Daily sales that a word known ahead decides."""
        random, days = np.random.default_rng(0), np.datetime64("2024-01-01") + np.arange(steps)
        chosen = [words[k % len(words)] if k > 90 else "ab"[random.integers(2)] for k in range(steps)]
        lines = [
            f"{day},{10 + 5 * (word == 'b') + random.normal() / 4:.3f},{word}" for day, word in zip(days, chosen, strict=True)
        ]
        path.write_text("\n".join(["day,sales,offer", *lines]) + "\n")
        return path

    def test_they_are_learnt(self, tmp_path: Path) -> None:
        options = Forecast(**SMALL | {"steps": 150, "check": 50, "window": 7, "horizon": 2}, target="sales", known="offer")
        run = options.fit(self.data(tmp_path / "sales.csv"), out=tmp_path / "run", show=False)
        figure = {figure.name: figure for figure in run.evaluate().figures}["MAE"]
        assert figure.value < 1 < min(figure.baselines.values())
        assert run.read("series.json")["categories"] == {"offer": ["a", "b"]}

    def test_what_was_not_learnt_is_said(self, tmp_path: Path) -> None:
        options = Forecast(**SMALL | {"steps": 2, "check": 2}, target="sales", past="offer")
        run = options.fit(self.data(tmp_path / "sales.csv"), out=tmp_path / "run", show=False)
        predicted = run.predict(self.data(tmp_path / "later.csv", "aqxb"), score=True)
        assert predicted.notes == ("offer: not learnt, read as unknown: q, x",)  # type: ignore[attr-defined]
        problem = forecast._problem(run, tmp_path / "later.csv")
        assert set(problem.series[0].past[:, 0].tolist()) == {0, 1, 2}
        assert all(np.isfinite(row["expected"]) for row in predicted)

    def test_a_word_of_the_test_part_alone_is_not_learnt(self, tmp_path: Path) -> None:
        options = Forecast(horizon=4, window=14, target="sales", past="offer")
        problem = backtest.Problem.of(options, forecast._read(options, self.data(tmp_path / "sales.csv", "abq")))
        assert problem.categories == {"offer": ("a", "b")}
        assert "offer: not learnt, read as unknown: q" in problem.notes

    def test_numbers_that_are_names(self, tmp_path: Path) -> None:
        data = table(tmp_path / "sales.csv", names=("sales",)).read_text().splitlines()
        path = tmp_path / "kinds.csv"
        path.write_text("\n".join([data[0] + ",kind", *(f"{line},{k % 3}" for k, line in enumerate(data[1:]))]) + "\n")
        options = Forecast(**SMALL | {"steps": 2, "check": 2}, target="sales", past="kind", categories="kind")
        run = options.fit(path, out=tmp_path / "run", show=False)
        assert run.read("series.json")["categories"] == {"kind": ["0", "1", "2"]}
        with pytest.raises(UsageError, match=r"^categories=sales: wanted covariates, of past=, known= or static="):
            Forecast(target="sales", categories="sales").fit(path, out=tmp_path / "other", show=False)


def test_a_band_that_does_not_hold_its_share_is_said() -> None:
    assert forecast._held(0.8, 0.66, (0.62, 0.70)) == (
        "the 80% band held 66% (62% to 70%): what was measured is wilder than the validation part, on which the band was fitted"
    )
    assert "is calmer than" in forecast._held(0.8, 0.9, (0.85, 0.95))
    assert forecast._held(0.8, 0.75, (0.7, 0.81)) == ""
    assert forecast._held(0.8, 0.75, (float("nan"), float("nan"))) == ""


class TestBand:
    def test_it_is_measured_once_for_these_weights(self, made: recurra.Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(forecast, "measured_margins", pytest.fail)
        list(made.predict())

    @pytest.mark.parametrize("loss", ["squared", "quantile"])
    def test_it_holds_what_it_promises_on_the_part_it_was_measured_on(self, loss: Any, tmp_path: Path) -> None:
        options = Forecast(**SMALL | {"steps": 20, "check": 20, "validation": 0.3}, loss=loss)
        run = options.fit(table(tmp_path / "sales.csv", 300), out=tmp_path / "run", show=False)
        problem = forecast._problem(run)
        model = forecast._trained(run, problem)
        looked = problem.part(1)
        totals = rolling.measured(model, problem, looked, forecast._band(run, problem, model))
        wanted = 0.8 * (1 + 4 / len(looked))  # more than promised, since so few windows share no truth
        assert totals.figures()["coverage 0.8"] == pytest.approx(wanted, abs=0.05)

    def test_series_share_no_truth(self, tmp_path: Path) -> None:
        walks = np.cumsum(np.random.default_rng(0).normal(size=(40, 60)), axis=1)
        rows = [f"s{k},{t},{walk[t]}" for k, walk in enumerate(walks) for t in range(60)]
        (path := tmp_path / "walks.csv").write_text("\n".join(["name,time,value", *rows]) + "\n")
        how = {"id": "name", "target": "value", "time": "time", "horizon": 4, "segment": 4, "validation": 4, "test": 4}
        run = Forecast(**SMALL | {"steps": 20, "check": 20, "window": 8} | how).fit(path, out=tmp_path / "run", show=False)
        problem = forecast._problem(run)
        model, looked = forecast._trained(run, problem), problem.part(1)
        totals = rolling.measured(model, problem, looked, forecast._band(run, problem, model))
        wanted = 0.8 * (1 + 1 / 40)  # a window of each
        assert totals.figures()["coverage 0.8"] == pytest.approx(wanted, abs=0.02)


class TestProblem:
    def test_a_season_ahead_of_the_passengers(self) -> None:
        plan, notes = decide(Forecast(), air_passengers())
        assert (plan.horizon, plan.season, plan.segment, plan.seasons) == (12, 12, 12, (12,))
        assert plan.window % 12 == 0
        assert notes[0] == f"chosen from the data: horizon=12, window={plan.window}, segment=12"
        assert notes[1].startswith("normalise=last: in what is learnt from, what follows lies ")

    def test_scales_and_windows_never_see_the_future(self) -> None:
        """Whatever happens in the test part changes nothing that is learnt from, or looked at."""
        options, collection = Forecast(horizon=4, window=8), air_passengers()
        [series] = collection.series
        _, looked, tested = (backtest.Problem.of(options, collection).part(k).origins for k in range(3))
        cut = int(tested.min())
        changed = series._replace(values=np.where(np.arange(len(series.values))[:, None] < cut, series.values, 1e6))
        mine, theirs = (backtest.Problem.of(options, collection._replace(series=(one,))) for one in (series, changed))
        assert looked.max() + 4 <= cut
        for k in (0, 1):
            ours, others = (problem.part(k) for problem in (mine, theirs))
            for one, other in zip(ours.at(np.arange(len(ours))), others.at(np.arange(len(others))), strict=True):
                assert torch.equal(one, other)
        for own, foreign in zip((*mine.scale, *mine.units), (*theirs.scale, *theirs.units), strict=True):
            np.testing.assert_array_equal(np.stack(own), np.stack(foreign))

    def test_logarithms_want_positive_values(self) -> None:
        collection = air_passengers()
        [series] = collection.series
        below = series._replace(values=series.values - 150)
        with pytest.raises(DataError, match=r"log=true wants every value above 0$"):
            backtest.Problem.of(Forecast(log=True), collection._replace(series=(below,)))

    def test_covariates_that_should_be_known_ahead(self, tmp_path: Path) -> None:
        data = table(tmp_path / "sales.csv", names=("sales", "price"))
        options = Forecast(**SMALL | {"steps": 2, "check": 2}, target="sales", known="price")
        run = options.fit(data, out=tmp_path / "run", show=False)
        with pytest.raises(DataError, match="0 rows behind the last value; wanted 4, with price and without a target"):
            list(run.predict())
        lines = data.read_text().splitlines()
        ahead = [f"{np.datetime64('2023-07-20') + k},,70" for k in range(4)]
        more = tmp_path / "more.csv"
        more.write_text("\n".join([*lines, *ahead]) + "\n")
        assert len(list(run.predict(more))) == 4

    def test_other_targets(self, made: recurra.Run, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="targets profit; wanted sales"):
            made.evaluate(table(tmp_path / "other.csv", names=("profit",)))


@pytest.mark.parametrize("model", ["direct", "autoregressive", "transformer", "linear"])
def test_every_model_from_end_to_end(model: Any, tmp_path: Path) -> None:
    data = table(tmp_path / "sales.csv", names=("a", "b"))
    run = Forecast(**SMALL, model=model, loss="gaussian", target="a,b").fit(data, out=tmp_path / "run", show=False)
    figure = run.evaluate().figures[0]
    assert figure.value < figure.baselines["drift"]
    assert {row["target"] for row in run.predict()} == {"a", "b"}


def test_many_series_missing_values_and_a_joint_network(tmp_path: Path) -> None:
    one, two = (table(tmp_path / f"{k}.csv", seed=k, names=("sales", "price")).read_text().splitlines() for k in range(2))
    rows = [f"shop{k},{line}" for k, lines in enumerate((one, two)) for line in lines[1:]]
    rows[20] = ",".join([*rows[20].split(",")[:2], "", rows[20].split(",")[3]])
    data = tmp_path / "shops.csv"
    data.write_text("\n".join(["shop,day,sales,price", *rows]) + "\n")
    options = {"id": "shop", "target": "sales,price", "missing": "mask", "joint": True, "stride": 4}
    run = Forecast(**SMALL, **options).fit(data, out=tmp_path / "run", show=False)
    assert {row["series"] for row in run.predict()} == {"shop0", "shop1"}
    figure = run.evaluate().figures[3]
    assert figure.name == "MASE"
    assert 0 < figure.value < 3


def test_data_frames(tmp_path: Path) -> None:
    data = table(tmp_path / "sales.csv")
    run = Forecast(**SMALL | {"steps": 4, "check": 4}).fit(pandas.read_csv(data), out=tmp_path / "run", show=False)
    other = Forecast(**SMALL | {"steps": 4, "check": 4}).fit(data, out=tmp_path / "other", show=False)
    ours, theirs = list(run.predict()), list(other.predict())
    assert ours == theirs == list(recurra.load(run.folder).predict())
    assert list(run.predict(polars.read_csv(data))) == theirs
    assert run.evaluate(pandas.read_csv(data)).figures == other.evaluate(data).figures


def test_a_text_wants_a_path() -> None:
    with pytest.raises(UsageError, match=r"^data is DataFrame; the task text wants the path of a file or folder"):
        recurra.Text().fit(pandas.DataFrame({"a": [1]}))


def test_the_passengers_by_default(tmp_path: Path) -> None:
    run = Forecast(steps=2, check=2).fit(out=tmp_path / "run", show=False)
    assert len(list(run.predict())) == 12
    assert run.facts["data"]["embedded"]


def test_no_folder_is_left_by_bad_data(tmp_path: Path) -> None:
    data = tmp_path / "bad.csv"
    data.write_text("day,sales\n")
    with pytest.raises(DataError):
        Forecast().fit(data, out=tmp_path / "run", show=False)
    assert not (tmp_path / "run").exists()
