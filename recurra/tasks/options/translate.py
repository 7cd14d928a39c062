"""Options of the task `translate`."""

from typing import ClassVar, final

from pydantic import Field

from recurra.tasks.options.sequence import SequenceOptions

__all__ = ["Translate"]


@final
class Translate(SequenceOptions):
    """From one sequence to another: sentences, spellings, commands.

    Example:
        >>> Translate(source="en", target="de").attention
        'general'
    """

    task: ClassVar[str] = "translate"
    summary: ClassVar[str] = "translation of lines: sentences, spellings, word forms, commands"
    afterwards: ClassVar[tuple[str, ...]] = ("predict RUN FILE", "evaluate RUN FILE", "report RUN")

    source: str = Field(
        "source", description="ending of the sources' file, as en; or a column, or several as 1,2; or a key of JSON lines"
    )
    target: str = Field("target", description="the same of the targets")
