"""Training: one loop for every task, resumable bit for bit."""

from recurra.train.averaging import Average
from recurra.train.clipping import Clip, Clipped
from recurra.train.constraints import MaxNorm
from recurra.train.forcing import (
    DECAYS,
    ConstantShare,
    Decay,
    ExponentialDecay,
    Forced,
    InverseSigmoidDecay,
    LinearDecay,
    Shared,
    decay,
    forced,
    mixed,
)
from recurra.train.lr_finder import RangeTest, range_test
from recurra.train.optimizers import OPTIMIZERS, optimizer
from recurra.train.penalties import Penalised
from recurra.train.schedules import Constant, Cosine, Exponential, OneCycle, Plateau, Schedule
from recurra.train.training import Batches, Look, Loss, Report, Training

__all__ = [
    "DECAYS",
    "OPTIMIZERS",
    "Average",
    "Batches",
    "Clip",
    "Clipped",
    "Constant",
    "ConstantShare",
    "Cosine",
    "Decay",
    "Exponential",
    "ExponentialDecay",
    "Forced",
    "InverseSigmoidDecay",
    "LinearDecay",
    "Look",
    "Loss",
    "MaxNorm",
    "OneCycle",
    "Penalised",
    "Plateau",
    "RangeTest",
    "Report",
    "Schedule",
    "Shared",
    "Training",
    "decay",
    "forced",
    "mixed",
    "optimizer",
    "range_test",
]
