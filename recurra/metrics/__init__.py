"""Totals that merge exactly, and the naive baselines that stand beside every figure."""

from recurra.metrics.calibration import CalibrationTotals, fit_temperature, log_softmax
from recurra.metrics.classification import ClassRow, ClassTotals, NumberTotals, ProbabilityTotals
from recurra.metrics.compare import Difference, diebold_mariano, no_skill
from recurra.metrics.edits import common_length, edit_distance
from recurra.metrics.entities import EntityTotals, confused_entities, entity_totals_by_label
from recurra.metrics.forecasts import ForecastTotals, Scales, block_interval
from recurra.metrics.kneser_ney import KneserNey
from recurra.metrics.label_baselines import (
    LabelBaseline,
    NaiveBayes,
    NearestSeries,
    NumberBaseline,
    RidgeSeries,
    WeightedRegression,
    label_baselines,
    number_baselines,
)
from recurra.metrics.linear import Ridge, ridge
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
from recurra.metrics.ngrams import Bags, NGrams
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
from recurra.metrics.tag_baselines import EntityLookup, TagLookup
from recurra.metrics.translation import TranslationTotals
from recurra.metrics.word_errors import Edit, TranscriptTotals, alignment, side_by_side

__all__ = [
    "Bags",
    "Baseline",
    "CalibrationTotals",
    "ClassRow",
    "ClassTotals",
    "Difference",
    "DistinctTotals",
    "Edit",
    "EntityLookup",
    "EntityTotals",
    "FewMean",
    "ForecastTotals",
    "KneserNey",
    "LabelBaseline",
    "LengthRow",
    "Mean",
    "NGrams",
    "NaiveBayes",
    "Nearest",
    "NearestSeries",
    "NumberBaseline",
    "NumberTotals",
    "PairTotals",
    "PairedDifference",
    "ProbabilityTotals",
    "Ridge",
    "RidgeSeries",
    "RougeTotals",
    "Scales",
    "SequenceBaseline",
    "SequenceTotals",
    "TagLookup",
    "TranscriptTotals",
    "TranslationTotals",
    "WeightedRegression",
    "alignment",
    "baselines",
    "block_interval",
    "carried",
    "common_length",
    "confused_entities",
    "copy_source",
    "diebold_mariano",
    "drift",
    "edit_distance",
    "entity_totals_by_label",
    "exact_by_length",
    "few_mean",
    "fit_temperature",
    "label_baselines",
    "lead",
    "letters",
    "log_softmax",
    "mean_so_far",
    "most_frequent",
    "no_skill",
    "number_baselines",
    "phrases",
    "repeat_last",
    "ridge",
    "rouge_words",
    "seasonal_growth",
    "seasonal_mean",
    "seasonal_naive",
    "sentences",
    "sequence_baselines",
    "side_by_side",
    "student_quantile",
    "wilson",
]
