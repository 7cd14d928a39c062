"""What stands out in a run, in plain sentences, and what to try."""

import math
import shlex
from collections.abc import Iterator, Mapping
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

from recurra.report.history import History
from recurra.report.style import percent
from recurra.tasks.options import TaskOptions
from recurra.train.flow import Bend, Flow, LayerFlow

__all__ = ["Advice", "Case", "advise"]

SHORT = 8  # steps back below which nothing is said of a gradient
FALLS, GROWS = 0.75, 1.03  # a step
GROWN = 10.0  # times, in all
SHUT, SATURATED, DEAD, CLIPPED = 0.5, 0.85, 0.05, 0.5  # shares
ROSE, ROUGH = 0.5, 5.0  # of the fall before it; times as much as from look to look
LOST, GAINED, STUCK = 0.02, 0.1, 0.01  # of the improvement; of the first loss
FEW = 0.25  # of the baselines
FOLLOWS = {  # what needs no sentence of its own where the first is there
    "not-finite": ("stuck", "clipped", "unfinished"),
    "rate": ("stuck", "clipped", "unfinished"),
    "exploding": ("clipped",),
}
LOOKS = 8  # below which nothing is said of a curve


class Advice(NamedTuple):
    """One finding: a name for programs, the sentence, what to type, and how much it weighs (0 to 100)."""

    name: str
    says: str
    tries: tuple[str, ...] = ()
    weight: float = 50


class Case(NamedTuple):
    """What advice is given on; `baselines` are those of the score that looks are judged by, `value` is what the run reached."""

    options: TaskOptions
    source: str = ""
    history: History = History()
    flow: Flow = Flow(())
    value: float | None = None
    baselines: Mapping[str, float] = {}


def advise(case: Case) -> tuple[Advice, ...]:
    """What stands out, the most important first; nothing where nothing does."""
    rules = (
        _not_finite,
        _rate,
        _stuck,
        _exploding,
        _vanishing,
        _dead,
        _shut,
        _saturated,
        _clipped,
        _naive,
        _by_heart,
        _unfinished,
    )
    found = [advice for rule in rules for advice in rule(case)]
    explained = {name for advice in found for name in FOLLOWS.get(advice.name, ())}
    return tuple(sorted((advice for advice in found if advice.name not in explained), key=lambda advice: -advice.weight))


def _not_finite(case: Case) -> Iterator[Advice]:
    skipped, looks = sum(case.history.skipped), sum(not math.isfinite(score) for score in case.history.score)
    if skipped or looks:
        what = [f"{_of(skipped, 'update')} not applied, as the loss or the gradient was not finite"] if skipped else []
        what += [f"{_of(looks, 'look')} found a score that was not finite"] if looks else []
        yield Advice("not-finite", _sentence(" and ".join(what)), _slower(case), 100)


def _rate(case: Case) -> Iterator[Advice]:
    """The training loss came down, or never did, and then rose by more than it varies."""
    looks = [(step, loss) for step, loss in zip(case.history.step, case.history.loss, strict=True) if math.isfinite(loss)]
    if len(looks) < LOOKS:
        return
    losses = [loss for _, loss in looks]
    rise, low, high = max((losses[j] - min(losses[: j + 1]), losses.index(min(losses[: j + 1])), j) for j in range(len(losses)))
    rough = median(abs(b - a) for a, b in pairwise(losses))
    fall = losses[0] - losses[low]
    last = sum(losses[-3:]) / 3
    if rise <= max(ROSE * fall, ROUGH * rough):
        return
    steps, stayed = looks[high][0] - looks[low][0], last - losses[low] > ROSE * rise
    said = f"the training loss rose for {steps:,} updates, from {losses[low]:.4g} to {losses[high]:.4g}"
    said += ", and stayed there" if stayed else f", and came back to {last:.4g}"
    yield Advice(
        "rate", f"{_sentence(said)} The learning rate lr={case.options.lr:g} is too high.", _slower(case), 95 if stayed else 70
    )


def _stuck(case: Case) -> Iterator[Advice]:
    losses = [loss for loss in case.history.loss if math.isfinite(loss)]
    if len(losses) >= LOOKS and max(losses) - min(losses) < STUCK * abs(losses[0]):
        said = f"the training loss hardly moved: it stayed between {min(losses):.4g} and {max(losses):.4g}"
        yield Advice("stuck", _sentence(said), (_range_test(case), f"lr={_round(3 * case.options.lr)}"), 88)


def _exploding(case: Case) -> Iterator[Advice]:
    grown = [layer for layer in _long(case.flow) if (layer.travel.factor or 0) > GROWS and _growth(layer) > GROWN]
    if not grown:
        return
    worst = max(grown, key=lambda layer: layer.travel.factor or 0)
    radius = max((value for value in worst.jacobian if math.isfinite(value)), default=0.0)
    clipped = _share(case.history.clipped)
    said = f"gradients explode: in {worst.name} they grow by {worst.travel.factor:.2f} a step, {_growth(worst):,.0f} times in "
    said += f"{len(worst.travel.mean) - 1} steps back"
    said += f"; the largest eigenvalue of its step is {radius:.2f}" if radius > 1 else ""
    said += f"; {percent(clipped)} of the updates were clipped" if case.options.clip and case.history.clipped else ""
    clip = "clip=1" if not case.options.clip else f"clip={_round(case.options.clip / 4)}"
    tries = [clip, "adaptive_clip=0.01"] if not case.options.adaptive_clip else [clip]
    tries += [] if worst.retention else ["cell=lstm", "cell=orthogonal"]
    yield Advice("exploding", _sentence(said), (*tries, f"lr={_round(case.options.lr / 3)}"), 90)


def _vanishing(case: Case) -> Iterator[Advice]:
    """The layer that holds the gradient longest loses it soon; a layer that is dead says nothing."""
    layers = [layer for layer in _long(case.flow) if layer.travel.mean[0]]
    if not layers:
        return
    best = max(layers, key=lambda layer: math.inf if layer.travel.horizon is None else layer.travel.horizon)
    factor, horizon, steps = best.travel.factor, best.travel.horizon, len(best.travel.mean)
    if factor is None or horizon is None or factor >= FALLS or 3 * horizon >= steps:
        return
    where = "gradients" if len(layers) == 1 else f"even in {best.name}, which holds them longest, gradients"
    said = f"{where} fall by {factor:.2f} a step: after {_steps(horizon)} of {steps} nothing is left of them (less than 1 %)"
    if best.retention:
        names = " and ".join(best.retention)
        said += f". The biases of the gates {names} set how long the state lives"
        tries = [f"chrono={steps}"] + ([] if case.options.cell == "lstm" else ["cell=lstm"])
    else:
        gated = any(bend.kind == "sigmoid" for bend in best.bends)
        said += "" if gated else ". This cell has no gate that keeps its state"
        tries = ["cell=lstm", "cell=gru"]
    yield Advice(
        "vanishing",
        f"{_sentence(said)} What lies further back cannot be learnt; if nothing there matters, leave it.",
        tuple(tries),
        80,
    )


def _dead(case: Case) -> Iterator[Advice]:
    for layer in case.flow.layers:
        silent, still, count = len(layer.units.silent), len(layer.units.still), len(layer.units.deviations)
        if silent > DEAD * count:
            said = f"{silent} of {count} units of {layer.name} never fire: their output is 0 for all data"
            yield Advice("dead", _sentence(said), (f"lr={_round(case.options.lr / 3)}", "norm=layer"), 60 + 30 * silent / count)
        if still > DEAD * count:
            said = f"{still} of {count} units of {layer.name} hardly move: they vary less than a hundredth of what others do"
            tries = (f"lr={_round(case.options.lr / 3)}", f"hidden={count - still}")
            yield Advice("still", _sentence(said), tries, 30 + 30 * still / count)


def _shut(case: Case) -> Iterator[Advice]:
    """Memory gates that forget at once: those that lengthen the memory shut, or where a cell has none, the others open."""
    for layer in case.flow.layers:
        for bend in layer.bends:
            if share := _lost(bend, layer):
                state = "shut (below 0.05)" if bend.low == share else "open (above 0.95)"
                said = (
                    f"the {bend.name} gates of {layer.name} are {state} in {percent(share)} of cases: the state is lost at once"
                )
                yield Advice("shut", _sentence(said), (f"chrono={layer.steps}",), 55 + 20 * share)


def _saturated(case: Case) -> Iterator[Advice]:
    for layer in case.flow.layers:
        bent = [bend for bend in layer.bends if _is_gate(bend, layer) and bend.saturated > SATURATED and not _lost(bend, layer)]
        if bent:
            share = sum(bend.saturated for bend in bent) / len(bent)
            what = f"the {' and '.join(bend.name for bend in bent)} gate{'s' if len(bent) > 1 else ''} of {layer.name}"
            said = f"{percent(share)} of the values of {what} lie at their ends, where hardly any gradient passes"
            tries = [] if case.options.norm == "layer" else ["norm=layer"]
            tries += [f"lr={_round(case.options.lr / 3)}", f"weight_decay={_round(10 * (case.options.weight_decay or 0.001))}"]
            yield Advice("saturated", _sentence(said), tuple(tries), 40 + 30 * share)


def _clipped(case: Case) -> Iterator[Advice]:
    late = case.history.clipped[len(case.history.clipped) // 2 :]
    share = _share(late)
    if len(late) >= LOOKS // 2 and share > CLIPPED and case.options.clip:
        norms = [norm for norm in case.history.norm[len(case.history.norm) // 2 :] if math.isfinite(norm)]
        usual = median(norms) if norms else 2 * case.options.clip
        said = (
            f"{percent(share)} of the later updates were clipped: the norm is {usual:.3g}, its bound clip={case.options.clip:g}"
        )
        yield Advice("clipped", _sentence(said), (f"clip={_round(2 * usual)}", f"lr={_round(case.options.lr / 2)}"), 35)


def _naive(case: Case) -> Iterator[Advice]:
    if case.value is None or not case.baselines or not case.history.score:
        return
    ordered = sorted(case.baselines, key=case.baselines.__getitem__)
    beaten = [name for name in ordered if case.value < case.baselines[name]]
    if not beaten:
        name, value = ordered[-1], case.baselines[ordered[-1]]
        said = f"the run reaches {case.value:.4g}, no better than {name}, {value:.4g}: it has learnt nothing"
        yield Advice("naive", _sentence(said), (_range_test(case),), 85)
    elif len(beaten) <= FEW * len(ordered):
        name = next(name for name in reversed(ordered) if name not in beaten)
        said = f"the run reaches {case.value:.4g}, which is better than {' and '.join(beaten)} only; {name} reaches "
        said += f"{case.baselines[name]:.4g}"
        yield Advice("naive", _sentence(said), (_more(case), _range_test(case)), 42)


def _by_heart(case: Case) -> Iterator[Advice]:
    """The score was best long ago, while the training loss went on falling."""
    history, best = case.history, case.history.best
    if best is None or len(history.step) < LOOKS or best > 0.7 * len(history.step):
        return
    first, last = history.score[0], history.score[-1]
    gained, lost = first - history.score[best], last - history.score[best]
    if math.isfinite(last) and lost > LOST * max(gained, 1e-9) and history.loss[-1] < history.loss[best]:
        said = (
            f"the held-out score was best after {history.step[best]:,} updates, {history.score[best]:.4g}; it is {last:.4g} now"
        )
        said += f"; the training loss fell on from {history.loss[best]:.4g} to {history.loss[-1]:.4g}: it learns by heart"
        dropout = min(0.8, max(0.3, case.options.dropout + 0.2))
        recurs = getattr(case.options, "model", "") != "transformer"
        tries = [f"dropout={dropout:g}"] + (["zoneout=0.1"] if recurs and not case.options.zoneout else [])
        tries += [] if case.options.patience else ["patience=5"]
        yield Advice("by-heart", _sentence(said), tuple(tries), 45)


def _unfinished(case: Case) -> Iterator[Advice]:
    history, best = case.history, case.history.best
    if best is None or len(history.step) < 2 * LOOKS or best < len(history.step) - 2:
        return
    before = min(history.score[: -(len(history.step) // 5)])
    gained, late = history.score[0] - history.score[best], before - history.score[best]
    if math.isfinite(gained) and late > GAINED * gained > 0:
        said = (
            f"the score was still falling at the end: the last fifth of training brought {percent(late / gained)} of the gain"
        )
        yield Advice("unfinished", _sentence(said), (_more(case),), 25)


def _long(flow: Flow) -> list[LayerFlow]:
    return [layer for layer in flow.layers if len(layer.travel.mean) >= SHORT]


def _growth(layer: LayerFlow) -> float:
    return max(layer.travel.mean) / layer.travel.mean[0] if layer.travel.mean[0] else 0.0


def _lost(bend: Bend, layer: LayerFlow) -> float:
    """The share of cases in which a memory gate drops the state, if that is most of them."""
    sign = 1 if 1 in layer.retention.values() else -1
    share = bend.low if sign > 0 else bend.high
    return share if bend.kind == "sigmoid" and layer.retention.get(bend.name) == sign and share > SHUT else 0.0


def _is_gate(bend: Bend, layer: LayerFlow) -> bool:
    return bend.kind == "sigmoid" or not layer.retention


def _share(shares: tuple[float, ...]) -> float:
    finite = [share for share in shares if math.isfinite(share)]
    return sum(finite) / len(finite) if finite else 0.0


def _slower(case: Case) -> tuple[str, ...]:
    clip = () if case.options.clip else ("clip=1",)
    return (_range_test(case), f"lr={_round(case.options.lr / 3)}", *clip)


def _more(case: Case) -> str:
    return f"steps={4 * case.options.steps}" if case.options.steps else f"epochs={2 * case.options.epochs:g}"


def _range_test(case: Case) -> str:
    return " ".join(filter(None, ("recurra lr", case.options.task, shlex.quote(case.source) if case.source else "")))


def _round(value: Any) -> str:
    return f"{float(f'{value:.1g}'):g}"


def _of(count: int, what: str) -> str:
    return (
        f"{count:,} {what}{'s were' if count != 1 else ' was'}"
        if what == "update"
        else f"{count:,} {what}{'s' if count != 1 else ''}"
    )


def _steps(count: int) -> str:
    return f"{count} step{'s' if count != 1 else ''}"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
