from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recurra.data import Buckets, Competence, PairBatch, Ragged, in_order
from recurra.errors import DataError, UsageError

LENGTHS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=60)
LIMITS = st.tuples(st.integers(1, 60), st.integers(1, 9))


def ragged(lengths: list[int], first: int = 1) -> Ragged:
    """Sequence k holds k + `first` all along."""
    return Ragged.of(np.full(length, first + k) for k, length in enumerate(lengths))


def sides(lengths: list[tuple[int, int]]) -> tuple[Ragged, Ragged]:
    return ragged([source for source, _ in lengths]), ragged([target for _, target in lengths], 1001)


def many(count: int = 2000, seed: int = 0) -> tuple[Ragged, Ragged]:
    random = np.random.default_rng(seed)
    source = random.integers(1, 40, count)
    return sides(list(zip(source.tolist(), (source + random.integers(0, 6, count)).tolist(), strict=True)))


def epoch(buckets: Buckets, start: int, pairs: int) -> tuple[list[NDArray[np.int64]], int]:
    """The batches from a step on that hold so many pairs together, and the step after them."""
    batches = list[NDArray[np.int64]]()
    while sum(map(len, batches)) < pairs:
        batches.append(buckets.places(start + len(batches)))
    return batches, start + len(batches)


class TestBatches:
    @given(LENGTHS, LIMITS, st.integers(0, 3))
    @settings(deadline=None)
    def test_each_pair_once_an_epoch_within_the_limits(
        self, lengths: list[tuple[int, int]], limits: tuple[int, int], seed: int
    ) -> None:
        tokens, most = limits
        buckets = Buckets(*sides(lengths), tokens=tokens, batch=most, seed=seed)
        step, counts = 0, []
        for _ in range(4):
            batches, after = epoch(buckets, step, len(lengths))
            assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
            for places in batches:
                widths = [max(1, *(lengths[place][side] for place in places)) for side in (0, 1)]
                assert len(places) == 1 or (len(places) <= most and len(places) * sum(widths) <= tokens)
            counts.append(after - step)
            step = after
        assert buckets.per_epoch == round(sum(counts[:3]) / 3)
        assert 0 <= buckets.padding <= 1

    def test_what_a_batch_holds(self) -> None:
        sources, targets = many(200)
        buckets = Buckets(sources, targets, tokens=300, batch=16, seed=0)
        places, batch = buckets.places(5), buckets[5]
        assert len(places) > 1
        for k, place in enumerate(places):
            for row, length, wanted in (
                (batch.source[k], batch.source_lengths[k], sources.row(place)),
                (batch.target[k], batch.target_lengths[k], targets.row(place)),
            ):
                assert row[:length].tolist() == wanted.tolist()
                assert not row[length:].any()
        assert all(part.dtype == torch.int64 for part in batch)
        assert isinstance(batch.to("meta"), PairBatch)
        assert all(part.is_meta for part in batch.to("meta"))

    def test_a_batch_is_a_function_of_seed_and_step(self) -> None:
        sources, targets = many(300)
        one, other, another = (Buckets(sources, targets, tokens=400, batch=8, seed=seed) for seed in (3, 3, 4))
        for step in (200, 3, 77, 200, 0):
            np.random.seed(step)
            assert one[step].source.equal(other[step].source)
        assert any(not one[step].source.equal(another[step].source) for step in range(5))

    def test_pairs_meet_others_in_each_epoch(self) -> None:
        sources, targets = many()
        buckets = Buckets(sources, targets, tokens=10_000, batch=32, seed=0)
        first, step = epoch(buckets, 0, sources.rows)
        second, _ = epoch(buckets, step, sources.rows)
        company = [
            {frozenset((a, b)) for places in batches for a in places for b in places if a < b} for batches in (first, second)
        ]
        assert len(company[0] & company[1]) < 0.3 * len(company[0])
        lengths = [float(sources.lengths[places].mean()) for places in first]
        assert abs(np.corrcoef(lengths[1:], lengths[:-1])[0, 1]) < 0.4  # batches are shuffled

    def test_similar_lengths_stand_together(self) -> None:
        sources, targets = many()
        buckets = Buckets(sources, targets, tokens=2000, batch=32, seed=0)
        shapes = [buckets[step] for step in range(buckets.per_epoch)]
        room = sum(batch.source.numel() + batch.target.numel() for batch in shapes)
        random = 1 - (sources.lengths.sum() + targets.lengths.sum()) / (sources.rows * 84)
        assert buckets.padding == pytest.approx(1 - (sources.lengths.sum() + targets.lengths.sum()) / room, abs=0.02)
        assert buckets.padding < 0.3 * random

    def test_a_pair_beyond_the_budget_is_alone(self) -> None:
        buckets = Buckets(*sides([(3, 3)] * 20 + [(100_000, 5)]), tokens=60, batch=10, seed=0)
        batches, _ = epoch(buckets, 0, 21)
        assert [len(places) for places in batches if 20 in places] == [1]
        assert buckets[next(k for k, places in enumerate(batches) if 20 in places)].source.shape == (1, 100_000)

    def test_bad_calls(self) -> None:
        sources, targets = many(10)
        with pytest.raises(DataError, match=r"^no pairs"):
            Buckets(Ragged.of([]), Ragged.of([]), tokens=9, batch=9, seed=0)
        with pytest.raises(UsageError, match=r"^10 sources, 9 targets; wanted as many$"):
            Buckets(sources, targets.take(np.arange(9)), tokens=9, batch=9, seed=0)
        for difficulty, came in ((None, "no difficulty"), (np.zeros(9), r"difficulty of shape \(9,\)")):
            with pytest.raises(UsageError, match=f"^pacing with {came}; wanted one number for each of the 10 pairs$"):
                Buckets(sources, targets, tokens=9, batch=9, seed=0, pacing=Competence(9), difficulty=difficulty)


class TestCurriculum:
    def made(self, steps: int, seed: int = 0) -> tuple[Buckets, NDArray[np.float64]]:
        sources, targets = many(1000)
        difficulty = np.random.default_rng(5).random(1000)
        pacing = Competence(steps, start=0.05)
        return Buckets(sources, targets, tokens=400, batch=12, seed=seed, pacing=pacing, difficulty=difficulty), difficulty

    def test_only_the_easiest_share_is_drawn(self) -> None:
        buckets, difficulty = self.made(400)
        ranks = difficulty.argsort().argsort()
        hardest = [int(ranks[buckets.places(step)].max()) for step in range(400)]
        allowed = [int(np.ceil(Competence(400, 0.05)(step) * 1000)) for step in range(400)]
        assert all(rank < bound for rank, bound in zip(hardest, allowed, strict=True))
        assert max(hardest[-50:]) > 900

    def test_each_of_them_has_the_same_chance(self) -> None:
        buckets, difficulty = self.made(10**9)  # stands still: the easiest twentieth
        drawn = Counter(place for step in range(4000) for place in buckets.places(step).tolist())
        assert set(drawn) == set(np.argsort(difficulty)[:51].tolist())
        counts = np.array(list(drawn.values()))
        assert counts.std() < 0.15 * counts.mean()

    def test_limits_hold_and_batches_are_a_function_of_the_step(self) -> None:
        buckets, other = self.made(400)[0], self.made(400)[0]
        for step in (150, 3, 399, 150):
            batch = buckets[step]
            assert batch.source.equal(other[step].source)
            assert len(batch.source) <= 12
            assert batch.source.numel() + batch.target.numel() <= 400
        assert not buckets[0].source.equal(self.made(400, seed=1)[0][0].source)

    def test_then_it_is_as_without(self) -> None:
        buckets, _ = self.made(40)
        plain = Buckets(buckets.sources, buckets.targets, tokens=400, batch=12, seed=0)
        for step in (40, 41, 200):
            assert (buckets.places(step) == plain.places(step)).all()
        assert buckets.per_epoch == plain.per_epoch


class TestInOrder:
    @given(LENGTHS, LIMITS)
    @settings(deadline=None)
    def test_all_of_them_the_longest_first(self, lengths: list[tuple[int, int]], limits: tuple[int, int]) -> None:
        sources, targets = sides(lengths)
        tokens, most = limits
        before, seen = (99, 99), list[int]()
        for places, batch in in_order(sources, targets, tokens=tokens, batch=most):
            seen += places.tolist()
            for k, place in enumerate(places):
                assert before >= lengths[place]
                before = lengths[place]
                assert batch.target[k, : batch.target_lengths[k]].tolist() == targets.row(place).tolist()
            assert len(places) == 1 or (len(places) <= most and batch.source.numel() + batch.target.numel() <= tokens)
        assert sorted(seen) == list(range(len(lengths)))

    def test_of_none_nothing(self) -> None:
        assert not list(in_order(Ragged.of([]), Ragged.of([]), tokens=9, batch=9))


class TestBalance:
    CLASSES = np.array([0] * 700 + [1] * 60 + [2] * 240)

    def made(self, seed: int = 0) -> Buckets:
        return Buckets(*many(1000), tokens=600, batch=16, seed=seed, classes=self.CLASSES)

    def epochs(self, buckets: Buckets, count: int) -> list[NDArray[np.int64]]:
        found, step = [], 0
        for _ in range(count):
            batches, step = epoch(buckets, step, 1000)
            found.append(np.concatenate(batches))
        return found

    def test_each_class_comes_equally_often_and_each_of_its_pairs_too(self) -> None:
        first, second = self.epochs(self.made(), 2)
        for drawn in (first, second):
            assert len(drawn) == 1000
            assert sorted(np.bincount(self.CLASSES[drawn]).tolist()) == [333, 333, 334]
            times = np.bincount(drawn, minlength=1000)
            assert times[:700].max() == 1
            assert set(times[700:760].tolist()) <= {5, 6}
            assert set(times[760:].tolist()) <= {1, 2}
        frequent = [set(drawn[drawn < 700].tolist()) for drawn in (first, second)]
        assert len(frequent[0] & frequent[1]) < 240  # 159 of 333 by chance
        every = set[int]().union(*(drawn.tolist() for drawn in self.epochs(self.made(), 12)))
        assert len(every) > 990

    def test_limits_hold_and_batches_are_a_function_of_the_step(self) -> None:
        buckets, other, another = self.made(), self.made(), self.made(seed=1)
        for step in (200, 3, 90, 200):
            batch = buckets[step]
            assert batch.source.equal(other[step].source)
            assert len(batch.source) <= 16
            assert batch.source.numel() + batch.target.numel() <= 600
        assert any(not buckets[step].source.equal(another[step].source) for step in range(5))
        assert 0 <= buckets.padding < 0.3

    def test_more_classes_than_pairs_of_some(self) -> None:
        rows = ragged([3, 4, 5])
        buckets = Buckets(rows, rows, tokens=100, batch=1, seed=0, classes=np.array([7, -2, 7]))
        for step in (0, 3, 6):
            drawn = [int(buckets.places(step + k)[0]) for k in range(3)]
            assert drawn.count(1) in {1, 2}

    def test_bad_calls(self) -> None:
        sources, targets = many(10)
        for classes, more in ((np.zeros(9, np.int64), {}), (np.zeros(10, np.int64), {"pacing": Competence(9)})):
            with pytest.raises(
                UsageError, match=r"^classes of shape .*wanted one class for each of the 10 pairs, and no pacing$"
            ):
                Buckets(sources, targets, tokens=9, batch=9, seed=0, classes=classes, difficulty=np.zeros(10), **more)
