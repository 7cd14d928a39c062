"""Pictures of runs."""

from recurra.report.curve import draw_curve, learning_curve
from recurra.report.forecast import Panel, draw_forecast
from recurra.report.lr import draw_range_test, range_test_figure
from recurra.report.predictions import draw_predictions
from recurra.report.tuning import draw_tuning, tuning_figure

__all__ = [
    "Panel",
    "draw_curve",
    "draw_forecast",
    "draw_predictions",
    "draw_range_test",
    "draw_tuning",
    "learning_curve",
    "range_test_figure",
    "tuning_figure",
]
