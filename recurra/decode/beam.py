"""Beam search: the best hypotheses side by side."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from recurra import state as states
from recurra.decode.constraints import Constraint, Together
from recurra.decode.penalties import LengthPenalty, wu
from recurra.decode.stream import begin, check, diverged, spoken
from recurra.errors import ShapeError, UsageError
from recurra.layers import Core

__all__ = ["Beam", "Hypotheses", "beam_search"]


@dataclass(frozen=True)
class Beam:
    r"""How to search.

    .. math:: \mathrm{score}(y) = \ln p(y) / \mathrm{penalty}(|y|) + \mathrm{coverage}

    Args:
        width: hypotheses that go on at each step, of all groups together; 1 is greedy decoding.
        best: how many are given out, at most `width`.
        length_penalty: what log-probabilities are divided by: ``wu(0.6)``, :func:`mean` or :func:`total`; :math:`|y|` counts
            the end too.
        coverage: from the core's state and its memory, of as many rows, to what is added (B,) when a hypothesis ends, at
            most 0: :func:`coverage_penalty` of what attention has seen.
        groups: of hypotheses, each of ``width / groups``, that shall differ (Vijayakumar et al. 2018, arXiv:1610.02424).
        diversity: what a symbol costs a group for each hypothesis of an earlier group that says it at the same step; it
            decides who goes on, and is no part of scores.
        patience: a row is done when ``patience * width / groups`` hypotheses of each group have ended (Kasai et al. 2022,
            arXiv:2204.05424). Without limit it is done when no other can come among the best, which under :func:`mean` is
            seldom long before the last step.
    """

    width: int = 5
    best: int = 1
    length_penalty: LengthPenalty = field(default_factory=lambda: wu(0.6))
    coverage: Callable[[Any, Any], Tensor] | None = None
    groups: int = 1
    diversity: float = 0.0
    patience: float = math.inf

    def __post_init__(self) -> None:
        if self.width < 1:
            raise UsageError(f"width is {self.width}; wanted at least 1")
        if not 1 <= self.best <= self.width:
            raise UsageError(f"best is {self.best}; wanted 1 to {self.width}, the width")
        if self.groups < 1 or self.width % self.groups:
            raise UsageError(f"groups is {self.groups}; wanted a divisor of the width, {self.width}")
        if not 0 <= self.diversity < torch.inf:
            raise UsageError(f"diversity is {self.diversity}; wanted 0 or more")
        if not self.patience > 0:
            raise UsageError(f"patience is {self.patience}; wanted above 0")


class Hypotheses(NamedTuple):
    """What a beam search found, the best first. There may be fewer than asked for: the rest has a score of minus infinity.

    Shapes: `symbols` (B, N, T), behind each one's end filled with the end; `lengths` (B, N), symbols before the end; `scores`
    (B, N); `log_probabilities` (B, N), of all symbols and the end.
    """

    symbols: Tensor
    lengths: Tensor
    scores: Tensor
    log_probabilities: Tensor


class _Found(NamedTuple):
    """The best that have ended, (B, G, N) each, best first; `taken` counts symbols and the end, `ended` (B, G) all so far."""

    scores: Tensor
    totals: Tensor
    taken: Tensor
    symbols: Tensor
    ended: Tensor


class _Live(NamedTuple):
    """Hypotheses that go on, (B, G, W) each; minus infinity where there is none."""

    totals: Tensor
    symbols: Tensor


@torch.no_grad()
def beam_search(
    core: Core,
    prompt: Tensor,
    beam: Beam,
    *,
    steps: int | Tensor,
    end: int | None = None,
    state: Any = None,
    memory: Any = None,
    constraints: Sequence[Constraint] = (),
) -> Hypotheses:
    """The best continuations of the `prompt` (B, T > 0), each to its `end` or to `steps` symbols.

    At each step the best `width` of all continuations are kept; those that end leave the beam, and those that are left are
    continued, until none of them can come among the `best` any more, whatever it says; what has not ended after `steps` symbols
    competes as it is. Rows are searched side by side and do not influence each other; those that are done cost nothing more.

    `steps` may be (B,), a number for each row. The other arguments are those of :func:`greedy`. `memory` is a state value of B
    rows: each hypothesis attends to that of its row. Constraints that nothing fits are a UsageError.

    Example:
        >>> from recurra.layers import LSTM
        >>> from recurra.models import LanguageModel
        >>> model = LanguageModel(10, 8, LSTM(8, 16), 16).eval()
        >>> found = beam_search(model, torch.tensor([[1, 2], [3, 4]]), Beam(width=4, best=2), steps=5, end=0)
        >>> found.symbols.shape[:2], found.scores.shape
        (torch.Size([2, 2]), torch.Size([2, 2]))
    """
    constraint = Together(constraints)
    logits, state = begin(core, prompt, state, memory)
    batch, groups, width = len(prompt), beam.groups, beam.width // beam.groups
    own, most = _limits(steps, logits, end)
    penalty, ceiling = _penalties(beam.length_penalty, most, logits)
    rows = torch.arange(batch, device=logits.device)  # those that are still searched
    owner = rows.repeat_interleave(groups)  # of each hypothesis
    logits, state, held = states.take((logits, state, constraint.initial(prompt)), owner)
    attended = None if memory is None else states.take(memory, owner)
    live = _Live(penalty.new_zeros(batch, groups, 1), prompt.new_zeros(batch, groups, 1, 0))
    stop = -1 if end is None else end  # no symbol is -1
    found, finished = _nothing(live, min(beam.best, width), most, max(stop, 0)), []

    for step in range(1, most + 1):
        offset = live.totals - _normaliser(logits).view(live.totals.shape)
        left = most - step + 1 if own is None else (own[owner] - step + 1)[:, None]
        narrowed = constraint.narrow(logits, held, left)
        parent, symbol, totals = _choose(narrowed.view(*live.totals.shape, -1), offset, width, beam.diversity)
        live = _Live(totals, torch.cat([_pick(live.symbols, parent), symbol[..., None]], dim=-1))

        last = step == most if own is None else (own[rows] == step)[:, None, None]
        ended = (totals > -torch.inf) & ((symbol == stop) | last)
        if bool(ended.any()):
            scores = totals / penalty[step - 1]
            if beam.coverage is not None:
                scores = scores + beam.coverage(state, attended).view(offset.shape).gather(2, parent)
            found = _best(found, live, scores.where(ended, -torch.inf), max(stop, 0))
            live = live._replace(totals=totals.where(~ended, -torch.inf))

        hopeless = live.totals.amax(-1) / ceiling[step - 1] <= found.scores[..., -1]
        done = (hopeless | (found.ended >= beam.patience * width)).all(1)
        finished.append(states.take((rows, found), done.nonzero()[:, 0]))
        if bool(done.all()):
            break
        going = (~done).nonzero()[:, 0]
        first = torch.arange(offset.numel(), device=rows.device).view(offset.shape)[..., :1]
        parents = (first + parent)[going].flatten()
        rows, found, live, symbol = states.take((rows, found, live, symbol), going)
        before, owner = owner, rows.repeat_interleave(len(parents) // len(rows))
        if memory is not None and not owner.equal(before):
            attended = states.take(memory, owner)
        state, held = states.take((state, held), parents)
        held = constraint.after(symbol.flatten(), held)
        logits, state = core.step(symbol.flatten(), state, attended)
    order, every = states.cat(finished)
    return _given(states.take(every, order.argsort()), beam.best, end)


def _limits(steps: int | Tensor, logits: Tensor, end: int | None) -> tuple[Tensor | None, int]:
    """How many symbols each row may have, where it has a number of its own, and how many any may."""
    if not isinstance(steps, Tensor):
        check(logits, steps, end)
        return None, steps
    if steps.shape != logits.shape[:1]:
        raise ShapeError(f"steps is {tuple(steps.shape)}; wanted ({len(logits)},), a number for each row of the prompt")
    check(logits, int(steps.min()), end)
    return steps.to(logits.device), int(steps.max())


def _penalties(penalty: LengthPenalty, steps: int, logits: Tensor) -> tuple[Tensor, Tensor]:
    """The penalty of each number of symbols from 1 on, and the largest of all greater numbers: what none can do better than."""
    kind = torch.promote_types(logits.dtype, torch.float32)
    each = penalty(torch.arange(1, steps + 1, dtype=kind, device=logits.device))
    if not bool(((each > 0) & (each < torch.inf)).all()):
        raise UsageError(f"length_penalty is {float(each.min())} to {float(each.max())}; wanted finite numbers above 0")
    later = each.flip(0).cummax(0).values.flip(0)
    return each, torch.cat([later[1:], later[-1:]])


def _nothing(live: _Live, keep: int, steps: int, fill: int) -> _Found:
    shape = (*live.totals.shape[:2], keep)
    no = live.totals.new_full(shape, -torch.inf)
    symbols = live.symbols.new_full((*shape, steps), fill)
    return _Found(no, no, live.symbols.new_zeros(shape), symbols, live.symbols.new_zeros(shape[:2]))


def _normaliser(logits: Tensor) -> Tensor:
    normaliser = logits.to(torch.promote_types(logits.dtype, torch.float32)).logsumexp(1)
    if not bool(normaliser.isfinite().all()):
        raise diverged()
    return normaliser


def _choose(logits: Tensor, offset: Tensor, width: int, diversity: float) -> tuple[Tensor, Tensor, Tensor]:
    """The best continuations of each group: logits (B, G, W, V), offset (B, G, W) -> parent, symbol and total (B, G, W')."""
    batch, groups, _, vocabulary = logits.shape
    each = min(width, vocabulary)
    said = offset.new_zeros(batch, vocabulary)
    chosen = []
    for g in range(groups):
        own = logits[:, g] - diversity * said[:, None] if diversity and g else logits[:, g]
        values, symbols = own.topk(each)  # of each hypothesis first: they differ by a number each only
        ranks, places = (values + offset[:, g, :, None]).flatten(1).topk(min(width, values[0].numel()))
        symbol = symbols.flatten(1).gather(1, places)
        totals = ranks + diversity * said.gather(1, symbol)
        said = said.scatter_add(1, symbol, (totals > -torch.inf).to(said))
        chosen.append((places // each, symbol, totals))
    parent, symbol, totals = (torch.stack(parts, dim=1) for parts in zip(*chosen, strict=True))
    return parent, symbol, totals


def _pick(x: Tensor, places: Tensor) -> Tensor:
    """(B, G, W, T), (B, G, W') -> (B, G, W', T)."""
    return x.gather(2, places[..., None].expand(*places.shape, x.shape[3]))


def _best(found: _Found, live: _Live, scores: Tensor, fill: int) -> _Found:
    """The best of those found before and of those that end here, whose scores are above minus infinity."""
    steps, step = found.symbols.shape[3], live.symbols.shape[3]
    best, places = torch.cat([found.scores, scores], dim=2).topk(found.scores.shape[2])
    totals = torch.cat([found.totals, live.totals], dim=2).gather(2, places)
    taken = torch.cat([found.taken, torch.full_like(scores, step, dtype=torch.long)], dim=2).gather(2, places)
    symbols = _pick(torch.cat([found.symbols, F.pad(live.symbols, (0, steps - step), value=fill)], dim=2), places)
    return _Found(best, totals, taken, symbols, found.ended + (scores > -torch.inf).sum(2))


def _given(found: _Found, best: int, end: int | None) -> Hypotheses:
    """The best of all groups together."""
    scores, places = found.scores.flatten(1).topk(best)
    lost = scores[:, 0] == -torch.inf
    if bool(lost.any()):
        steps = found.symbols.shape[3]
        raise UsageError(f"row {int(lost.int().argmax())}: nothing of at most {steps} symbols fits the constraints")
    taken = found.taken.flatten(1).gather(1, places)
    symbols = found.symbols.flatten(1, 2)[torch.arange(len(places), device=places.device)[:, None], places, : int(taken.max())]
    lengths = taken if end is None else spoken(symbols, end)
    return Hypotheses(symbols, lengths, scores, found.totals.flatten(1).gather(1, places))
