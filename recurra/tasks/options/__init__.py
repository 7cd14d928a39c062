"""The options of every task. They import neither torch nor numpy."""

from recurra.tasks.options.chat import Chat, Conversation
from recurra.tasks.options.classify import Classify, ClassifyPrediction
from recurra.tasks.options.comparison import Comparison
from recurra.tasks.options.compose import Compose, ComposeGeneration, ComposePrediction
from recurra.tasks.options.forecast import Forecast, ForecastPrediction
from recurra.tasks.options.mask import Mask, MaskPrediction
from recurra.tasks.options.options import Described, EvaluationOptions, Options, TaskOptions, described
from recurra.tasks.options.read import Read
from recurra.tasks.options.sequence import SequenceOptions, SequencePrediction
from recurra.tasks.options.summarise import Summarise, SummaryPrediction
from recurra.tasks.options.tag import Tag, TagPrediction
from recurra.tasks.options.text import Text, TextGeneration, TextPrediction
from recurra.tasks.options.transcribe import Transcribe, TranscribePrediction
from recurra.tasks.options.transcript import TranscriptOptions, TranscriptPrediction
from recurra.tasks.options.translate import Translate
from recurra.tasks.options.tuning import Tuning
from recurra.tasks.options.write import Write, WriteGeneration, WritePrediction

__all__ = [
    "TASKS",
    "Chat",
    "Classify",
    "ClassifyPrediction",
    "Comparison",
    "Compose",
    "ComposeGeneration",
    "ComposePrediction",
    "Conversation",
    "Described",
    "EvaluationOptions",
    "Forecast",
    "ForecastPrediction",
    "Mask",
    "MaskPrediction",
    "Options",
    "Read",
    "SequenceOptions",
    "SequencePrediction",
    "Summarise",
    "SummaryPrediction",
    "Tag",
    "TagPrediction",
    "TaskOptions",
    "Text",
    "TextGeneration",
    "TextPrediction",
    "Transcribe",
    "TranscribePrediction",
    "TranscriptOptions",
    "TranscriptPrediction",
    "Translate",
    "Tuning",
    "Write",
    "WriteGeneration",
    "WritePrediction",
    "described",
]

TASKS: dict[str, type[TaskOptions]] = {
    kind.task: kind
    for kind in (Text, Mask, Forecast, Translate, Summarise, Chat, Classify, Tag, Transcribe, Read, Compose, Write)
}
"""All tasks by name."""
