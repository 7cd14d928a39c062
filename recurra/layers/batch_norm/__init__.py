"""Batch normalisation of recurrent layers: over whole sequences, for every step of time, or inside the recurrence."""

from recurra.layers.batch_norm.kinds import NormedLSTM, batch_normed
from recurra.layers.batch_norm.sequence import SequenceBatchNorm
from recurra.layers.batch_norm.step import Counted, StepBatchNorm

__all__ = ["Counted", "NormedLSTM", "SequenceBatchNorm", "StepBatchNorm", "batch_normed"]
