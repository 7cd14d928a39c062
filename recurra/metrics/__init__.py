"""Totals that merge exactly, and the naive baselines that stand beside every figure."""

from recurra.metrics.compare import Difference, diebold_mariano, no_skill
from recurra.metrics.edits import common_length, edit_distance
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
from recurra.metrics.pairs import PairedDifference, PairTotals, wilson
from recurra.metrics.rouge import RougeTotals, rouge_words
from recurra.metrics.sequence_baselines import (
    Nearest,
    SequenceBaseline,
    copy_source,
    lead,
    letters,
    most_frequent,
    phrases,
    sentences,
    sequence_baselines,
)
from recurra.metrics.sequences import DistinctTotals, LengthRow, SequenceTotals, exact_by_length
from recurra.metrics.student import FewMean, few_mean, student_quantile
from recurra.metrics.translation import TranslationTotals

__all__ = [
    "Baseline",
    "Difference",
    "DistinctTotals",
    "FewMean",
    "ForecastTotals",
    "KneserNey",
    "LengthRow",
    "Mean",
    "Nearest",
    "PairTotals",
    "PairedDifference",
    "RougeTotals",
    "Scales",
    "SequenceBaseline",
    "SequenceTotals",
    "TranslationTotals",
    "baselines",
    "block_interval",
    "carried",
    "common_length",
    "copy_source",
    "diebold_mariano",
    "drift",
    "edit_distance",
    "exact_by_length",
    "few_mean",
    "lead",
    "letters",
    "mean_so_far",
    "most_frequent",
    "no_skill",
    "phrases",
    "repeat_last",
    "rouge_words",
    "seasonal_growth",
    "seasonal_mean",
    "seasonal_naive",
    "sentences",
    "sequence_baselines",
    "student_quantile",
    "wilson",
]
