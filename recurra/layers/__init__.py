"""Layers: a cell along time, stacked, in both directions. All are cores: state in, state out."""

from recurra.layers.bidirectional import Bidirectional, Ends
from recurra.layers.core import Core
from recurra.layers.family import FAMILY, Member, member
from recurra.layers.recurrent import Recurrent
from recurra.layers.short import GRU, LSTM, Elman, stacked
from recurra.layers.stack import Stack, StackStepper
from recurra.wirings import Conv2d, Dense, Diagonal, Heads

__all__ = [
    "FAMILY",
    "GRU",
    "LSTM",
    "Bidirectional",
    "Conv2d",
    "Core",
    "Dense",
    "Diagonal",
    "Elman",
    "Ends",
    "Heads",
    "Member",
    "Recurrent",
    "Stack",
    "StackStepper",
    "member",
    "stacked",
]
