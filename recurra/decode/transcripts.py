"""From frames that say a symbol or the blank to symbols: greedily, or by prefixes side by side, with a language model too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra import lengths as ragged
from recurra import state as states
from recurra.errors import NumericError, ShapeError, UsageError
from recurra.layers import Core

__all__ = ["Guess", "PrefixBeam", "Prefixes", "Scorer", "SymbolScorer", "WordScorer", "said"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@torch.no_grad()
def said(
    log_probabilities: Tensor, lengths: Tensor | None = None, last: Tensor | None = None
) -> tuple[list[list[int]], Tensor]:
    """What the most probable symbol of each frame comes to: repetitions dropped, then blanks.

    Args:
        log_probabilities: (B, T, V + 1), the blank last; T may be 0.
        lengths: (B,) frames of each row.
        last: (B,) what the frame before said, where these are the next of a sequence; the blank at its beginning.

    Returns:
        The new symbols of each row, and the next `last`: chunks of any size say what the whole says.

    Source: Graves et al. 2006, best path decoding.

    Example:
        >>> frames = torch.tensor([[0, 0, 2, 0, 1]])  # two symbols, and the blank is number 2
        >>> likely = torch.nn.functional.one_hot(frames).float()
        >>> [symbols], last = said(likely[:, :1])
        >>> symbols, said(likely[:, 1:], last=last)[0]
        ([0], [[0, 1]])
    """
    if log_probabilities.dim() != 3:
        raise ShapeError(f"log_probabilities is {tuple(log_probabilities.shape)}; wanted (B, T, V + 1)")
    ragged.check(log_probabilities, lengths, None)
    batch, steps, size = log_probabilities.shape
    best = log_probabilities.argmax(-1)
    before = torch.full((batch,), size - 1, device=best.device) if last is None else last
    line = torch.cat([before[:, None], best], dim=1)
    ends = torch.full((batch,), steps, device=best.device) if lengths is None else lengths.to(best.device, torch.long)
    new = (line[:, 1:] != line[:, :-1]) & (best != size - 1) & ragged.mask(ends, steps)
    return [row[kept].tolist() for row, kept in zip(best, new, strict=True)], line.gather(1, ends[:, None])[:, 0]


class Scorer(Protocol):
    """What beside the frames tells which prefixes are good; its state holds a row for each of W prefixes."""

    def start(self) -> Any:
        """The state of one empty prefix."""

    def gains(self, state: Any) -> Floats:
        """(W, V): what each next symbol adds to the score."""

    def after(self, state: Any, parents: Whole, symbols: Whole) -> Any:
        """The state of prefixes, each that of a parent, with one more symbol where that is not -1."""

    def ends(self, state: Any) -> Floats:
        """(W,): what it adds that nothing follows."""


@final
class SymbolScorer:
    r"""A language model over symbols of its own, one of which stands for each of the transcript's.

    .. math:: \sum_n \big( \alpha \ln p(y_n \mid y_{<n}) + \beta \big) \; [\, + \; \alpha \ln p(\text{end} \mid y) \,]

    Args:
        core: over symbols, x (B,) -> logits (B, V'): any language model.
        numbers: (V,) which of the model's symbols each of the transcript's is.
        start: symbol that the model reads first.
        weight: :math:`\alpha`.
        bonus: :math:`\beta`, for each symbol, as every one costs probability.
        end: symbol of the model that ends a text; None lets it end anywhere.

    Source: Hannun et al. 2014, arXiv:1408.2873.

    Example:
        >>> from recurra.layers import GRU
        >>> from recurra.models import LanguageModel
        >>> scorer = SymbolScorer(LanguageModel(5, 4, GRU(4, 6), 6).eval(), [1, 2, 3], start=4, weight=0.5)
        >>> scorer.gains(scorer.start()).shape
        (1, 3)
    """

    def __init__(
        self, core: Core, numbers: Sequence[int], *, start: int, weight: float, bonus: float = 0.0, end: int | None = None
    ) -> None:
        self.model, self.numbers, self.weight, self.bonus, self.end = _Model(core, start), numbers, weight, bonus, end

    def start(self) -> Any:
        """The state of one empty prefix."""
        return self.model.start()

    def gains(self, state: "_Spoken") -> Floats:
        """(W, V): what each next symbol adds."""
        return self.weight * _floats(state.log_probabilities[:, list(self.numbers)]) + self.bonus

    def after(self, state: "_Spoken", parents: Whole, symbols: Whole) -> "_Spoken":
        """The state with one more symbol where there is one."""
        return self.model.after(state, parents, np.where(symbols < 0, -1, np.asarray(self.numbers)[symbols]))

    def ends(self, state: "_Spoken") -> Floats:
        """(W,): what the end adds."""
        each = _floats(state.log_probabilities)
        return np.zeros(len(each)) if self.end is None else self.weight * each[:, self.end]


@final
class WordScorer:
    r"""A language model over words, which judges each word of the transcript once it is whole.

    .. math:: \sum_w \big( \alpha \ln p(w \mid \text{words before}) + \beta \big)

    Args:
        core: over words, x (B,) -> logits (B, V').
        words: number of each word; of others it is 0, the unknown word's.
        texts: (V,) text of each symbol of the transcript; a blank in it ends the word before.
        start: word that the model reads first, such as the end of a line.
        weight: :math:`\alpha`.
        bonus: :math:`\beta`, for each word.
    """

    def __init__(
        self, core: Core, words: dict[str, int], texts: Sequence[str], *, start: int, weight: float, bonus: float = 0.0
    ) -> None:
        self.model, self.words, self.texts, self.weight, self.bonus = _Model(core, start), words, texts, weight, bonus
        self._closing = [k for k, text in enumerate(texts) if text.strip() != text]

    def start(self) -> Any:
        """The state of one empty prefix."""
        return self.model.start(), ("",)

    def gains(self, state: Any) -> Floats:
        """(W, V): what each next symbol adds: nothing, unless it ends a word."""
        gains = np.zeros((len(state[1]), len(self.texts)))
        gains[:, self._closing] = self.ends(state)[:, None]
        return gains

    def after(self, state: Any, parents: Whole, symbols: Whole) -> Any:
        """The state with one more symbol where there is one."""
        spoken, open_words = state
        closed, begun = np.full(len(parents), -1), list[str]()
        for row, (parent, symbol) in enumerate(zip(parents.tolist(), symbols.tolist(), strict=True)):
            word = open_words[parent]
            if symbol in self._closing:
                closed[row] = self.words.get(word, 0) if word else -1
                word = ""
            begun.append(word + (self.texts[symbol].strip() if symbol >= 0 else ""))
        return self.model.after(spoken, parents, closed), tuple(begun)

    def ends(self, state: Any) -> Floats:
        """(W,): what the word adds that is open."""
        spoken, words = state
        each = _floats(spoken.log_probabilities)
        found = [
            self.weight * row[self.words.get(word, 0)] + self.bonus if word else 0.0
            for row, word in zip(each, words, strict=True)
        ]
        return np.array(found)


class Prefixes(NamedTuple):
    """What a search holds after some frames, the best first: a value, from which it can go on more than once.

    Attributes:
        symbols: of each prefix.
        blank: (W,) log-probability of all ways to say it that end in the blank.
        full: (W,) the same of those that end in its last symbol.
        gains: (W,) what the scorer has added.
        scored: the scorer's state.
    """

    symbols: tuple[tuple[int, ...], ...]
    blank: Floats
    full: Floats
    gains: Floats
    scored: Any

    @property
    def certain(self) -> tuple[int, ...]:
        """The symbols with which all prefixes begin, so that no later frame can change them."""
        first, last = min(self.symbols), max(self.symbols)
        same = next((k for k, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
        return first[:same]


class Guess(NamedTuple):
    """A transcript that was found: its symbols, the score it was ranked by, and the log-probability of all ways to say it.

    Ways that left the beam are missing in the latter.
    """

    symbols: list[int]
    score: float
    log_probability: float


@final
@dataclass(frozen=True)
class PrefixBeam:
    r"""The most probable transcripts: the beginnings that can lead to them side by side, each with all ways to say it.

    .. math:: \mathrm{score}(y) = \ln \sum_{\pi : \, \mathcal{B}(\pi) = y} \prod_t p_t(\pi_t) + \mathrm{scorer}(y)

    At each frame a prefix stays as it is, said again or with a blank, or goes on by a symbol; ways that meet are added, and
    the best `width` prefixes are kept. With a `width` that loses none, and at the end, scores are exact.

    Args:
        width: prefixes that go on at each frame.
        scorer: a language model beside the frames, or what else there is of :class:`Scorer`.

    Source: Graves & Jaitly 2014; Hannun et al. 2014, arXiv:1408.2873, whose language model enters the sum itself.

    Example:
        >>> from math import exp
        >>> frames = np.log([[0.4, 0.6], [0.4, 0.6]])  # one symbol, and the blank
        >>> best, other = PrefixBeam(4).guesses(frames, 2)  # saying nothing is the best way, 0.36, but not the best transcript
        >>> best.symbols, round(exp(best.score), 2), other.symbols, round(exp(other.score), 2)
        ([0], 0.64, [], 0.36)
    """

    width: int = 16
    scorer: Scorer | None = None

    def __post_init__(self) -> None:
        if self.width < 1:
            raise UsageError(f"width is {self.width}; wanted at least 1")

    def guesses(self, log_probabilities: Tensor | NDArray[Any], best: int = 1) -> list[Guess]:
        """At most the `best` transcripts of all frames (T, V + 1) of one row, the best first."""
        return self.end(self.read(self.begin(), log_probabilities), best)

    def begin(self) -> Prefixes:
        """Before the first frame."""
        zero, none = np.zeros(1), np.full(1, -np.inf)
        return Prefixes(((),), zero, none, zero, None if self.scorer is None else self.scorer.start())

    def read(self, before: Prefixes, log_probabilities: Tensor | NDArray[Any]) -> Prefixes:
        """After the next frames (T, V + 1), T may be 0; frames one by one lead where all together do."""
        frames = (
            _floats(log_probabilities) if isinstance(log_probabilities, Tensor) else np.asarray(log_probabilities, np.float64)
        )
        if frames.ndim != 2:
            raise ShapeError(f"log_probabilities is {frames.shape}; wanted (T, V + 1), of one row")
        if np.isnan(frames).any():
            raise NumericError("log-probabilities that are no numbers; the training has diverged")
        for frame in frames:
            before = self._step(before, frame)
        return before

    def end(self, prefixes: Prefixes, best: int = 1) -> list[Guess]:
        """At most the `best` transcripts, if nothing follows; the best first."""
        log_probabilities = np.logaddexp(prefixes.blank, prefixes.full)
        scores = log_probabilities + prefixes.gains
        if self.scorer is not None:
            scores = scores + self.scorer.ends(prefixes.scored)
        order = np.argsort(-scores, kind="stable")[:best]
        return [Guess(list(prefixes.symbols[k]), float(scores[k]), float(log_probabilities[k])) for k in order]

    def _step(self, before: Prefixes, frame: Floats) -> Prefixes:
        symbols, each, blank = before.symbols, frame[:-1], frame[-1]
        count, some = len(symbols), np.array([bool(prefix) for prefix in symbols])
        last = np.array([prefix[-1] if prefix else 0 for prefix in symbols])
        total = np.logaddexp(before.blank, before.full)
        full = np.where(some, before.full + each[last], -np.inf)
        longer = total[:, None] + each  # by each symbol
        longer[some, last[some]] = (before.blank[:, None] + each)[some, last[some]]  # said again it needs a blank between
        places = {prefix: k for k, prefix in enumerate(symbols)}
        for k, prefix in enumerate(symbols):  # one that is there already is met by its own beginning
            parent = places.get(prefix[:-1]) if prefix else None
            if parent is not None:
                full[k] = np.logaddexp(full[k], longer[parent, prefix[-1]])
                longer[parent, prefix[-1]] = -np.inf
        gains = np.broadcast_to(before.gains[:, None], longer.shape)
        if self.scorer is not None:
            gains = gains + self.scorer.gains(before.scored)
        stay = total + blank
        scores = np.concatenate([np.logaddexp(stay, full) + before.gains, (longer + gains).ravel()])
        kept = np.argsort(-scores, kind="stable")[: self.width]
        kept = kept[scores[kept] > -np.inf]
        if not len(kept):
            raise NumericError("a frame gives every symbol and the blank the probability 0; the training has diverged")
        new = kept >= count
        parents, said_now = np.where(new, (kept - count) // len(each), kept), np.where(new, (kept - count) % len(each), -1)
        return Prefixes(
            tuple(symbols[k] + ((v,) if v >= 0 else ()) for k, v in zip(parents.tolist(), said_now.tolist(), strict=True)),
            np.where(new, -np.inf, stay[parents]),
            np.where(new, longer[parents, said_now], full[parents]),
            np.where(new, gains[parents, said_now], before.gains[parents]),
            None if self.scorer is None else self.scorer.after(before.scored, parents, said_now),
        )


class _Spoken(NamedTuple):
    """A language model after what it has read: its state, and (W, V') the log-probabilities of what comes next."""

    state: Any
    log_probabilities: Tensor


class _Model:
    """A language model that reads for many prefixes at once."""

    def __init__(self, core: Core, start: int) -> None:
        self.core, self.first = core, start

    @torch.no_grad()
    def start(self) -> _Spoken:
        state = self.core.initial(1)
        device = next(iter(states.named(state).values())).device
        return self._step(torch.tensor([self.first], device=device), state)

    @torch.no_grad()
    def after(self, spoken: _Spoken, parents: Whole, symbols: Whole) -> _Spoken:
        device = spoken.log_probabilities.device
        new = np.flatnonzero(symbols >= 0)
        if not len(new):
            return states.take(spoken, torch.from_numpy(parents).to(device))  # type: ignore[no-any-return]
        rows = states.take(spoken.state, torch.from_numpy(parents[new]).to(device))
        more = self._step(torch.from_numpy(symbols[new]).to(device), rows)
        places = parents.copy()  # in what was there, and behind it what is new
        places[new] = len(spoken.log_probabilities) + np.arange(len(new))
        return states.take(states.cat([spoken, more]), torch.from_numpy(places).to(device))  # type: ignore[no-any-return]

    def _step(self, symbols: Tensor, state: Any) -> _Spoken:
        logits, after = self.core.step(symbols, state)
        return _Spoken(after, logits.float().log_softmax(-1) if logits.dtype != torch.float64 else logits.log_softmax(-1))


def _floats(x: Tensor) -> Floats:
    return x.detach().double().cpu().numpy()
