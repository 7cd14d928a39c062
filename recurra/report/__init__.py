"""Pictures of runs, and the page that says why one does not learn."""

from recurra.report.advice import Advice, Case, advise
from recurra.report.comparison import comparison_figure, draw_comparison
from recurra.report.curve import draw_curve, learning_curve
from recurra.report.drawings import drawings_figure, keep_drawings
from recurra.report.forecast import Panel, draw_forecast
from recurra.report.lr import draw_range_test, range_test_figure
from recurra.report.music import draw_piece, keep_piece, piece_figure
from recurra.report.predictions import draw_predictions
from recurra.report.tuning import draw_tuning, tuning_figure
from recurra.report.whole import RunReport, draw_report

__all__ = [
    "Advice",
    "Case",
    "Panel",
    "RunReport",
    "advise",
    "comparison_figure",
    "draw_comparison",
    "draw_curve",
    "draw_forecast",
    "draw_piece",
    "draw_predictions",
    "draw_range_test",
    "draw_report",
    "draw_tuning",
    "drawings_figure",
    "keep_drawings",
    "keep_piece",
    "learning_curve",
    "piece_figure",
    "range_test_figure",
    "tuning_figure",
]
