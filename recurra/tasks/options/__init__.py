"""The options of every task. They import neither torch nor numpy."""

from recurra.tasks.options.options import Described, EvaluationOptions, Options, TaskOptions, described
from recurra.tasks.options.text import Text, TextGeneration

__all__ = ["TASKS", "Described", "EvaluationOptions", "Options", "TaskOptions", "Text", "TextGeneration", "described"]

TASKS: dict[str, type[TaskOptions]] = {kind.task: kind for kind in (Text,)}
"""All tasks by name."""
