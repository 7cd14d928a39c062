"""The task `forecast`: one or many time series, how they go on, and a band that holds its promise."""

import hashlib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import polars
import torch
from numpy.typing import NDArray
from torch import nn

from recurra import store
from recurra.data import Collection, Roles, Series, SeriesBatch, Shuffled, air_passengers, read_series
from recurra.data.calendar import Step
from recurra.data.counts import told_count
from recurra.data.table import parquet
from recurra.errors import DataError, UsageError, near_miss
from recurra.layers import Stack
from recurra.losses import likelihood
from recurra.metrics import ForecastTotals, diebold_mariano, no_skill
from recurra.models.forecasters import Autoregressive, Direct, Forecaster, Linear, Segments, Sizes, Transformer, Vectors
from recurra.tasks import recipes
from recurra.tasks.backtest import Covariates, Problem, Widths
from recurra.tasks.evaluation import Evaluation, Figure, Held
from recurra.tasks.options import EvaluationOptions, Forecast, ForecastPrediction
from recurra.tasks.plan import Plan
from recurra.tasks.recipes import Setup
from recurra.tasks.rolling import measured, naive
from recurra.tasks.runs import Run, origin
from recurra.tasks.streaming import Stream, Told
from recurra.tasks.telling import READ, crps, evenly, levels_of, measured_margins, read_batches, score, tell
from recurra.train import Look, Loss

__all__ = ["Prediction", "Predictions", "begin", "evaluate", "predict", "read", "setup", "setup_of", "stream"]

Prediction = ForecastPrediction

FRAME = "data.parquet"  # in the run folder: a data frame that was given in the place of a file
UPDATES = 600  # of a run at least, however few windows there are, where `steps` is not given
FIGURES = ("MAE", "RMSE", "sMAPE", "MASE", "scaled MSE", "scaled MAE", "CRPS")
JUDGED = "scaled MAE"  # the figure by which skill is told: it weighs all series alike


def begin(options: Forecast, data: Any, out: Path | None) -> Run:
    """Read the series, decide what the options leave open, and make the run folder."""
    recipes.cell(options)
    recipes.device(options)
    recipes.precision(options)
    framed = data is not None and not isinstance(data, Path)
    copy = parquet(data) if framed else b""
    collection = _read(options, polars.read_parquet(io.BytesIO(copy)) if framed else data)
    problem = Problem.of(options, collection)
    recipes.check(options, _forecaster(options, problem.plan, problem.widths))
    facts = origin(
        None if framed else data,
        collection.source,
        collection.fingerprint,
        series=len(collection.series),
        steps=sum(len(each.values) for each in collection.series),
        notes=[*collection.notes, *problem.notes],
    )
    facts |= {"source": FRAME, "embedded": False} if framed else {}
    return Run.create(out, options, facts, {"series.json": problem.facts()} | ({FRAME: copy} if framed else {}))


def setup(options: Forecast, data: Any) -> Setup:
    """What there is to train, for whoever needs no run: reads the data, makes no folder."""
    recipes.cell(options)
    return _setup(Problem.of(options, _read(options, data)))


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    return _setup(_problem(run))


def _setup(problem: Problem) -> Setup:
    options = problem.options
    torch.manual_seed(options.seed)
    model = _forecaster(options, problem.plan, problem.widths)
    device = next(model.parameters()).device
    learnt = problem.part(0)
    batches, looked = Shuffled(learnt, options.batch, options.seed), problem.part(1, beside=learnt)

    def update(window: SeriesBatch, _: Any) -> Loss:
        return Loss(model.loss(window.to(device)), len(window.x))

    def look() -> Look:
        numbers = evenly(looked)
        parts = [crps(model, window, options) for window in read_batches(looked, device, numbers)]
        value = float(sum(total for total, _ in parts) / max(1, sum(count for _, count in parts)))
        return Look(value, {"scaled CRPS": value})

    return Setup(model, update, batches, max(batches.per_epoch, UPDATES / options.epochs), look)


def evaluate(run: Run, data: Any, chosen: EvaluationOptions) -> Evaluation:
    """A rolling-origin back-test: every figure with its interval, beside naive forecasts from the same origins."""
    options = _options(run)
    problem = _problem(run, data)
    windows = problem.part(2) if data is None else problem.whole()
    if not len(windows):
        raise DataError(f"{problem.collection.source}: no series is longer than horizon={problem.plan.horizon}")
    model = _trained(run, problem)
    margins = _band(run, problem, model)
    own = recipes.held(model, chosen.weights)
    ours = measured(own, problem, windows, margins)
    full = None if own is model else measured(model, problem, windows, margins)
    rivals = naive(problem, windows)
    together = min(math.ceil(problem.plan.horizon / options.stride), int(np.bincount(windows.of).max()))
    values, beside = ours.figures(), {who: totals.figures() for who, totals in rivals.items()}
    figures = [
        Figure(name, values[name], ours.interval(name, together), {who: told[name] for who, told in beside.items()})
        for name in FIGURES
    ]
    if full is not None:
        figures = [_with_cost(figure, chosen.weights, ours, full, together) for figure in figures]
    covered = ours.mean(f"coverage {_width(ours.levels)}")
    interval = ours.interval(f"coverage {_width(ours.levels)}", together)
    figures.append(Figure(f"coverage of the {options.band:.0%} band", covered.value, interval, {"as promised": options.band}))
    held = _held(options.band, covered.value, interval)
    losses = {name: totals.losses(JUDGED) for name, totals in rivals.items()}
    best = min(losses, key=lambda name: float(np.nanmean(losses[name])))
    verdict = no_skill(ours.losses(JUDGED), losses, together)
    gain = diebold_mariano(ours.losses(JUDGED), losses[best], together)
    told = f"{JUDGED}: {gain} beside {best} (Diebold-Mariano)"
    plan, every = problem.plan, problem.collection.step.times(options.stride)
    notes = [
        verdict or told,
        f"{told_count(len(windows), 'origin')}, one every {every}, each {plan.horizon} ahead from {plan.window} before; "
        f"gap {options.gap}; trained once, before the first of them",
        *([held] if held else []),
        *problem.collection.notes,
        *problem.notes,
    ]
    where = "the test part" if data is None else problem.collection.source
    return Evaluation("forecast", where, tuple(figures), tuple(notes))


@final
class Predictions(Iterator[Mapping[str, Any]]):
    """What is predicted, one mapping for each item.

    Attributes:
        collection: the data that were read for it.
        notes: what was not known of them.
    """

    def __init__(self, items: Iterator[Mapping[str, Any]], collection: Collection, notes: tuple[str, ...]) -> None:
        self.collection, self.notes, self._items = collection, notes, items

    def __next__(self) -> Mapping[str, Any]:
        return next(self._items)


def predict(run: Run, data: Any, options: ForecastPrediction) -> Predictions:
    """The steps after each series; with `hold` the last ones, beside the truth; with `score` how strange each value was."""
    problem = _problem(run, data)
    model = _trained(run, problem)
    margins = _band(run, problem, model)
    if options.paths:
        items = _paths(model, problem, options)
    elif options.score:
        items = _scores(model, problem, margins)
    else:
        items = _forecasts(model, problem, margins, options.hold)
    return Predictions(items, problem.collection, () if data is None else problem.notes)


def _forecasts(model: Forecaster, problem: Problem, margins: NDArray[np.float64], hold: int) -> Iterator[Mapping[str, Any]]:
    if not hold:
        _known_ahead(problem)
    windows, device = problem.ends(hold), next(model.parameters()).device
    for start, window in zip(range(0, len(windows), READ), read_batches(windows, device), strict=True):
        told = tell(model, window, problem.options, margins)
        for k in range(len(window.x)):
            where, first = windows.of[start + k], int(windows.origins[start + k])
            series, times = problem.collection.series[where], problem.series[where].times
            for h in range(min(problem.plan.horizon, len(series.values) - first) if hold else problem.plan.horizon):
                for c, target in enumerate(problem.collection.roles.target):
                    row = {"series": series.name, "time": _stamp(times[first + h]), "target": target}
                    low, high = told.quantiles[k, h, c, 0], told.quantiles[k, h, c, -1]
                    row |= {"forecast": told.point[k, h, c], "lower": low, "upper": high}
                    true = series.values[first + h, c] if hold and series.observed[first + h, c] else None
                    yield row | ({"true": true} if hold else {})


def _scores(model: Forecaster, problem: Problem, margins: NDArray[np.float64]) -> Iterator[Mapping[str, Any]]:
    """How far each value lay from what was expected one step before, in half widths of the band: above 1 it lay outside.

    Where the loss is that of a distribution, its negative logarithm at the value stands beside it, in nats.
    """
    windows, device = problem.whole(beyond=True), next(model.parameters()).device
    for start, window in zip(range(0, len(windows), READ), read_batches(windows, device), strict=True):
        told, nats = score(model, window, problem.options, margins)
        for k in range(len(window.x)):
            series = problem.collection.series[windows.of[start + k]]
            row = windows.origins[start + k]
            for c, target in enumerate(problem.collection.roles.target):
                value, (low, middle, high) = series.values[row, c], _three(told.quantiles[k, 0, c])
                strange = abs(value - middle) / max((high - low) / 2, 1e-12 * max(1.0, abs(middle)))
                seen = bool(series.observed[row, c])
                item = {"series": series.name, "time": _stamp(series.times[row]), "target": target}
                item |= {"value": value if seen else None, "expected": middle, "score": strange if seen else None}
                yield item | ({} if nats is None else {"nats": float(nats[k, c]) if seen else None})


def _paths(model: Forecaster, problem: Problem, options: ForecastPrediction) -> Iterator[Mapping[str, Any]]:
    if not isinstance(model.network, Autoregressive) or problem.options.loss in ("squared", "absolute"):
        raise UsageError("paths: wanted a run with model=autoregressive and a loss that has a distribution, such as gaussian")
    _known_ahead(problem)
    windows, device = problem.ends(0), next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(options.seed)
    for k, window in enumerate(read_batches(windows, device, size=1)):
        paths = model.paths(window, options.paths, generator).double().cpu().numpy()[:, 0]
        paths = np.exp(paths) if problem.options.log else paths
        series, first = problem.series[windows.of[k]], int(windows.origins[k])
        for number, path in enumerate(paths):
            for h in range(problem.plan.horizon):
                for c, target in enumerate(problem.collection.roles.target):
                    row = {"series": series.name, "path": number, "time": _stamp(series.times[first + h]), "target": target}
                    yield row | {"value": path[h, c]}


def _held(band: float, covered: float, interval: tuple[float, float]) -> str:
    """What to say where the band surely holds another share than it promises."""
    low, high = interval
    if not (high < band or low > band):
        return ""
    kind = "wilder" if high < band else "calmer"
    return (
        f"the {band:.0%} band held {covered:.0%} ({low:.0%} to {high:.0%}): "
        f"what was measured is {kind} than the validation part, on which the band was fitted"
    )


def _with_cost(figure: Figure, weights: str, ours: ForecastTotals, full: ForecastTotals, overlap: int) -> Figure:
    """A figure beside what it is with full weights; that of RMSE has no interval, as it is no mean."""
    before, name = full.figures()[figure.name], figure.name
    interval = (math.nan, math.nan)
    if name in ours.names:
        interval = diebold_mariano(ours.losses(name), full.losses(name), overlap)[1:]
    return figure._replace(held=Held(weights, before, figure.value - before, interval))


def _known_ahead(problem: Problem) -> None:
    """Refuse to forecast where covariates that should be known ahead are not."""
    for series in problem.collection.series:
        rows = len(series.known) - len(series.values)
        if series.known.shape[1] and rows < problem.plan.horizon:
            where = f"{problem.collection.source}: {series.name}: {told_count(rows, 'row')} behind the last value"
            raise DataError(f"{where}; wanted {problem.plan.horizon}, with {problem.options.known} and without a target")


def _three(quantiles: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(quantiles[0]), float(quantiles[len(quantiles) // 2]), float(quantiles[-1])


def _stamp(time: Any) -> str:
    return str(time).removesuffix(".000000").removesuffix("T00:00:00")


def _band(run: Run, problem: Problem, model: Forecaster) -> NDArray[np.float64]:
    """The margins of the run's weights: measured once on the validation part of its own data, then kept."""
    path = run.folder / "band.json"
    weights = hashlib.sha256((run.folder / "weights.safetensors").read_bytes()).hexdigest()
    kept = store.read_json(path) if path.exists() else {}
    if kept.get("weights") != weights:
        looked = (problem if problem.collection.fingerprint == run.fingerprint else _problem(run)).part(1)
        margins = measured_margins(model, looked, evenly(looked), problem.options)
        kept = {"weights": weights, "levels": list(levels_of(problem.options)), "margins": margins.tolist()}
        store.write_json(path, kept)
    return np.array(kept["margins"])


def _width(levels: tuple[float, ...]) -> str:
    return f"{levels[-1] - levels[0]:g}"


def _read(options: Forecast, data: Any, words: Sequence[str] = ()) -> Collection:
    if data is None:
        return air_passengers()
    columns = {name: tuple(filter(None, getattr(options, name).split(","))) for name in ("target", "past", "known", "static")}
    roles = Roles(time=options.time, id=options.id, **columns)
    named = [*filter(None, options.categories.split(",")), *words]
    if odd := [name for name in named if name not in (*roles.past, *roles.known, *roles.static)]:
        raise UsageError(f"categories={odd[0]}: wanted covariates, of past=, known= or static=")
    how = {"encoding": options.encoding, "missing": options.missing, "resample": options.resample}
    collection = read_series(data, roles, **how, categories=named)
    if not options.rows:
        return collection
    return collection._replace(series=tuple(_first(each, options.rows) for each in collection.series))


def _first(series: Series, rows: int) -> Series:
    names = ("times", "values", "observed", "past", "known")
    return series._replace(**{name: getattr(series, name)[:rows] for name in names})


def read(run: Run, data: Any = None) -> Collection:
    """The series of a file or a data frame as the run reads them; None: those that it learnt from."""
    if data is not None:
        return _read(_options(run), data, run.read("series.json").get("categories", ()))
    facts = run.facts["data"]
    source = run.folder / FRAME if facts["source"] == FRAME else Path(facts["source"])
    collection = _read(_options(run), None if facts["embedded"] else source)
    run.check_data(collection.fingerprint)
    return collection


def stream(run: Run, series: str = "") -> Stream:
    """The run, one observation at a time; `series` names the one whose scale is meant, where there are several."""
    options, facts = _options(run), run.read("series.json")
    plan, widths = Plan.kept(facts["plan"]), Widths(**facts["widths"])
    if options.past or options.known or options.static:
        raise UsageError(f"{run.folder}: it reads covariates; a stream has targets and the calendar alone")
    known = facts["series"]
    name = series or next(iter(known))
    if name not in known or (not series and len(known) > 1):
        raise UsageError(f"series={series}: {near_miss(series, known)}")
    model = _forecaster(options, plan, widths)
    run.fill(model)
    margins = np.array(run.read("band.json")["margins"])

    def told(batch: SeriesBatch) -> Told:
        return tell(model.eval(), batch, options, margins)

    calendar = Covariates(*map(tuple, facts["known"])) if options.calendar else None
    return Stream(told, plan, Step(*facts["every"]), known[name], calendar, log=options.log)


def _problem(run: Run, data: Any = None) -> Problem:
    if data is None:
        return Problem.of(_options(run), read(run))
    return Problem.later(_options(run), run.read("series.json"), read(run, data))


def _forecaster(o: Forecast, plan: Plan, widths: Widths) -> Forecaster:
    targets = widths.targets
    spoken = likelihood(o.loss, levels_of(o))
    mask = o.missing == "mask"
    words = Vectors(widths.categories) if widths.categories else None
    past, known, static = (
        words.width(kind, count) if words else count
        for kind, count in (("past", widths.past), ("known", widths.known), ("static", widths.static))
    )
    sizes = Sizes(
        window=plan.window,
        horizon=plan.horizon,
        values=targets if o.joint else 1,
        past=past + ((targets if o.joint else 1) if mask else 0),
        known=known,
        static=static,
        channels=1 if o.joint else targets,
        parameters=spoken.parameters,
    )

    def stack(inputs: int) -> Stack:
        return recipes.stack(o, inputs)

    network: nn.Module
    match o.model:
        case "segment":
            network = Segments(sizes, stack, o.hidden, plan.segment, o.dropout)
        case "direct":
            network = Direct(sizes, stack, o.hidden, o.dropout)
        case "autoregressive":
            if widths.past:
                raise UsageError(f"past={o.past}: an autoregressive model cannot read it ahead; use another model, or known=")
            centre, spread = torch.zeros(1), torch.ones(1)
            point = lambda raw: spoken.mean(raw, centre.to(raw), spread.to(raw))  # noqa: E731
            network = Autoregressive(sizes, stack, o.hidden, o.dropout, point)
        case "transformer":
            network = Transformer(sizes, o.hidden, o.layers, plan.segment, o.dropout)
        case "linear":
            network = Linear(sizes)
    model = Forecaster(network, spoken, plan.normalisation, joint=o.joint, mask=mask, words=words)
    return model.to(recipes.device(o))


def _trained(run: Run, problem: Problem) -> Forecaster:
    model = _forecaster(problem.options, problem.plan, problem.widths)
    run.fill(model)
    return model.eval()


def _options(run: Run) -> Forecast:
    assert isinstance(run.options, Forecast)
    return run.options
