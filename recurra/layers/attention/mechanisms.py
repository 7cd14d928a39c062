"""Attention by name, as options give it."""

from collections.abc import Callable

from recurra.errors import UsageError, near_miss
from recurra.layers.attention.alignments import Coverage, LocalPredictive, LocalWindow
from recurra.layers.attention.attention import Attention, MultiHead, SingleHead
from recurra.layers.attention.location import Location
from recurra.layers.attention.monotonic import Monotonic
from recurra.layers.attention.scores import Additive, Dot, General

__all__ = ["MECHANISMS", "mechanism"]

REACH = 5  # positions on each side of a local window
HEADS = 4

MECHANISMS: dict[str, Callable[[int, int, int], Attention]] = {
    "additive": lambda q, m, h: SingleHead(Additive(q, m, h)),
    "dot": lambda q, m, _: SingleHead(_dot(q, m, scaled=False)),
    "scaled-dot": lambda q, m, _: SingleHead(_dot(q, m, scaled=True)),
    "general": lambda q, m, _: SingleHead(General(q, m)),
    "multi-head": lambda q, m, h: MultiHead(q, m, h, heads=HEADS),
    "local-window": lambda q, m, _: SingleHead(General(q, m), LocalWindow(REACH)),
    "local-predictive": lambda q, m, h: SingleHead(General(q, m), LocalPredictive(q, h, REACH)),
    "monotonic": lambda q, m, h: SingleHead(Additive(q, m, h), Monotonic()),
    "location": lambda q, m, h: SingleHead(Additive(q, m, h), Location(h)),
    "coverage": lambda q, m, h: SingleHead(Additive(q, m, h), Coverage(h)),
}
"""Kinds of attention by name; each is made from Q, M and the width of what it learns, if anything."""


def mechanism(name: str, query_size: int, memory_size: int, hidden_size: int) -> Attention:
    """Attention of that name: queries of Q to a memory of M, with hidden layers or heads of `hidden_size` together.

    Example:
        >>> mechanism("general", 4, 6, 8)
        SingleHead(
          (score): General(
            (key): Linear(in_features=6, out_features=4, bias=False)
          )
          (alignment): Softmax()
        )
    """
    if name not in MECHANISMS:
        raise UsageError(f"attention={name}: {near_miss(name, MECHANISMS)}")
    return MECHANISMS[name](query_size, memory_size, hidden_size)


def _dot(query: int, memory: int, *, scaled: bool) -> Dot:
    if query != memory:
        raise UsageError(f"attention=dot: queries have size {query}, the memory {memory}; wanted the same size: take general")
    return Dot(query, scaled=scaled)
