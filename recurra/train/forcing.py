"""Teacher forcing and scheduled sampling: whether a model reads true symbols in training, or its own."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, cast, final, get_args

import torch
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra import state as states
from recurra.errors import ShapeError, UsageError, near_miss
from recurra.layers import Core
from recurra.train.training import Batches

__all__ = [
    "DECAYS",
    "ConstantShare",
    "Decay",
    "Draw",
    "ExponentialDecay",
    "Forced",
    "InverseSigmoidDecay",
    "LinearDecay",
    "Shared",
    "decay",
    "forced",
    "mixed",
]

LEFT = 0.01  # of the way that a decay without an end has still to go at the last step

Draw = Literal["sample", "argmax"]
"""How a model's own symbol is taken from its logits."""


class Decay(Protocol):
    """The share of true symbols."""

    def share(self, step: int) -> float:
        """The share at an update, counted from 0."""


@dataclass(frozen=True)
class ConstantShare:
    """Always the same share.

    Example:
        >>> ConstantShare(0.75).share(7)
        0.75
    """

    last: float = 1.0

    def __post_init__(self) -> None:
        _check(self.last)

    def share(self, step: int) -> float:
        """The share."""
        return self.last


@dataclass(frozen=True)
class LinearDecay:
    r"""As much less at every step, from 1 at the first of n steps to `last` at the last.

    .. math:: p_i = p + (1 - p) \Big(1 - \frac{i}{n - 1}\Big)

    Source: Bengio et al. 2015, arXiv:1506.03099, section 2.4: :math:`\max(\epsilon, 1 - c i)` with
    :math:`c = (1 - \epsilon) / (n - 1)`.

    Example:
        >>> [LinearDecay(101, 0.5).share(i) for i in (0, 50, 100)]
        [1.0, 0.75, 0.5]
    """

    steps: int
    last: float = 0.0

    def __post_init__(self) -> None:
        _check(self.last, self.steps)

    def share(self, step: int) -> float:
        """The formula above at step i."""
        return _towards(self.last, 1 - _passed(step, self.steps) / _way(self.steps))


@dataclass(frozen=True)
class ExponentialDecay:
    r"""The same part of what is left at every step, from 1 at the first of n; at the last a hundredth of the way is left.

    .. math:: p_i = p + (1 - p) \, k^i, \qquad k = 0.01^{1 / (n - 1)}

    Source: Bengio et al. 2015, arXiv:1506.03099, section 2.4, where p is 0.

    Example:
        >>> [round(ExponentialDecay(101).share(i), 3) for i in (0, 50, 100)]
        [1.0, 0.1, 0.01]
    """

    steps: int
    last: float = 0.0

    def __post_init__(self) -> None:
        _check(self.last, self.steps)

    def share(self, step: int) -> float:
        """The formula above at step i."""
        return _towards(self.last, LEFT ** (_passed(step, self.steps) / _way(self.steps)))


@dataclass(frozen=True)
class InverseSigmoidDecay:
    r"""Slowly, then fast, then slowly, from 1 at the first of n steps; at the last a hundredth of the way to `last` is left.

    .. math:: p_i = p + (1 - p) \frac{k + 1}{k + e^{i / k}}, \qquad k \text{ such that } e^{(n - 1) / k} = 99 k + 100

    Source: Bengio et al. 2015, arXiv:1506.03099, section 2.4, where p is 0 and the numerator k; here it begins at 1 exactly.

    Example:
        >>> [round(InverseSigmoidDecay(1001).share(i), 3) for i in (0, 500, 1000)]
        [1.0, 0.514, 0.01]
    """

    steps: int
    last: float = 0.0

    def __post_init__(self) -> None:
        _check(self.last, self.steps)

    @property
    def k(self) -> float:
        """How slowly it falls, in steps."""
        k = float(_way(self.steps))
        for _ in range(40):  # each comes four times nearer at least
            k = _way(self.steps) / math.log((1 / LEFT - 1) * k + 1 / LEFT)
        return k

    def share(self, step: int) -> float:
        """The formula above at step i."""
        k = self.k
        return _towards(self.last, (k + 1) / (k + math.exp(_passed(step, self.steps) / k)))


DECAYS: Mapping[str, Callable[[int, float], Decay]] = MappingProxyType(
    {
        "constant": lambda _, last: ConstantShare(last),
        "linear": LinearDecay,
        "exponential": ExponentialDecay,
        "inverse-sigmoid": InverseSigmoidDecay,
    }
)
"""Decays by name, made from the steps of a run and the share at its end."""


def decay(kind: str, last: float, steps: int) -> Decay:
    """The decay of this name over a run of `steps` updates, to the share `last`; after the run it stays.

    Example:
        >>> decay("linear", 0.5, 101)
        LinearDecay(steps=101, last=0.5)
    """
    if kind not in DECAYS:
        raise UsageError(f"decay {kind!r}: no such decay; {near_miss(kind, DECAYS)}")
    return DECAYS[kind](steps, last)


class Shared(NamedTuple):
    """A batch, and the share of true symbols that it is read with."""

    batch: Any
    share: float


@final
@dataclass(frozen=True)
class Forced:
    """Batches, each with the share of true symbols of its update: a function of the step, so a resumed run goes on exactly.

    Args:
        batches: what is trained on.
        decay: of the share.
        accumulate: how many batches make an update; all of them have its share.

    Example:
        >>> Forced(["a", "b", "c", "d"], LinearDecay(2, 0.5), accumulate=2)[3]
        Shared(batch='d', share=0.5)
    """

    batches: Batches
    decay: Decay
    accumulate: int = 1

    def __post_init__(self) -> None:
        if self.accumulate < 1:
            raise UsageError(f"accumulate is {self.accumulate}; wanted 1 batch or more")

    def __getitem__(self, step: int) -> Shared:
        return Shared(self.batches[step], self.decay.share(step // self.accumulate))


def forced(
    core: Core,
    symbols: Tensor,
    share: float,
    *,
    state: Any = None,
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
    memory: Any = None,
    draw: Draw = "sample",
) -> tuple[Tensor, Any]:
    r"""Logits of a core that reads some of its own symbols in place of the true ones, and its state at the end.

    .. math:: l, s = \mathrm{sequence}(\tilde x), \qquad \tilde x_{t + 1} = x_{t + 1} \text{ with probability } p, \text{ else }
        \tilde y_t \sim \mathrm{softmax}(\tilde l_t)

    With `share` 1 it is ``core.sequence(symbols)`` (teacher forcing), and nothing is drawn; with 0 the core runs free behind
    the first symbol; between the two it is scheduled sampling. :func:`mixed` makes the symbols :math:`\tilde x`, step by step,
    and one sweep over them gives logits and gradients. No gradient goes through the choice of a symbol, as in the source.

    The sweep draws dropout as any call of the core does, so a mask for the whole sequence is one. While symbols are made the
    core is in evaluation: they are what it would say if it were used now, and no mask, running statistic or penalty hears of
    them.

    Args:
        core: a language model or a decoder, which reads symbols and predicts the next.
        symbols: the true ones, x.
        share: p, 0 to 1.
        state, lengths, resets: as of ``core.sequence``; what it does behind a row's end and at a reset holds here too.
        memory: what a decoder attends to; it is passed on if there is one.
        draw: ``"sample"`` takes own symbols by their probabilities, ``"argmax"`` the most probable ones.

    Shapes: symbols (B, T), logits (B, T, V).

    Raises:
        UsageError: where the share is not 0 to 1.
        ShapeError: where the symbols are not whole numbers (B, T > 0), or lengths or resets do not fit.

    Source: Bengio et al. 2015, arXiv:1506.03099; Williams & Zipser 1989 (teacher forcing).

    Example:
        >>> from recurra.layers import LSTM
        >>> from recurra.models import LanguageModel
        >>> model, symbols = LanguageModel(10, 8, LSTM(8, 16), 16), torch.randint(10, (2, 7))
        >>> logits, state = forced(model, symbols, 0.75)
        >>> logits.shape
        torch.Size([2, 7, 10])
    """
    fed = mixed(core, symbols, share, state=state, lengths=lengths, resets=resets, memory=memory, draw=draw)
    read = cast("Any", core if isinstance(core, nn.Module) else core.sequence)  # a module's call, so that hooks hear it
    found = read(fed, state, lengths, resets) if memory is None else read(fed, state, lengths, resets, memory=memory)
    return cast("tuple[Tensor, Any]", found)


@torch.no_grad()
def mixed(
    core: Core,
    symbols: Tensor,
    share: float,
    *,
    state: Any = None,
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
    memory: Any = None,
    draw: Draw = "sample",
) -> Tensor:
    """The symbols that :func:`forced` reads, of which it has all arguments: (B, T), true ones and the core's own.

    A coin for every row and step says which. All coins are drawn at once, before any symbol; both come from torch's global
    generator. The first symbol, that at a reset, and those behind a row's end are always true. A row's state at a reset is
    zeros, as in all cores whose states start there.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"share is {share}; wanted 0 to 1")
    if draw not in get_args(Draw):
        raise UsageError(f"draw is {draw!r}; {near_miss(str(draw), get_args(Draw))}")
    if symbols.dim() != 2 or not symbols.shape[1] or symbols.dtype not in (torch.int64, torch.int32):
        raise ShapeError(f"symbols is {tuple(symbols.shape)} of {symbols.dtype}; wanted (B, T > 0) of whole numbers")
    ragged.check(symbols, lengths, resets)
    if share == 1:
        return symbols
    true = torch.rand(symbols.shape, device=symbols.device) < share
    if resets is not None:
        resets = resets.to(symbols.device)
        true |= resets
    if lengths is not None:
        true |= ~ragged.mask(lengths.to(symbols.device), symbols.shape[1])
    fed = list(symbols.unbind(1))
    with _evaluated(core):
        state = core.initial(len(symbols)) if state is None else state
        for t in range(len(fed) - 1):
            if resets is not None:
                state = states.where(resets[:, t], states.map(torch.zeros_like, state), state)
            logits, state = core.step(fed[t], state, memory)
            fed[t + 1] = torch.where(true[:, t + 1], fed[t + 1], _own(logits, draw).to(symbols.dtype))
    torch.clear_autocast_cache()  # the sweep is not to meet weights that were cast here, without a gradient
    return torch.stack(fed, dim=1)


def _own(logits: Tensor, draw: Draw) -> Tensor:
    """(B, V) -> (B,): the model's own symbols, also where logits are no numbers: the training sees that by the loss."""
    if draw == "argmax":
        return logits.argmax(-1)
    p = logits.softmax(-1, dtype=torch.float32)
    return (p / torch.empty_like(p).exponential_()).argmax(-1)  # the first of V clocks to ring, of rates p


@contextmanager
def _evaluated(core: Core) -> Iterator[None]:
    """The modules of a core in evaluation, whichever of them are in training."""
    training = [module for module in core.modules() if module.training] if isinstance(core, nn.Module) else []
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


def _check(last: float, steps: int = 1) -> None:
    if steps < 1:
        raise UsageError(f"steps is {steps}; wanted at least 1")
    if not 0 <= last <= 1:
        raise UsageError(f"last is {last}; wanted 0 to 1")


def _way(steps: int) -> int:
    """Steps from the first to the last; 1 where they are the same."""
    return max(1, steps - 1)


def _passed(step: int, steps: int) -> int:
    return min(step, _way(steps))


def _towards(last: float, left: float) -> float:
    """What is left of the way from 1 to `last`."""
    return last + (1 - last) * left
