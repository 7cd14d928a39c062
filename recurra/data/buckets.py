"""Pairs of sequences as batches of similar length."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data.counts import told_count
from recurra.data.ragged import Ragged
from recurra.errors import DataError, UsageError

__all__ = ["Buckets", "PairBatch", "in_order"]

CHUNK = 200  # batches that are sorted by length together
CHUNKS = 4  # but at least so many chunks, so that the pairs of a batch are others in each epoch
POOL = 16  # batches that are cut where only one is wanted
EPOCHS = 3  # that tell how many batches one has


class PairBatch(NamedTuple):
    """One batch: source (B, S) or (B, S, C), target (B, T), both 0 behind the end of each row, and their lengths (B,)."""

    source: Tensor
    source_lengths: Tensor
    target: Tensor
    target_lengths: Tensor

    def to(self, device: torch.device | str) -> "PairBatch":
        """The same on another device."""
        return PairBatch(*(part.to(device) for part in self))


@dataclass(frozen=True)
class Plan:
    """Batch k of an epoch is ``order[starts[k] : starts[k + 1]]``."""

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __getitem__(self, k: int) -> NDArray[np.int64]:
        return self.order[self.starts[k] : self.starts[k + 1]]


@final
class Buckets:
    """Pairs of similar length side by side, all of them once an epoch, in another order and company each time.

    An epoch is a random order, cut into chunks; each chunk is sorted by source length, then target length, and cut into
    batches; the batches are shuffled. A batch holds at most `batch` pairs and, padding included, at most `tokens` symbols of
    sources and targets, ``B * (S + T)``; a pair longer than that is a batch of its own.

    With a `pacing` the batch of a step is drawn from the easiest pairs, as many as `pacing(step)` says, each with the same
    probability; from the step on that it says 1, steps are those of epochs. Source: Platanios et al. 2019, arXiv:1903.09848.

    With `classes` an epoch has as many pairs as before, but each class as often as any other: of a rare one the same pairs
    come again, each as often as any other of its class, of a frequent one some stay out, others in each epoch.

    Batch k is a function of (seed, k) alone: a resumed run needs to know only its step.

    Args:
        sources: N sequences, of symbols or vectors.
        targets: N sequences; a label is one of a single symbol.
        tokens: steps that a batch has at most.
        batch: pairs that a batch has at most.
        seed: of the order.
        pacing: the share in (0, 1] of the data that may be drawn at a step.
        difficulty: (N,) how hard each pair is; wanted by `pacing`.
        classes: (N,) the class of each pair, where all classes shall come equally often; not with `pacing`.

    Raises:
        DataError: no pairs.
        UsageError: `pacing` without `difficulty` or with `classes`, or either for another number of pairs.

    Example:
        >>> pairs = Ragged.of([[1] * (k % 7 + 1) for k in range(100)])
        >>> buckets = Buckets(pairs, pairs, tokens=60, batch=16, seed=0)
        >>> batch = buckets[0]
        >>> batch.source.shape == batch.target.shape, batch.source.numel() + batch.target.numel() <= 60
        (True, True)
    """

    def __init__(
        self,
        sources: Ragged,
        targets: Ragged,
        *,
        tokens: int,
        batch: int,
        seed: int,
        pacing: Callable[[int], float] | None = None,
        difficulty: NDArray[np.float64] | None = None,
        classes: NDArray[np.int64] | None = None,
    ) -> None:
        if not sources.rows:
            raise DataError("no pairs to make batches of; wanted at least 1")
        if sources.rows != targets.rows:
            raise UsageError(f"{told_count(sources.rows, 'source')}, {told_count(targets.rows, 'target')}; wanted as many")
        if pacing is not None and (difficulty is None or difficulty.shape != (sources.rows,)):
            came = "no difficulty" if difficulty is None else f"difficulty of shape {difficulty.shape}"
            raise UsageError(f"pacing with {came}; wanted one number for each of the {told_count(sources.rows, 'pair')}")
        if classes is not None and (pacing is not None or classes.shape != (sources.rows,)):
            came = f"classes of shape {classes.shape}{' and pacing' if pacing is not None else ''}"
            raise UsageError(f"{came}; wanted one class for each of the {told_count(sources.rows, 'pair')}, and no pacing")
        self.members = None if classes is None else [np.flatnonzero(classes == each) for each in np.unique(classes)]
        self.sources, self.targets = sources, targets
        self.tokens, self.batch, self.seed, self.pacing = tokens, batch, seed, pacing
        self.lengths = np.stack([sources.lengths, targets.lengths])
        self.size = max(1, min(batch, int(tokens / max(1.0, self.lengths.sum(0).mean()))))  # about how many pairs a batch has
        self.easiest = np.arange(sources.rows) if difficulty is None else np.argsort(difficulty, kind="stable")
        self._ends = [0]  # the first step of each epoch that was met so far
        self._kept: tuple[int, Plan] = (-1, Plan(self.easiest, np.zeros(1, np.int64)))
        first = self._plan(0)
        widths = np.maximum(np.maximum.reduceat(self.lengths[:, first.order], first.starts[:-1], axis=1), 1).sum(0)
        self.padding = float(1 - self.lengths[:, first.order].sum() / (widths * np.diff(first.starts)).sum())
        while len(self._ends) <= EPOCHS:
            self._extend()
        self.per_epoch = round(self._ends[EPOCHS] / EPOCHS)

    def __getitem__(self, step: int) -> PairBatch:
        places = self.places(step)
        return _batch(self.sources, self.targets, self.lengths[:, places], places)

    def places(self, step: int) -> NDArray[np.int64]:
        """(B,) which pairs the batch of a step holds."""
        share = 1.0 if self.pacing is None else self.pacing(step)
        if share < 1:
            return self._easy(step, share)
        while self._ends[-1] <= step:
            self._extend()
        epoch = int(np.searchsorted(self._ends, step, side="right")) - 1
        return self._plan(epoch)[step - self._ends[epoch]]

    def _extend(self) -> None:
        self._ends.append(self._ends[-1] + len(self._plan(len(self._ends) - 1).starts) - 1)

    def _plan(self, epoch: int) -> Plan:
        """The batches of an epoch; the last one asked for is kept, as its steps come one after the other."""
        if self._kept[0] != epoch:
            random = np.random.default_rng([self.seed, epoch])
            chunks = max(CHUNKS, -(-self.sources.rows // (self.size * CHUNK)))
            chunk = random.integers(chunks, size=self.sources.rows)
            plan = self._cut(self._drawn(random), chunk)
            self._kept = epoch, _shuffled(plan, random)
        return self._kept[1]

    def _drawn(self, random: np.random.Generator) -> NDArray[np.int64]:
        """The pairs of an epoch in random order: all of them, or as many of each class."""
        count = self.sources.rows
        if self.members is None:
            return random.permutation(count)
        quotas = np.full(len(self.members), count // len(self.members))
        quotas[random.permutation(len(quotas))[: count % len(quotas)]] += 1
        drawn = [
            np.concatenate([random.permutation(each) for _ in range(-(-quota // len(each)))] or [each[:0]])[:quota]
            for each, quota in zip(self.members, quotas.tolist(), strict=True)
        ]
        return random.permutation(np.concatenate(drawn))

    def _easy(self, step: int, share: float) -> NDArray[np.int64]:
        """A batch of those that are cut from a few of the easiest pairs: each pair of them has the same chance."""
        random = np.random.default_rng([self.seed, step, 1])
        easy = self.easiest[: max(1, int(np.ceil(share * len(self.easiest))))]
        drawn = random.permutation(np.unique(random.integers(len(easy), size=POOL * self.size)))
        plan = self._cut(easy[drawn], np.zeros(len(drawn), np.int64))
        return plan[int(random.integers(len(plan.starts) - 1))]

    def _cut(self, places: NDArray[np.int64], chunk: NDArray[np.int64]) -> Plan:
        """Batches from pairs in random order: sorted in each chunk, up and down in turns so that borders fit together."""
        (source, target), (most_source, most_target) = self.lengths[:, places], self.lengths.max(1)
        source = np.where(chunk % 2, most_source - source, source)
        target = np.where(source % 2, most_target - target, target)
        order = places[np.argsort((chunk * (most_source + 1) + source) * (most_target + 1) + target, kind="stable")]
        return Plan(order, _cuts(self.lengths[:, order], self.tokens, self.batch))


def in_order(sources: Ragged, targets: Ragged, *, tokens: int, batch: int) -> Iterator[tuple[NDArray[np.int64], PairBatch]]:
    """Every pair once, the longest first, in batches as large as `Buckets` makes them; with the places of the pairs.

    Example:
        >>> rows = Ragged.of([[1], [1, 2, 3], [1, 2]])
        >>> [(places.tolist(), tuple(batch.source.shape)) for places, batch in in_order(rows, rows, tokens=100, batch=2)]
        [([1, 2], (2, 3)), ([0], (1, 1))]
    """
    lengths = np.stack([sources.lengths, targets.lengths])
    order = np.lexsort([-lengths[1], -lengths[0]])
    plan = Plan(order, _cuts(lengths[:, order], tokens, batch))
    for k in range(len(plan.starts) - 1):
        yield plan[k], _batch(sources, targets, lengths[:, plan[k]], plan[k])


def _cuts(lengths: NDArray[np.int64], tokens: int, batch: int) -> NDArray[np.int64]:
    """Where batches of neighbours start, each as large as may be, and the end of the last."""
    count, lengths = lengths.shape[1], np.maximum(lengths, 1)  # no side of a batch is narrower
    most = max(1, min(batch, tokens // 2))
    rows, starts = np.arange(1, most + 1), [0]
    while starts[-1] < count:
        widths = np.maximum.accumulate(lengths[:, starts[-1] : starts[-1] + most], axis=1).sum(0)
        fit = int(np.searchsorted(widths * rows[: len(widths)], tokens, side="right"))
        starts.append(starts[-1] + max(1, fit))
    return np.array(starts)


def _shuffled(plan: Plan, random: np.random.Generator) -> Plan:
    sizes, turn = np.diff(plan.starts), random.permutation(len(plan.starts) - 1)
    starts = np.append(0, sizes[turn].cumsum())
    inside = np.arange(len(plan.order)) - np.repeat(starts[:-1], sizes[turn])
    return Plan(plan.order[np.repeat(plan.starts[turn], sizes[turn]) + inside], starts)


def _batch(sources: Ragged, targets: Ragged, lengths: NDArray[np.int64], places: NDArray[np.int64]) -> PairBatch:
    source, target = (torch.from_numpy(rows.padded(places)) for rows in (sources, targets))
    return PairBatch(source, torch.from_numpy(lengths[0]), target, torch.from_numpy(lengths[1]))
