"""A conversation one turn at a time: the state goes in and comes out."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from recurra.data import PairBatch, Ragged, in_order
from recurra.decode import Length, Sampling, sample, spoken
from recurra.models import EncoderDecoder
from recurra.tasks.options import Conversation, SequencePrediction
from recurra.tasks.writing import Reach, Vocabulary, write

__all__ = ["SEPARATOR", "Talk", "TalkState", "drawn", "told"]

READ, ROWS = 8000, 128  # symbols and rows of a batch that is answered
SEPARATOR = "\n"
"""Stands before each turn that is read. Inside a turn all white space is one blank, so that no text has it."""


def told(turns: Sequence[str], most: int) -> str:
    r"""What a network reads of some turns: the last ones, each behind a separator; of none, the separator alone.

    Example:
        >>> told(["Hi.", "Hello!", "How are you?"], 2), told([], 2)
        ('\nHello!\nHow are you?', '\n')
    """
    return "".join(SEPARATOR + turn for turn in turns[-most:]) or SEPARATOR


class TalkState(NamedTuple):
    """The last turns of a conversation, and how many answers it has had: each draws symbols of its own."""

    turns: tuple[str, ...] = ()
    answers: int = 0


@final
class Talk:
    """A run of the task `chat`, told one turn after the other; ``run.chat()`` makes one.

    The state is a value: keep it, go on from it twice. What is answered depends on text, state and the seed alone.

    Example:
        >>> import recurra
        >>> talk = recurra.load("runs/chat-1").chat(temperature=0.5)  # doctest: +SKIP
        >>> answer, state = talk("Hi there.", talk.initial())         # doctest: +SKIP
        >>> answer, state = talk("How are you?", state)               # doctest: +SKIP
    """

    def __init__(self, model: EncoderDecoder, vocabulary: Vocabulary, reach: Reach, turns: int, how: Conversation) -> None:
        self.model, self.vocabulary, self.reach, self.turns, self.how = model.eval(), vocabulary, reach, turns, how

    def initial(self) -> TalkState:
        """The state before the first turn."""
        return TalkState()

    def __call__(self, text: str, state: TalkState) -> tuple[str, TalkState]:
        """A turn and the state before it -> the answer, and the state after both."""
        answer = "".join(self.pieces(text, state))
        return answer, self.after(text, answer, state)

    def pieces(self, text: str, state: TalkState) -> Iterator[str]:
        """The answer, symbol by symbol as they are drawn; with a beam, at once when it is found."""
        source = told([*state.turns, _plain(text)], self.turns)
        if self.how.beam:
            search = SequencePrediction(beam=self.how.beam, longest=self.how.longest)
            for found in write(self.model, self.vocabulary, [source], search, self.reach):
                yield from (best.text for best in found[:1])
            return
        symbols = self.vocabulary.target
        one = Ragged.of([self.vocabulary.source.encode(source)]).cut(*self.reach)
        (batch,) = (batch for _, batch in in_order(one, Ragged.of([[]]), tokens=READ, batch=1))
        before: list[int] = []
        for symbol in _drawn(self.model, self.vocabulary, batch, self.how, state.answers):
            if int(symbol) != self.vocabulary.boundary:
                yield symbols.tail(before, int(symbol))
                before.append(int(symbol))

    def after(self, text: str, answer: str, state: TalkState) -> TalkState:
        """The state once a turn was told and answered."""
        said = [turn for turn in map(_plain, (text, answer)) if turn]
        return TalkState((*state.turns, *said)[-self.turns :], state.answers + 1)


def drawn(model: EncoderDecoder, vocabulary: Vocabulary, sources: Sequence[str], how: Conversation, reach: Reach) -> list[str]:
    """An answer to each source, drawn as a :class:`Talk` draws them."""
    read = Ragged.of(map(vocabulary.source.encode, sources)).cut(*reach)
    answers, nothing = [""] * len(sources), Ragged.of([[]] * len(sources))
    for number, (places, batch) in enumerate(in_order(read, nothing, tokens=READ, batch=ROWS)):
        rows = torch.stack(list(_drawn(model, vocabulary, batch, how, number)), 1)
        for place, row, length in zip(places, rows.tolist(), spoken(rows, vocabulary.boundary).tolist(), strict=True):
            answers[place] = vocabulary.target.decode(row[:length])
    return answers


@torch.no_grad()
def _drawn(model: EncoderDecoder, vocabulary: Vocabulary, batch: PairBatch, how: Conversation, number: int) -> Iterator[Tensor]:
    """Symbols (B,) of answers as they are drawn, those of each `number` by a generator of their own."""
    device, end = next(model.parameters()).device, vocabulary.boundary
    memory, state = model.read(batch.source.to(device), batch.source_lengths.to(device))
    seed = int(np.random.SeedSequence([how.seed, number]).generate_state(1)[0])
    yield from sample(
        model.decoder,
        torch.full((len(batch.source), 1), end, device=device),
        Sampling(temperature=how.temperature, top_k=how.top_k, top_p=how.top_p, min_p=how.min_p),
        torch.Generator(device).manual_seed(seed),
        never=(0,),
        steps=how.longest,
        end=end,
        state=state,
        memory=memory,
        constraints=[Length(end, minimum=1)],
    )


def _plain(text: str) -> str:
    return " ".join(text.split())
