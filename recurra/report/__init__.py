"""Pictures of runs."""

from recurra.report.curve import draw_curve

__all__ = ["draw_curve"]
