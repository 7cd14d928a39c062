"""Totals that merge exactly, and the naive baselines that stand beside every figure."""

from recurra.metrics.kneser_ney import KneserNey
from recurra.metrics.mean import Mean

__all__ = ["KneserNey", "Mean"]
