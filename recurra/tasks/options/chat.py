"""Options of the task `chat`."""

from typing import ClassVar, Literal, final

from pydantic import Field

from recurra.tasks.options.options import Options
from recurra.tasks.options.sequence import SequenceOptions

__all__ = ["Chat", "Conversation"]


@final
class Chat(SequenceOptions):
    """From the last turns of a dialogue to the next one.

    Example:
        >>> Chat(turns=1).shared
        True
    """

    task: ClassVar[str] = "chat"
    summary: ClassVar[str] = "answers in dialogues"
    afterwards: ClassVar[tuple[str, ...]] = ("chat RUN", "evaluate RUN DATA", "predict RUN FILE")
    reads: ClassVar[Literal["all", "first", "last"]] = "last"
    not_searched: ClassVar[frozenset[str]] = SequenceOptions.not_searched | {"blank"}

    turns: int = Field(3, ge=1, le=1000, description="turns before a response that are read")
    blank: float = Field(
        0.1, ge=0, le=1, description="share of the responses that are also learnt from nothing, to tell what turns are worth"
    )

    # what other tasks of sequences have, with other defaults
    epochs: float = Field(10, gt=0, le=1_000_000, description="passes over the learning part")
    held_out: float = Field(
        0.1, gt=0, lt=1, description="share of the dialogues that is not learnt from, where the data bring no such part"
    )
    shared: bool = Field(True, description="one vocabulary, and one matrix of vectors, for turns and responses")
    copying: bool = Field(True, description="let a recurrent decoder say symbols of the turns as they are; wants shared=true")
    longest: int = Field(
        200, ge=1, le=1_000_000, description="symbols before a response that are read; a longer response is not learnt"
    )


@final
class Conversation(Options):
    """How to answer in a conversation.

    Example:
        >>> Conversation.parse(["temperature=0.5"]).temperature
        0.5
    """

    beam: int = Field(0, ge=0, le=10_000, description="hypotheses followed side by side; 1 is greedy; 0 draws answers")
    temperature: float = Field(0.7, ge=0, description="below 1 is careful, above 1 daring; 0 takes the most probable")
    top_k: int = Field(0, ge=0, description="choose among the k most probable; 0 among all")
    top_p: float = Field(1.0, gt=0, le=1, description="choose among the fewest that have this probability together")
    min_p: float = Field(0.0, ge=0, le=1, description="choose among those with this share of the highest probability")
    seed: int = Field(0, ge=0, le=4_294_967_295, description="of the choice")
    longest: int = Field(100, ge=1, le=1_000_000, description="most symbols of an answer")
