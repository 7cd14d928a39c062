"""State is a value: a tensor, or any nesting of tuples and NamedTuples of tensors, batch first.

A layer takes a state in and gives the next one out; it never keeps one. Everything that is done to states
(truncating backpropagation, reordering beams, freezing finished rows, handing a session to another process)
is one of the functions here, and works on the state of any cell, stack or decoder.

>>> import torch
>>> from typing import NamedTuple
>>> class Memory(NamedTuple):
...     h: torch.Tensor
...     c: torch.Tensor
>>> s = (Memory(torch.zeros(2, 3), torch.ones(2, 3)), torch.zeros(2))
>>> take(s, torch.tensor([1, 1, 0]))[0].c.shape
torch.Size([3, 3])
>>> list(named(s))
['0.h', '0.c', '1']
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from recurra.errors import ShapeError

__all__ = ["State", "cat", "detach", "map", "named", "portable", "rebuild", "split", "take", "where"]

T = TypeVar("T", bound=type)

State: TypeAlias = Any
"""A tensor or a nested tuple of tensors; the type checker cannot say more without recursion over NamedTuples."""


def map(f: Callable[..., Tensor], first: State, *others: State) -> State:
    """Apply `f` to the tensors of one or more states of the same form, and keep the form.

    >>> map(torch.add, (torch.ones(1),), (torch.ones(1),))
    (tensor([2.]),)
    """
    if isinstance(first, Tensor):
        return f(first, *others)
    return _like(first, [map(f, *parts) for parts in zip(first, *others, strict=True)])


def where(mask: Tensor, yes: State, no: State) -> State:
    """Row by row: `yes` where `mask` (B,) is true, else `no`."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(mask.view(-1, *[1] * (a.dim() - 1)), a, b)

    return map(pick, yes, no)


def take(state: State, rows: Tensor) -> State:
    """The given rows, in the given order; a row may come more than once (beam search)."""
    return map(lambda x: x.index_select(0, rows), state)


def cat(states: Sequence[State]) -> State:
    """One state of all rows of `states`, in order."""
    return map(lambda *parts: torch.cat(parts), states[0], *states[1:])


def split(state: State, sizes: Sequence[int]) -> list[State]:
    """The inverse of `cat`: states of `sizes` rows each."""
    bounds = [0, *accumulate(sizes)]
    for name, part in named(state).items():
        if len(part) != bounds[-1]:
            raise ShapeError(f"sizes add up to {bounds[-1]}; wanted {len(part)}, the rows of {name}")
    return [map(itemgetter(slice(a, b)), state) for a, b in pairwise(bounds)]


def detach(state: State) -> State:
    """The same values without their history: backpropagation through time stops here."""
    return map(Tensor.detach, state)


def named(state: State, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of a state by name: field names, or positions in a plain tuple, joined by dots."""
    if isinstance(state, Tensor):
        return {prefix or "state": state}
    names = getattr(state, "_fields", None) or [str(k) for k in range(len(state))]
    tensors: dict[str, Tensor] = {}
    for name, part in zip(names, state, strict=True):
        tensors |= named(part, f"{prefix}.{name}" if prefix else name)
    return tensors


def rebuild(like: State, tensors: Mapping[str, Tensor], prefix: str = "") -> State:
    """The inverse of `named`, in the form of `like`; a missing name is a KeyError."""
    if isinstance(like, Tensor):
        return tensors[prefix or "state"]
    names = getattr(like, "_fields", None) or [str(k) for k in range(len(like))]
    return _like(like, [rebuild(p, tensors, f"{prefix}.{n}" if prefix else n) for n, p in zip(names, like, strict=True)])


def portable(kind: T) -> T:
    """Let torch.export save and load programs that take or give this NamedTuple; its name stands for it in the file."""
    if kind not in pytree.SUPPORTED_SERIALIZED_TYPES:
        pytree._register_namedtuple(kind, serialized_type_name=f"{kind.__module__}.{kind.__qualname__}")
    return kind


def _like(form: State, parts: list[State]) -> State:
    make = getattr(type(form), "_make", tuple)
    return make(parts)
