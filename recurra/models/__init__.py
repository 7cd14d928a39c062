"""Networks: layers put together for a kind of task."""

from recurra.models.language import LanguageModel

__all__ = ["LanguageModel"]
