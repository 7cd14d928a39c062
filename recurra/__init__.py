"""Recurrent sequence models on PyTorch.

Layers: ``recurra.LSTM(64, 256, layers=2)``, or any cell of your own: ``recurra.layers.Recurrent(MyCell(), Dense(64, 256))``.
Tasks: ``recurra.Text(hidden=256).fit("book.txt", out="runs/book")``; ``recurra.load("runs/book")`` opens a run again.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Chat": "tasks.options",
    "Classify": "tasks.options",
    "Compose": "tasks.options",
    "Elman": "layers",
    "Forecast": "tasks.options",
    "GRU": "layers",
    "LSTM": "layers",
    "Mask": "tasks.options",
    "Read": "tasks.options",
    "Run": "tasks.runs",
    "Summarise": "tasks.options",
    "Tag": "tasks.options",
    "Text": "tasks.options",
    "Transcribe": "tasks.options",
    "Translate": "tasks.options",
    "Write": "tasks.options",
    "load": "tasks.runs",
}

__all__ = [
    "GRU",
    "LSTM",
    "Chat",
    "Classify",
    "Compose",
    "Elman",
    "Forecast",
    "Mask",
    "Read",
    "Run",
    "Summarise",
    "Tag",
    "Text",
    "Transcribe",
    "Translate",
    "Write",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    """Resolve public names on first use, so that importing the package imports neither torch nor numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module recurra has no attribute {name}")
    return getattr(import_module(f"recurra.{_HOMES[name]}"), name)
