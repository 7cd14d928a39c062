"""The options of every task. They import neither torch nor numpy."""

from recurra.tasks.options.comparison import Comparison
from recurra.tasks.options.forecast import Forecast, ForecastPrediction
from recurra.tasks.options.options import Described, EvaluationOptions, Options, TaskOptions, described
from recurra.tasks.options.text import Text, TextGeneration, TextPrediction
from recurra.tasks.options.tuning import Tuning

__all__ = [
    "TASKS",
    "Comparison",
    "Described",
    "EvaluationOptions",
    "Forecast",
    "ForecastPrediction",
    "Options",
    "TaskOptions",
    "Text",
    "TextGeneration",
    "TextPrediction",
    "Tuning",
    "described",
]

TASKS: dict[str, type[TaskOptions]] = {kind.task: kind for kind in (Text, Forecast)}
"""All tasks by name."""
