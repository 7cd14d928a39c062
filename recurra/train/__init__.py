"""Training: one loop for every task, resumable bit for bit."""

from recurra.train.clipping import Clip, Clipped
from recurra.train.optimizers import OPTIMIZERS, optimizer
from recurra.train.schedules import Constant, Cosine, OneCycle, Plateau, Schedule
from recurra.train.training import Batches, Look, Loss, Report, Training

__all__ = [
    "OPTIMIZERS",
    "Batches",
    "Clip",
    "Clipped",
    "Constant",
    "Cosine",
    "Look",
    "Loss",
    "OneCycle",
    "Plateau",
    "Report",
    "Schedule",
    "Training",
    "optimizer",
]
