"""A run that writes down what it hears, or sees, while that comes."""

from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.decode import Prefixes, said
from recurra.errors import UsageError
from recurra.tasks import recipes, transcripts
from recurra.tasks.attending import Attending
from recurra.tasks.framewise import sayable
from recurra.tasks.options import TranscriptPrediction
from recurra.tasks.searching import search

__all__ = ["Stream"]

WHOLE = (
    ("model", "transformer", "recurrent"),
    ("bidirectional", "true", "false"),
    ("front", "resnet", "convolution"),
    ("normalise", "whole", "running"),
    ("normalise", "whole-level", "running-level"),
)
"""Options that want all of a sequence at once, each with the value that does and one that does not."""


@final
class Stream:
    """What a run writes while its input comes in chunks: in the end what it writes of the whole.

    Args:
        whole: a trained run whose network reads in one direction.
        how: the search.

    Raises:
        UsageError: a network that reads whole sequences only, or that writes by attention to the whole.
    """

    def __init__(self, whole: transcripts.Opened, how: TranscriptPrediction) -> None:
        if isinstance(whole, Attending):
            raise UsageError(
                "decoder=attention: the run writes once it has heard all; train one with decoder=ctc to hear it as it comes"
            )
        options, model, symbols = whole
        if not model.streams:
            given = {name: str(value).lower() for name, value in options}
            told, wanted = next(
                ((f"{name}={value}", f"{name}={other}") for name, value, other in WHOLE if given.get(name) == value),
                ("a network of images", "front=convolution"),
            )
            raise UsageError(f"{told}: the run reads whole sequences; train one with {wanted} to hear it as it comes")
        self.model, self.symbols, self.search = (
            recipes.held(model, how.weights),
            symbols,
            search(how, options, symbols),
        )
        self.device = next(model.parameters()).device
        self._state: Any = self.model.initial(1)
        self._last: Tensor | None = None
        self._numbers = list[int]()
        self._prefixes: Prefixes | None = None if self.search is None else self.search.begin()

    @torch.no_grad()
    def feed(self, steps: NDArray[Any]) -> str:
        """Hear the next steps (T, C), and give back the text as it now seems."""
        if len(steps):
            x = torch.as_tensor(np.asarray(steps, np.float32), device=self.device)[None]
            frames, self._state = self.model.chunk(x, self._state)
            frames = sayable(frames.cpu())
            if self.search is None:
                [new], self._last = said(frames, last=self._last)
                self._numbers += new
            else:
                assert self._prefixes is not None
                self._prefixes = self.search.read(self._prefixes, frames[0])
        return self.text

    @property
    def text(self) -> str:
        """The text so far, as if nothing followed."""
        if self.search is None:
            return self.symbols.decode(self._numbers)
        assert self._prefixes is not None
        return self.symbols.decode(self.search.end(self._prefixes)[0].symbols)

    @property
    def certain(self) -> str:
        """How the text begins, whatever follows."""
        return self.symbols.decode(self._numbers if self._prefixes is None else list(self._prefixes.certain))
