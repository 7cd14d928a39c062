"""Losses: what training makes small."""

from recurra.losses.activations import activation_penalty, slowness_penalty
from recurra.losses.crf import CRF, Decoded
from recurra.losses.ctc import Alignment, align, ctc, frames_wanted
from recurra.losses.likelihoods import (
    LIKELIHOODS,
    Absolute,
    Gaussian,
    Likelihood,
    NegativeBinomial,
    Quantiles,
    Squared,
    StudentT,
    likelihood,
)
from recurra.losses.nade import NADE
from recurra.losses.next_symbol import NextSymbol
from recurra.losses.pen_mixture import PenMixture

__all__ = [
    "CRF",
    "LIKELIHOODS",
    "NADE",
    "Absolute",
    "Alignment",
    "Decoded",
    "Gaussian",
    "Likelihood",
    "NegativeBinomial",
    "NextSymbol",
    "PenMixture",
    "Quantiles",
    "Squared",
    "StudentT",
    "activation_penalty",
    "align",
    "ctc",
    "frames_wanted",
    "likelihood",
    "slowness_penalty",
]
