"""Training: one loop for every task, resumable bit for bit."""

from recurra.train.averaging import Average
from recurra.train.clipping import Clip, Clipped
from recurra.train.constraints import MaxNorm
from recurra.train.lr_finder import RangeTest, range_test
from recurra.train.optimizers import OPTIMIZERS, optimizer
from recurra.train.penalties import Penalised
from recurra.train.schedules import Constant, Cosine, Exponential, OneCycle, Plateau, Schedule
from recurra.train.training import Batches, Look, Loss, Report, Training

__all__ = [
    "OPTIMIZERS",
    "Average",
    "Batches",
    "Clip",
    "Clipped",
    "Constant",
    "Cosine",
    "Exponential",
    "Look",
    "Loss",
    "MaxNorm",
    "OneCycle",
    "Penalised",
    "Plateau",
    "RangeTest",
    "Report",
    "Schedule",
    "Training",
    "optimizer",
    "range_test",
]
