"""The options of every task. They import neither torch nor numpy."""

from recurra.tasks.options.chat import Chat, Conversation
from recurra.tasks.options.comparison import Comparison
from recurra.tasks.options.forecast import Forecast, ForecastPrediction
from recurra.tasks.options.mask import Mask, MaskPrediction
from recurra.tasks.options.options import Described, EvaluationOptions, Options, TaskOptions, described
from recurra.tasks.options.sequence import SequenceOptions, SequencePrediction
from recurra.tasks.options.summarise import Summarise, SummaryPrediction
from recurra.tasks.options.text import Text, TextGeneration, TextPrediction
from recurra.tasks.options.translate import Translate
from recurra.tasks.options.tuning import Tuning

__all__ = [
    "TASKS",
    "Chat",
    "Comparison",
    "Conversation",
    "Described",
    "EvaluationOptions",
    "Forecast",
    "ForecastPrediction",
    "Mask",
    "MaskPrediction",
    "Options",
    "SequenceOptions",
    "SequencePrediction",
    "Summarise",
    "SummaryPrediction",
    "TaskOptions",
    "Text",
    "TextGeneration",
    "TextPrediction",
    "Translate",
    "Tuning",
    "described",
]

TASKS: dict[str, type[TaskOptions]] = {kind.task: kind for kind in (Text, Mask, Forecast, Translate, Summarise, Chat)}
"""All tasks by name."""
