"""Layers: a cell along time, stacked, in both directions. All are cores: state in, state out."""

from recurra.layers.attention import Attention, CausalSelfAttention, MultiHead, SingleHead, mechanism
from recurra.layers.batch_norm import SequenceBatchNorm, StepBatchNorm, batch_normed
from recurra.layers.bidirectional import Bidirectional, Ends
from recurra.layers.causal import CausalConvolution
from recurra.layers.chrono import chrono_start
from recurra.layers.core import Core
from recurra.layers.dropout import Dropout
from recurra.layers.family import FAMILY, Member, member
from recurra.layers.fronts import Chain, Front, StridedConvolution, convolutions
from recurra.layers.highway import Highway
from recurra.layers.mlstm import MLSTM
from recurra.layers.pooling import AttentionPooling, LastPooling, MaxPooling, MeanPooling, Pooling
from recurra.layers.qrnn import QRNN
from recurra.layers.recurrent import Recurrent
from recurra.layers.residual_blocks import Columns, ImageNorm, ResidualBlock, ResNet, columns
from recurra.layers.short import GRU, LSTM, Elman, stacked
from recurra.layers.snapshot import Snapshot, round_matrices
from recurra.layers.spectrogram import LogMel, RunningMean, SpecAugment, Standardised, WholeNorm
from recurra.layers.stack import Stack, StackStepper
from recurra.wirings import Conv1d, Conv2d, Conv3d, Dense, Diagonal, Heads

__all__ = [
    "FAMILY",
    "GRU",
    "LSTM",
    "MLSTM",
    "QRNN",
    "Attention",
    "AttentionPooling",
    "Bidirectional",
    "CausalConvolution",
    "CausalSelfAttention",
    "Chain",
    "Columns",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Core",
    "Dense",
    "Diagonal",
    "Dropout",
    "Elman",
    "Ends",
    "Front",
    "Heads",
    "Highway",
    "ImageNorm",
    "LastPooling",
    "LogMel",
    "MaxPooling",
    "MeanPooling",
    "Member",
    "MultiHead",
    "Pooling",
    "Recurrent",
    "ResNet",
    "ResidualBlock",
    "RunningMean",
    "SequenceBatchNorm",
    "SingleHead",
    "Snapshot",
    "SpecAugment",
    "Stack",
    "StackStepper",
    "Standardised",
    "StepBatchNorm",
    "StridedConvolution",
    "WholeNorm",
    "batch_normed",
    "chrono_start",
    "columns",
    "convolutions",
    "mechanism",
    "member",
    "round_matrices",
    "stacked",
]
