"""The goals of the engine, and what a run's measures say of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from recurra.bench.options import CELLS, FOLD
from recurra.bench.results import Contender, Measure, Reached, Row, geometric_mean

__all__ = ["GOALS", "Goal", "judged"]

MANY = 6
"""More values than these are told by their worst."""
LONGEST = 65_536
"""Steps that a cell without a product must take in linear time."""


class Goal(NamedTuple):
    """A line of the table: its name, what is wanted, and what the measures of one number of threads say."""

    name: str
    wanted: str
    judge: Callable[[Sequence[Measure]], Reached]


def judged(measures: Iterable[Measure], counts: Sequence[int]) -> tuple[Row, ...]:
    """Every goal, by the number of threads."""
    found = {count: [measure for measure in measures if measure.threads == count] for count in counts}
    return tuple(Row(goal.name, goal.wanted, {count: goal.judge(found[count]) for count in counts}) for goal in GOALS)


def _goal(
    name: str,
    wanted: str,
    parts: str,
    contenders: Sequence[str],
    weigh: Callable[[list[Measure]], Reached],
    fits: Callable[[Measure], bool] = lambda _: True,
) -> Goal:
    """A goal over the measures of some parts in which all the contenders ran; where none has them, the reason is told."""

    def judge(found: Sequence[Measure]) -> Reached:
        there = [measure for measure in found if measure.part in parts.split() and fits(measure)]
        whole = [measure for measure in there if all(name in measure.seconds for name in contenders)]
        if whole:
            return weigh(whole)
        reasons = (measure.missing[name] for measure in there for name in contenders if name in measure.missing)
        reason = next(reasons, "not measured")
        return Reached(reason.partition(" (")[0], detail=reason if "(" in reason else "")

    return Goal(name, wanted, judge)


def _least(values: Mapping[str, float], goal: float, form: str = "{:.2f}x") -> Reached:
    """The smallest of the named values, beside the least that is wanted."""
    return _worst(values, min(values, key=lambda name: values[name]), form, lambda value: value >= goal)


def _most(values: Mapping[str, float], goal: float, form: str = "{:.2f}x") -> Reached:
    """The largest of the named values, beside the most that is allowed."""
    return _worst(values, max(values, key=lambda name: values[name]), form, lambda value: value <= goal)


def _worst(values: Mapping[str, float], name: str, form: str, meets: Callable[[float], bool]) -> Reached:
    missed = sum(not meets(value) for value in values.values())
    detail = "; ".join(f"{name}: {form.format(value)}" for name, value in values.items())
    if len(values) > MANY:
        detail = f"worst: {name}; {missed} of {len(values)} miss it"
    return Reached(form.format(values[name]), not missed, detail if len(values) > 1 else "")


def _named(measure: Measure) -> str:
    return f"{measure.subject} ({measure.shape}) {measure.way}"


def _means(measures: Sequence[Measure], value: Callable[[Measure], float]) -> dict[str, float]:
    """Geometric means over the shapes, of each subject and way."""
    groups: dict[str, list[float]] = {}
    for measure in measures:
        groups.setdefault(f"{measure.subject} {measure.way}", []).append(value(measure))
    return {name: geometric_mean(values) for name, values in groups.items()}


def _over_torch(measure: Measure) -> float:
    return measure.ratio(Contender.NN)


def _per_gate(measure: Measure) -> float:
    return measure.ratio(Contender.OURS, Contender.OURS_LSTM) / (measure.gates / 4)


def _mean(cell: str, way: str, least: float) -> Goal:
    return _goal(
        f"{cell}, {way}: geometric mean over torch.nn",
        f">= {least:g}x",
        "shapes",
        (Contender.OURS, Contender.NN),
        lambda found: _least(_means(found, _over_torch), least),
        lambda measure: (measure.subject, measure.way) == (cell, way),
    )


def _every_shape(cell: str, way: str, most: float) -> Goal:
    def weigh(found: list[Measure]) -> Reached:
        wanted = {_named(measure): min(most, 0.92 * measure.cap()) for measure in found}
        reached = {_named(measure): _over_torch(measure) for measure in found}
        name = min(reached, key=lambda name: reached[name] / wanted[name])
        missed = sum(reached[name] < wanted[name] for name in reached)
        text = f"{reached[name]:.2f}x of {wanted[name]:.2f}x"
        return Reached(text, not missed, f"worst: {name}; {missed} of {len(found)} miss it")

    return _goal(
        f"{cell}, {way}: every shape over torch.nn",
        f">= min({most:g}, 0.92 cap)",
        "shapes grid",
        (Contender.OURS, Contender.NN, Contender.PRODUCT),
        weigh,
        lambda measure: (measure.subject, measure.way) == (cell, way),
    )


def _variant(name: str) -> Goal:
    return _goal(
        f"{name}: over torch.nn",
        ">= 2x",
        "variants",
        (Contender.OURS, Contender.NN),
        lambda found: _least(_means(found, _over_torch), 2.0),
        lambda measure: measure.subject.startswith(f"{name}:"),
    )


def _own_cell(name: str, most: float) -> Goal:
    return _goal(
        f"{name}: time per gate over our LSTM's",
        f"<= {most:g}x",
        "cells",
        (Contender.OURS, Contender.OURS_LSTM),
        lambda found: _most(_means(found, _per_gate), most),
        lambda measure: measure.subject == name,
    )


def _over_fold(number: int, least: float) -> Goal:
    return _goal(
        f"a user's cells at {FOLD[number]}: over the fold",
        f">= {least:g}x",
        "cells",
        (Contender.OURS, Contender.FOLD),
        lambda found: _least({measure.subject: measure.ratio(Contender.FOLD) for measure in found}, least),
        lambda measure: measure.shape == FOLD[number],
    )


def _first_call(name: str, contender: str, most: float) -> Goal:
    return _goal(
        f"first call in a new process{name}",
        f"<= {most:g} s",
        "start",
        (contender,),
        lambda found: _most({_named(measure): measure.seconds[contender] for measure in found}, most, "{:.2f} s"),
    )


def _share(way: str) -> Goal:
    return _goal(
        f"{way}: share of A @ A, B >= 16, H >= 128",
        ">= 90 %",
        "shapes grid",
        (Contender.OURS, Contender.PRODUCT),
        lambda found: _least({_named(measure): 100 * measure.share for measure in found}, 90, "{:.0f} %"),
        lambda measure: measure.way == way and measure.shape.batch >= 16 and measure.shape.units >= 128,
    )


def _small_weights(name: str, contender: str) -> Goal:
    return _goal(
        f"one step, {name}: over ONNX Runtime, float32",
        ">= 2.5x",
        "step",
        (contender, Contender.ONNX),
        lambda found: _least({_named(measure): measure.ratio(Contender.ONNX, contender) for measure in found}, 2.5),
    )


def _linear(found: list[Measure]) -> Reached:
    """The time of a step in the longest sequence over that in one of a quarter of its length."""
    seconds = {(measure.way, measure.shape.steps): measure.seconds[Contender.OURS] for measure in found}
    ways = [way for way, steps in seconds if steps == LONGEST and (way, LONGEST // 4) in seconds]
    rates = {way: seconds[way, LONGEST] / seconds[way, LONGEST // 4] / 4 for way in ways}
    return _most(rates, 1.2) if rates else Reached("not measured")


GOALS = (
    *(_mean(cell, way, least) for cell in ("gru", "elman") for way, least in (("training", 5), ("inference", 3))),
    *(_mean("lstm", way, least) for way, least in (("training", 1.4), ("inference", 1.2))),
    *(_every_shape(cell, way, 1.0 if cell == "lstm" else 1.25) for cell in CELLS for way in ("training", "inference")),
    *(_variant(name) for name in ("ragged", "float64", "projections", "bidirectional")),
    *(_own_cell(name, most) for name, most in (("MGU", 1.15), ("peephole LSTM", 1.15), ("layer-norm LSTM", 1.4))),
    *(_over_fold(number, least) for number, least in enumerate((50, 20, 7, 2.5))),
    _first_call("", Contender.OURS, 2.5),
    _first_call(", disk cache", Contender.CACHED, 0.2),
    *(_share(way) for way in ("training", "inference")),
    _goal(
        "one step, H = 64",
        "<= 6 us",
        "step",
        (Contender.OURS,),
        lambda found: _most({measure.subject: 1e6 * measure.seconds[Contender.OURS] for measure in found}, 6, "{:.1f} us"),
        lambda measure: measure.way == "step" and measure.shape.units == 64,
    ),
    _goal(
        "one step, H > 64: over reading its weights",
        "<= 1.3x",
        "step",
        (Contender.OURS, Contender.READING),
        lambda found: _most({_named(measure): 1 / measure.ratio(Contender.READING) for measure in found}, 1.3),
        lambda measure: measure.shape.units > 64,
    ),
    _goal(
        "one training step: over torch.nn.LSTMCell",
        ">= 1x",
        "step",
        (Contender.OURS, Contender.NN_CELL),
        lambda found: _least({_named(measure): measure.ratio(Contender.NN_CELL) for measure in found}, 1.0),
        lambda measure: (measure.subject, measure.way) == ("lstm", "training step"),
    ),
    _small_weights("bfloat16", Contender.BF16),
    _small_weights("int8", Contender.INT8),
    _goal(
        "minGRU: time over its input product's",
        "<= 1.3x",
        "scan",
        (Contender.OURS, Contender.INPUT_PRODUCT),
        lambda found: _most({_named(measure): 1 / measure.ratio(Contender.INPUT_PRODUCT) for measure in found}, 1.3),
    ),
    _goal("minGRU: a step at T = 65,536 over 16,384", "<= 1.2x", "scan", (Contender.OURS,), _linear),
    _goal(
        "memory=low, T = 1024: peak memory",
        "<= 50 %",
        "memory",
        (Contender.OURS, Contender.LOW_MEMORY),
        lambda found: _most(
            {_named(measure): 100 * measure.memory[Contender.LOW_MEMORY] / measure.memory[Contender.OURS] for measure in found},
            50,
            "{:.0f} %",
        ),
    ),
    _goal(
        "memory=low, T = 1024: time",
        "<= 1.5x",
        "memory",
        (Contender.OURS, Contender.LOW_MEMORY),
        lambda found: _most({_named(measure): measure.ratio(Contender.LOW_MEMORY) for measure in found}, 1.5),
    ),
    _goal(
        "AVX2 only: over torch.nn restricted likewise",
        ">= 1x",
        "avx2",
        (Contender.OURS, Contender.NN),
        lambda found: _least(_means(found, _over_torch), 1.0),
    ),
)
"""Every goal, in the order of the table."""
