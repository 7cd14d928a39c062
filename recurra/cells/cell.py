"""What a cell is: one equation, and the names of what the equation needs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias, dataclass_transform

from torch import Tensor

from recurra.state import portable

__all__ = ["Cell", "Map", "Maps", "Mask", "Parts", "Width", "written"]

Parts: TypeAlias = Any
"""The parts of a map's result by name, as in ``x.forget``."""

Maps: TypeAlias = Any
"""What the wiring owns by name, as in ``m.recur(h)``, ``m.peep_input``, ``m.norm_cell(c)``, ``m.keep``."""

Width: TypeAlias = Literal["hidden", "projected"]
"""The size of a vector of the step, which is the number of hidden units H, or of projected units P."""

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Map(NamedTuple):
    """A linear map inside the step: the parts it yields, each `gives` wide, from a vector `takes` wide.

    Square parts start orthogonal, or at the identity. `matrix` keeps the matrix orthogonal, or equal to minus its transpose,
    all through training; such a map has one part, and the wiring is `Dense`.
    """

    parts: tuple[str, ...]
    takes: Width = "hidden"
    gives: Width = "hidden"
    bias: bool = True
    start: Literal["orthogonal", "identity"] = "orthogonal"
    matrix: Literal["free", "orthogonal", "antisymmetric"] = "free"


class Mask(NamedTuple):
    """Noise that the layer draws by itself in training: 0 with probability `share`, for every unit of every row.

    Where it is not 0 it is 1, or :math:`1 / (1 - share)` if `scaled`. It is drawn for every step, or once for all of a row's
    steps in a call. In evaluation it is its mean: 1 if scaled, and :math:`1 - share` if not.
    """

    share: float
    scaled: bool = True
    over: Literal["steps", "sequence"] = "steps"

    def draw(self, like: Tensor, shape: tuple[int, ...], *, training: bool) -> Tensor:
        """A mask of this shape, or in evaluation one that broadcasts to it, of the dtype and device of `like`."""
        high = 1 / (1 - self.share) if self.scaled else 1.0
        if not training:
            return like.new_full((1,) * len(shape), high * (1 - self.share))
        return like.new_empty(shape).bernoulli_(1 - self.share).mul_(high)


@dataclass_transform(frozen_default=True)
class Cell(ABC):
    r"""The equation of a recurrent network, without weights.

    .. math:: (y_t, s_t) = \mathrm{step}(x_t, s_{t-1}, m)

    ``step`` is plain torch over one hidden unit at a time, plus calls of named *maps* that the wiring owns. It has no weights,
    no indexing along units, no branch on a value. The same equation then runs wired densely (LSTM), by convolutions
    (ConvLSTM) or block by block, in a Python loop or in a compiled one.

    A cell is a frozen value: annotated fields of a subclass become its arguments, and two cells with equal fields are equal.
    What the equation needs stands beside it:

    =============  ===================================================================================================
    ``gates``      names of the parts of the input map; ``x.forget`` in ``step``
    ``maps``       linear maps of vectors of the step: a name, and the parts each yields (or a :class:`Map`)
    ``vectors``    one weight for each unit: name, and start value or a function that fills it; ``m.peep * s.c``
    ``norms``      layer norms over the units of a row: ``m.norm_cell(c)``
    ``noise``      inputs of every step that the layer is given beside x: ``m.keep``
    ``masks``      those of the noise that the layer draws by itself, and how: a :class:`Mask`
    ``bias``       start values of the biases of gates and norms, 0 where nothing is said
    ``retention``  gates whose bias sets how long the state lives: 1 if longer with a higher bias, -1 with a lower one
    ``widths``     state fields that are not ``"hidden"`` wide
    ``output``     width of y
    ``State``      a NamedTuple of tensors, each (B, H) or (B, P); it starts at zero
    =============  ===================================================================================================

    Example:
        >>> import torch
        >>> from typing import NamedTuple
        >>> from recurra.layers import Dense, Recurrent
        >>> class Leaky(Cell):
        ...     rate: float = 0.1
        ...     gates = ("new",)
        ...     maps = {"recur": ("new",)}
        ...     class State(NamedTuple):
        ...         h: torch.Tensor
        ...     def step(self, x, s, m):
        ...         h = s.h + self.rate * (torch.tanh(x.new + m.recur(s.h).new) - s.h)
        ...         return h, self.State(h)
        >>> y, state = Recurrent(Leaky(rate=0.5), Dense(3, 5))(torch.zeros(2, 7, 3))
        >>> y.shape, state.h.shape
        (torch.Size([2, 7, 5]), torch.Size([2, 5]))
    """

    State: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(frozen=True)(cls)
        if isinstance(vars(cls).get("State"), type):
            portable(cls.State)

    @property
    @abstractmethod
    def gates(self) -> tuple[str, ...]:
        """Names of the parts of the input map."""

    @property
    def maps(self) -> Mapping[str, tuple[str, ...] | Map]:
        """Linear maps of vectors of the step, by name."""
        return NOTHING

    @property
    def vectors(self) -> Mapping[str, float | Callable[[Tensor], Any]]:
        """Per-unit weights, by name, with their start values or functions that fill them in place."""
        return NOTHING

    @property
    def norms(self) -> tuple[str, ...]:
        """Names of the layer norms over a row's units."""
        return ()

    @property
    def noise(self) -> tuple[str, ...]:
        """Names of the extra inputs of every step."""
        return ()

    @property
    def masks(self) -> Mapping[str, Mask]:
        """The noise that the layer draws by itself, by name."""
        return NOTHING

    @property
    def bias(self) -> Mapping[str, float]:
        """Start values of the biases of gates and norms."""
        return NOTHING

    @property
    def retention(self) -> Mapping[str, int]:
        """The sign with which a gate's bias lengthens the memory, by gate."""
        return NOTHING

    @property
    def widths(self) -> Mapping[str, Width]:
        """Widths of the state fields that are not hidden."""
        return NOTHING

    @property
    def output(self) -> Width:
        """Width of y."""
        return "hidden"

    @abstractmethod
    def step(self, x: Parts, s: Any, m: Maps) -> tuple[Tensor, Any]:
        """One step: input parts `x` by gate name, state `s`, what the wiring owns `m` -> (y, next state)."""


def written(v: Tensor, m: Maps) -> Tensor:
    """`v`, which a cell is about to write into its state, under the mask of candidates where the layer has one.

    A cell whose candidate may be dropped says ``g = written(torch.tanh(...), m)``; :class:`~recurra.cells.CandidateDropout`
    gives it the mask.
    """
    mask = getattr(m, "candidate", None)
    return v if mask is None else v * mask
