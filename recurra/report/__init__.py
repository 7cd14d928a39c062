"""Pictures of runs."""

from recurra.report.curve import draw_curve, learning_curve

__all__ = ["draw_curve", "learning_curve"]
