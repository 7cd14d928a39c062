"""Losses: what training makes small."""

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
    "likelihood",
]
