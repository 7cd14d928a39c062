"""Where a run looked in a source while it wrote each symbol."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.data import Ragged, Symbols
from recurra.errors import UsageError
from recurra.tasks.options import SequencePrediction
from recurra.tasks.runs import Run
from recurra.tasks.sequences import opened, reach
from recurra.tasks.writing import write

__all__ = ["Looked", "attention"]

GREEDY = SequencePrediction(beam=1)


class Looked(NamedTuple):
    """One source: its symbols, those that were written for it, the end last, and weights (T, S), each row a share of 1."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: NDArray[np.float64]


@torch.no_grad()
def attention(run: Run, sources: Sequence[str]) -> list[Looked]:
    """What attention looked at while each source's target was written, the most probable symbol each time.

    Of several heads it is their mean, of a Transformer the last block's. Empty sources are passed over.

    Raises:
        UsageError: a run without attention.

    Example:
        >>> import recurra
        >>> [looked] = attention(recurra.load("runs/translate-1"), ["3 May 2004"])  # doctest: +SKIP
    """
    options, model, vocabulary = opened(run)
    if options.model == "recurrent" and options.attention == "none":
        raise UsageError(f"{run.folder}: attention=none: there is nothing that this run looks at")
    device, end, found = next(model.parameters()).device, vocabulary.boundary, list[Looked]()
    sources = [source for source in sources if len(vocabulary.source.encode(source))]
    read = Ragged.of(map(vocabulary.source.encode, sources)).cut(*reach(options))
    for place, [written] in enumerate(write(model, vocabulary, sources, GREEDY, reach(options))):
        looked_at, said = read.row(place), vocabulary.target.encode(written.text)
        memory, state = model.read(torch.from_numpy(looked_at)[None].to(device))
        x = torch.from_numpy(np.append(end, said))[None].to(device)
        weights = model.decoder.weights(x, state, memory)[0].double().cpu().numpy()
        found.append(Looked(_pieces(vocabulary.source, looked_at), (*_pieces(vocabulary.target, said), ""), weights))
    return found


def _pieces(symbols: Symbols, ids: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(symbols.decode([number]) for number in ids.tolist())
