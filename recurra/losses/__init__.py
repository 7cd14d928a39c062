"""Losses: what training makes small."""

from recurra.losses.activations import activation_penalty, slowness_penalty
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
from recurra.losses.next_symbol import NextSymbol

__all__ = [
    "LIKELIHOODS",
    "Absolute",
    "Gaussian",
    "Likelihood",
    "NegativeBinomial",
    "NextSymbol",
    "Quantiles",
    "Squared",
    "StudentT",
    "activation_penalty",
    "likelihood",
    "slowness_penalty",
]
