"""Totals that merge exactly, and the naive baselines that stand beside every figure."""

from recurra.metrics.compare import Difference, diebold_mariano, no_skill
from recurra.metrics.forecasts import ForecastTotals, Scales, block_interval
from recurra.metrics.kneser_ney import KneserNey
from recurra.metrics.mean import Mean
from recurra.metrics.naive import (
    Baseline,
    baselines,
    carried,
    drift,
    mean_so_far,
    repeat_last,
    seasonal_growth,
    seasonal_mean,
    seasonal_naive,
)
from recurra.metrics.student import FewMean, few_mean, student_quantile

__all__ = [
    "Baseline",
    "Difference",
    "FewMean",
    "ForecastTotals",
    "KneserNey",
    "Mean",
    "Scales",
    "baselines",
    "block_interval",
    "carried",
    "diebold_mariano",
    "drift",
    "few_mean",
    "mean_so_far",
    "no_skill",
    "repeat_last",
    "seasonal_growth",
    "seasonal_mean",
    "seasonal_naive",
    "student_quantile",
]
