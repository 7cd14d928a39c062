"""Connectionist temporal classification: targets whose places in a longer sequence nobody has marked."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from recurra import lengths as ragged
from recurra.errors import DataError, ShapeError

__all__ = ["Alignment", "align", "ctc", "frames_wanted"]


class Alignment(NamedTuple):
    """The most probable way to say each target.

    Shapes: `places` (B, T), which symbol of its target each frame says, counted from 0; -1 for the blank and behind a row's
    end. `log_probabilities` (B,), of that one way.
    """

    places: Tensor
    log_probabilities: Tensor


def frames_wanted(targets: Tensor, lengths: Tensor | None = None) -> Tensor:
    r"""(B,): how many frames each target (B, S) takes at least: one a symbol, and a blank between two that are equal.

    Example:
        >>> frames_wanted(torch.tensor([[1, 1, 2], [3, 4, 0]]), torch.tensor([3, 2]))
        tensor([4, 2])
    """
    steps = targets.shape[1]
    inside = ragged.mask(torch.full_like(targets[:, 0], steps) if lengths is None else lengths, steps) if steps else None
    if inside is None:
        return targets.new_zeros(len(targets))
    repeated = (targets[:, 1:] == targets[:, :-1]) & inside[:, 1:]
    return inside.sum(1) + repeated.sum(1)


def ctc(log_probabilities: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
    r"""Nats of each target: the negative logarithm of the probability of all ways to say it.

    .. math:: -\ln \sum_{\pi : \, \mathcal{B}(\pi) = y} \prod_{t=1}^{T} p_t(\pi_t)

    where :math:`\mathcal{B}` drops repetitions, then blanks. The blank is the last symbol, number V, behind the V of a
    vocabulary, whose number 0 is its unknown symbol.

    Args:
        log_probabilities: (B, T, V + 1), by ``log_softmax``: the gradient holds for what went into that.
        lengths: (B,) frames of each row.
        targets: (B, S) symbols below V; what stands behind a row's end does not matter.
        target_lengths: (B,), 0 allowed: then every frame says the blank.

    Shapes: the nats are (B,), in the dtype of the log-probabilities, float32 at least. On a CPU the same bits each time.

    Raises:
        DataError: a target that does not fit into its frames, so that its probability is 0.
        ShapeError: shapes that do not go together, or a symbol that there is not.

    Source: Graves et al. 2006, Connectionist temporal classification.

    Example:
        >>> even = torch.zeros(1, 2, 3).log_softmax(-1)  # 2 frames, 2 symbols and the blank
        >>> nats = ctc(even, torch.tensor([2]), torch.tensor([[1]]), torch.tensor([1]))
        >>> round(float(nats.neg().exp()) * 9)  # of 9 ways three say it: 1 1, 1 blank, blank 1
        3
    """
    _check(log_probabilities, lengths, targets, target_lengths)
    exact = log_probabilities.to(torch.promote_types(log_probabilities.dtype, torch.float32)).transpose(0, 1)
    inside = ragged.mask(target_lengths, targets.shape[1])
    known = targets.where(inside, 0) if targets.shape[1] else targets.new_zeros(len(targets), 1)
    blank, frames, symbols = log_probabilities.shape[2] - 1, lengths.to(torch.long), target_lengths.to(torch.long)
    return F.ctc_loss(exact, known, frames, symbols, blank=blank, reduction="none")


@torch.no_grad()
def align(log_probabilities: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Alignment:
    r"""Where in its frames each target is said: forced alignment, arguments as those of :func:`ctc`.

    .. math:: \operatorname*{argmax}_{\pi : \, \mathcal{B}(\pi) = y} \prod_t p_t(\pi_t)

    by dynamic programming over the target with blanks around its symbols (Viterbi 1967). Of equal ways that is taken which
    goes on later.

    Example:
        >>> sure = torch.tensor([[[0.1, 0.8, 0.1], [0.1, 0.2, 0.7], [0.8, 0.1, 0.1]]]).log()
        >>> align(sure, torch.tensor([3]), torch.tensor([[1, 0]]), torch.tensor([2])).places
        tensor([[ 0, -1,  1]])
    """
    _check(log_probabilities, lengths, targets, target_lengths)
    (batch, steps, size), device = log_probabilities.shape, log_probabilities.device
    states = 2 * targets.shape[1] + 1
    said = torch.full((batch, states), size - 1, device=device)  # blank, y1, blank, y2, ..., blank
    said[:, 1::2] = targets.where(ragged.mask(target_lengths, targets.shape[1]), 0)
    leaps = torch.zeros(batch, states, dtype=torch.bool, device=device)  # from a symbol to the next, over the blank
    leaps[:, 3::2] = said[:, 3::2] != said[:, 1:-2:2]
    each = log_probabilities.gather(2, said[:, None].expand(-1, steps, -1))
    before = torch.full((batch, states + 2), -torch.inf, dtype=each.dtype, device=device)
    before[:, 2] = 0  # two that are never reached stand in front
    scores, came = [before[:, 2:]], []
    for t in range(steps):
        two = before[:, :-2] if t else torch.full_like(before[:, 2:], -torch.inf)
        ways = torch.stack([before[:, 2:], before[:, 1:-1], two.where(leaps, -torch.inf)])
        best, way = ways.max(0)
        before = F.pad(best + each[:, t], (2, 0), value=-torch.inf)
        scores.append(before[:, 2:])
        came.append(way)
    rows = torch.arange(batch, device=device)
    last = torch.stack(scores)[lengths.to(device), rows]  # (B, states)
    ends = torch.stack([2 * target_lengths, (2 * target_lengths - 1).clamp(min=0)], 1).to(device)
    score, which = last.gather(1, ends).max(1)
    state = ends.gather(1, which[:, None])[:, 0]
    places = torch.full((batch, steps), -1, device=device)
    for t in reversed(range(steps)):
        inside = t < lengths.to(device)
        places[:, t] = torch.where(inside & (state % 2 == 1), state // 2, -1)
        state = torch.where(inside, state - came[t][rows, state], state)
    return Alignment(places, score)


def _check(log_probabilities: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> None:
    if log_probabilities.dim() != 3 or log_probabilities.shape[1] == 0 or log_probabilities.shape[2] < 2:
        raise ShapeError(f"log_probabilities is {tuple(log_probabilities.shape)}; wanted (B, T > 0, V + 1 > 1)")
    if targets.dim() != 2 or len(targets) != len(log_probabilities):
        raise ShapeError(f"targets is {tuple(targets.shape)}; wanted ({len(log_probabilities)}, S)")
    ragged.check(log_probabilities, lengths, None)
    ragged.check(targets, target_lengths, None)
    symbols = targets[ragged.mask(target_lengths, targets.shape[1])]
    blank = log_probabilities.shape[2] - 1
    if symbols.numel() and not 0 <= int(symbols.min()) <= int(symbols.max()) < blank:
        raise ShapeError(f"targets run from {int(symbols.min())} to {int(symbols.max())}; wanted 0 to {blank - 1}")
    wanted = frames_wanted(targets, target_lengths)
    short = wanted > lengths.to(wanted.device)
    if bool(short.any()):
        row = int(short.int().argmax())
        has = f"{int(target_lengths[row])} symbols, equal neighbours among them," if wanted[row] > target_lengths[row] else ""
        has = has or f"{int(target_lengths[row])} symbols"
        raise DataError(f"row {row}: a target of {has} wants {int(wanted[row])} frames; it has {int(lengths[row])}")
