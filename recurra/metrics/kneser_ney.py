"""Interpolated Kneser-Ney n-grams: the baseline that a language model has to beat."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["KneserNey"]

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


class Level(NamedTuple):
    """What is known of all n-grams of one length, each numbered by its place in `keys`."""

    keys: Ids  # number of the context * symbols + last symbol, ascending
    raw: "Counts"
    continuation: "Counts"


class Counts(NamedTuple):
    """Discounted estimates from one kind of count; the last place, which number -1 reaches, is 0."""

    counts: Floats  # of each n-gram
    totals: Floats  # of each context
    kinds: Floats  # different symbols seen after each context
    discount: float


class KneserNey:
    r"""All orders from 1 to `order`, learnt in one pass over a sequence of symbols.

    .. math::
        P_n(w \mid h) = \frac{\max(c(hw) - D, 0)}{c(h)} + \frac{D \, N_{1+}(h\,\cdot)}{c(h)} \, P'_{n-1}(w \mid h') \qquad
        D = \frac{n_1}{n_1 + 2 n_2}

    The highest order uses raw counts, the lower ones count in how many contexts an n-gram stands; below the unigram lies
    the uniform distribution over `symbols`. Source: Kneser & Ney 1995, in the interpolated form of Chen & Goodman 1999.

    Args:
        ids: the learning sequence, whole numbers below `symbols`.
        symbols: size of the vocabulary V.
        order: the longest n-gram.

    Example:
        >>> import numpy as np
        >>> model = KneserNey(np.array([0, 1] * 20), symbols=3, order=3)
        >>> nats = model.nats(np.array([0, 1, 0, 1]))
        >>> nats.shape, bool(nats[1, -1] < nats[0, -1])  # a bigram knows what follows 0
        ((3, 4), True)
    """

    def __init__(self, ids: Ids, symbols: int, order: int) -> None:
        self.symbols = symbols
        context = np.zeros(len(ids), np.int64)
        numbers, firsts, keys, counts = [], [], [], []
        for n in range(order):
            start = min(n, len(ids))
            pairs = context[start:] * symbols + ids[start:]
            found, first, inverse, count = np.unique(pairs, return_index=True, return_inverse=True, return_counts=True)
            number = np.concatenate([np.full(start, -1), inverse])
            context = _before(number)
            numbers.append(number)
            firsts.append(first + start)
            keys.append(found)
            counts.append(count.astype(np.float64))
        self.levels: list[Level] = []
        for n in range(order):
            contexts = len(keys[n - 1]) if n else 1
            continued = counts[n]
            if n + 1 < order:  # in how many contexts each n-gram stands: the different longer ones that end with it
                continued = np.bincount(numbers[n][firsts[n + 1]], minlength=len(keys[n])).astype(np.float64)
            owners = keys[n] // symbols
            self.levels.append(Level(keys[n], _estimate(counts[n], owners, contexts), _estimate(continued, owners, contexts)))

    def nats(self, ids: Ids) -> Floats:
        """(order, T): the negative log-probability of every symbol under every order, the unigram first.

        The first symbols of the sequence have shorter contexts.
        """
        lower = np.full(len(ids), 1.0 / self.symbols)
        context = np.zeros(len(ids), np.int64)
        orders = []
        for level in self.levels:
            number = _find(level.keys, np.where(context < 0, -1, context * self.symbols + ids))
            orders.append(-np.log(_mix(level.raw, context, number, lower)))
            lower = _mix(level.continuation, context, number, lower)
            context = _before(number)
        return np.stack(orders)

    def by_name(self, ids: Ids) -> dict[str, Floats]:
        """(T,) nats of every symbol under each order, by what figures call it.

        Example:
            >>> import numpy as np
            >>> list(KneserNey(np.array([0, 1] * 20), symbols=3, order=3).by_name(np.array([0, 1])))
            ['unigram', 'Kneser-Ney 2-gram', 'Kneser-Ney 3-gram']
        """
        names = ["unigram", *(f"Kneser-Ney {n}-gram" for n in range(2, len(self.levels) + 1))]
        return dict(zip(names, self.nats(ids), strict=True))


def _before(numbers: Ids) -> Ids:
    """The n-gram that ended one symbol earlier; -1 before the first."""
    return np.concatenate([[-1], numbers[:-1]])[: len(numbers)]


def _find(keys: Ids, wanted: Ids) -> Ids:
    places = np.searchsorted(keys, wanted)
    return np.where(np.append(keys, -2)[places] == wanted, places, -1)


def _estimate(counts: Floats, owners: Ids, contexts: int) -> Counts:
    once, twice = np.count_nonzero(counts == 1), np.count_nonzero(counts == 2)
    discount = once / (once + 2 * twice) if once else 0.5
    totals, kinds = (np.bincount(owners, weights, contexts).astype(np.float64) for weights in (counts, counts > 0))
    return Counts(np.append(counts, 0.0), np.append(totals, 0.0), np.append(kinds, 0.0), discount)


def _mix(known: Counts, context: Ids, number: Ids, lower: Floats) -> Floats:
    total = known.totals[context]
    safe = np.maximum(total, 1.0)
    mixed = np.maximum(known.counts[number] - known.discount, 0) / safe + known.discount * known.kinds[context] / safe * lower
    return np.where(total > 0, mixed, lower)
