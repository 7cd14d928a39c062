"""What reads the symbols of a task, and how one run's reading is where another's training starts."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from recurra import store
from recurra.data import Symbols
from recurra.errors import ModelFileError, UsageError
from recurra.models import Encoder, TransformerEncoder
from recurra.tasks import recipes
from recurra.tasks.options import Mask, SequenceOptions
from recurra.tasks.runs import Run, load

__all__ = ["Learnt", "encoder", "learnt", "start", "vectors"]

INSIDE = "encoder."  # how names of an encoder's weights begin in a masked model
SAME = ("unit", "vocabulary", "model", "embedding", "hidden")
KINDS = {"recurrent": ("residual", "highway", "norm"), "transformer": ("heads",)}


def encoder(options: Mask | SequenceOptions, read: nn.Embedding) -> Encoder:
    """The encoder that the options describe, over the vectors of its symbols."""
    own: dict[str, Any] = {"input_dropout": options.input_dropout or options.dropout, "layers": options.layers}
    both = True
    if isinstance(options, SequenceOptions):
        own |= {"cell": options.encoder_cell or options.cell, "layers": options.encoder_layers or options.layers}
        both = options.bidirectional
    size, first = options.embedding, options.model_copy(update=own)
    if options.model == "transformer":
        how: dict[str, Any] = {"layers": first.layers, "heads": first.heads, "dropout": first.dropout}
        return Encoder(read, TransformerEncoder(first.hidden, input_size=size, **how))
    return Encoder(read, recipes.stack(first, size, bidirectional=both))


def vectors(symbols: int, size: int) -> nn.Embedding:
    """A vector for each symbol."""
    table = nn.Embedding(symbols, size)
    nn.init.normal_(table.weight, std=size**-0.5)
    return table


class Learnt(NamedTuple):
    """What a run of the task `mask` gives to another task: its symbols, and the file of its weights."""

    symbols: Symbols
    weights: Path


def learnt(options: SequenceOptions) -> tuple[SequenceOptions, Learnt | None]:
    """The options with what their encoder's run fixes, and that run's encoder; as they are, and None, where they name none.

    Raises:
        UsageError: a run of another task, or an option that was given and says something else than that run.
        ModelFileError: no run there, or one without weights.
    """
    if not options.encoder:
        return options, None
    run = load(options.encoder)
    theirs = run.options
    if not isinstance(theirs, Mask):
        raise UsageError(f"encoder={options.encoder}: a run of the task {theirs.task}; wanted one of the task mask")
    fixed = _fixed(theirs)
    for name in sorted(fixed.keys() & options.model_fields_set):
        own, other = (str(value).lower() for value in (getattr(options, name), fixed[name]))
        if own != other:
            raise UsageError(f"{name}={own}: the run encoder={options.encoder} has {other}; leave {name} out")
    return options.model_copy(update=fixed), Learnt(Symbols.from_json(run.read("vocabulary.json")), _weights(run))


def _fixed(theirs: Mask) -> dict[str, Any]:
    """The options of a task with an encoder that follow from those which the encoder was trained with."""
    fixed: dict[str, Any] = {name: getattr(theirs, name) for name in (*SAME, *KINDS[theirs.model])}
    recurrent = {"encoder_cell": theirs.cell, "bidirectional": True} if theirs.model == "recurrent" else {}
    return fixed | {"encoder_layers": theirs.layers} | recurrent


def _weights(run: Run) -> Path:
    path = run.folder / "weights.safetensors"
    if not path.exists():
        raise ModelFileError(f"{path}: not there yet; recurra resume {run.folder} trains on")
    return path


@torch.no_grad()
def start(made: Encoder, weights: Path) -> None:
    """Give an encoder the weights of a masked model, but for the vector of the mask: here its number is another's, or nobody's.

    Raises:
        ModelFileError: weights that do not fit.
    """
    own = made.embedding.weight
    tensors = store.read_tensors(weights)
    found = {name.removeprefix(INSIDE): tensor for name, tensor in tensors.items() if name.startswith(INSIDE)}
    try:
        shared = found["embedding.weight"][:-1].to(own)
        found["embedding.weight"] = torch.cat([shared, own[len(shared) :]])
        made.load_state_dict(found)
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelFileError(f"{weights}: not the weights of an encoder of these options ({reason})") from None
