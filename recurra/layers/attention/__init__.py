"""Attention to ragged memories: a score and an alignment, several heads, or a sequence's own past."""

from recurra.layers.attention.alignments import Alignment, Coverage, LocalPredictive, LocalWindow, Softmax, coverage_loss
from recurra.layers.attention.attention import Attention, MultiHead, SingleHead
from recurra.layers.attention.causal import CausalSelfAttention
from recurra.layers.attention.location import Location
from recurra.layers.attention.mechanisms import MECHANISMS, mechanism
from recurra.layers.attention.memory import Memory
from recurra.layers.attention.monotonic import Monotonic
from recurra.layers.attention.scores import Additive, Dot, General, Score
from recurra.layers.attention.window import Slid, SlidingWindow

__all__ = [
    "MECHANISMS",
    "Additive",
    "Alignment",
    "Attention",
    "CausalSelfAttention",
    "Coverage",
    "Dot",
    "General",
    "LocalPredictive",
    "LocalWindow",
    "Location",
    "Memory",
    "Monotonic",
    "MultiHead",
    "Score",
    "SingleHead",
    "Slid",
    "SlidingWindow",
    "Softmax",
    "coverage_loss",
    "mechanism",
]
