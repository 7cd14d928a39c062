"""BLEU and chrF of translations, as the sacrebleu library counts them."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from recurra.errors import UsageError
from recurra.metrics.pairs import PairTotals

__all__ = ["TranslationTotals"]

Floats = NDArray[np.float64]
ORDERS = 4  # of BLEU
BLEU_COLUMNS = 2 + 2 * ORDERS


@final
class TranslationTotals(PairTotals):
    r"""BLEU and chrF2 of a corpus, cased, from 0 to 100; one reference for each output, both as plain text.

    .. math::
        \mathrm{BLEU} = 100 \, \min(1, e^{1 - r/c}) \, \Big( \prod_{n=1}^4 p_n \Big)^{1/4} \qquad
        \mathrm{chrF} = 100 \, \frac{5 \, P R}{4 P + R}

    with c and r the words of outputs and references, :math:`p_n` the share of n-grams that hit, over the whole corpus (the
    k-th order without a hit counts as :math:`2^{-k}` hits), and P, R the mean precision and recall of character n-grams
    of up to 6, blanks left out. Words are cut by tokenizer 13a.
    Source: Papineni et al. 2002; Popović 2015; Post 2018, arXiv:1804.08771.

    The library counts (`pip install 'recurra[metrics]'`); sums of its counts are scored here, which gives its own figures.

    Example:
        >>> totals = TranslationTotals()
        >>> totals.add(["the cat sat on the mat", "hello there"], ["the cat sat on a mat", "hello there"])
        >>> {name: round(value, 2) for name, value in totals.figures().items()}
        {'BLEU': 55.84, 'chrF': 81.97}
    """

    names = ("BLEU", "chrF")

    @property
    def signatures(self) -> dict[str, str]:
        """What sacrebleu calls the two metrics, in full: what makes figures comparable.

        Example:
            >>> TranslationTotals().signatures["BLEU"].partition("|version")[0]
            'nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp'
        """
        metrics = _metrics()
        for metric in metrics:
            metric.corpus_score(["a"], [["a"]])  # before the first score it has no signature
        return {name: str(metric.get_signature()) for name, metric in zip(self.names, metrics, strict=True)}

    def _measure(self, outputs: Sequence[str], references: Sequence[str]) -> Floats:
        counts = [metric._extract_corpus_statistics(outputs, [references]) for metric in _metrics()]
        return np.hstack([np.array(rows, np.float64) for rows in counts])

    def _score(self, name: str, sums: Floats) -> Floats:
        return _bleu(sums[..., :BLEU_COLUMNS]) if name == "BLEU" else _chrf(sums[..., BLEU_COLUMNS:])


def _bleu(sums: Floats) -> Floats:
    """From (..., 10): words of outputs and of references, hits of each order, n-grams of each order."""
    words, wanted, hits, grams = sums[..., 0], sums[..., 1], sums[..., 2 : 2 + ORDERS], sums[..., 2 + ORDERS :]
    least = 0.5 ** np.cumsum(hits == 0, axis=-1)
    logs = np.where(grams > 0, np.log(np.maximum(hits, least) / np.maximum(grams, 1)), -np.inf)
    brevity = np.minimum(0.0, 1 - wanted / np.maximum(words, 1))
    return np.where(hits.any(-1), 100 * np.exp(logs.mean(-1) + brevity), 0.0)


def _chrf(sums: Floats) -> Floats:
    """From (..., 18): for each order the n-grams of outputs, of references, and those of both."""
    grams, wanted, hits = (sums[..., k::3] for k in range(3))
    seen = (grams > 0) & (wanted > 0)
    orders = np.maximum(seen.sum(-1), 1)
    precision, recall = (np.where(seen, hits / np.maximum(of, 1), 0.0).sum(-1) / orders for of in (grams, wanted))
    score: Floats = 500 * precision * recall / np.where(precision + recall > 0, 4 * precision + recall, 1.0)
    return score


def _metrics() -> tuple[Any, Any]:
    try:
        from sacrebleu.metrics import BLEU, CHRF
    except ImportError:
        raise UsageError("BLEU and chrF need the sacrebleu library; type: pip install 'recurra[metrics]'") from None
    return BLEU(tokenize="13a", force=True), CHRF()  # force: no warning about text that has blanks before its full stops
