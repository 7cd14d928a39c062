"""What reads the symbols of a task, and how one run's reading is where another's training starts."""

from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from safetensors.torch import load as load_tensors
from torch import nn

from recurra import store
from recurra.data import Symbols
from recurra.errors import ModelFileError, UsageError
from recurra.models import Classifier, Encoder
from recurra.tasks import recipes
from recurra.tasks.options import Classify, Mask, SequenceOptions, Text
from recurra.tasks.runs import Run, load
from recurra.tasks.seeds import ENCODER

__all__ = ["Learnt", "encoder", "learnt", "start", "vectors"]

INSIDE = {"encoder.": "", "embedding.": "embedding.", "stack.": "layers."}
"""How names of what reads begin in a masked model, and in a language model; and in an encoder."""
SAME = ("unit", "vocabulary", "model", "embedding", "hidden")
Starting = TypeVar("Starting", SequenceOptions, Classify)
KINDS = {"recurrent": ("residual", "highway", "norm"), "transformer": ("heads",)}


def encoder(options: Mask | SequenceOptions, read: nn.Embedding) -> Encoder:
    """The encoder that the options describe, over the vectors of its symbols."""
    own: dict[str, Any] = {"input_dropout": options.input_dropout or options.dropout, "layers": options.layers}
    both = True
    if isinstance(options, SequenceOptions):
        own |= {"cell": options.encoder_cell or options.cell, "layers": options.encoder_layers or options.layers}
        both = options.bidirectional
    size, first = options.embedding, options.model_copy(update=own)
    return Encoder(read, recipes.reader(first, size, bidirectional=both))


def vectors(symbols: int, size: int) -> nn.Embedding:
    """A vector for each symbol."""
    table = nn.Embedding(symbols, size)
    nn.init.normal_(table.weight, std=size**-0.5)
    return table


class Learnt(NamedTuple):
    """What a run of the task `mask`, or `text`, gives to another task: its symbols, and the file of its weights."""

    symbols: Symbols
    weights: Path


def learnt(options: Starting) -> tuple[Starting, Learnt | None]:
    """The options with what their encoder's run fixes, and that run's encoder; as they are, and None, where they name none.

    A classifier may start as a language model: it then reads in one direction only.

    Raises:
        UsageError: a run of another task, or an option that was given and says something else than that run.
        ModelFileError: no run there, or one without weights.
    """
    if not options.encoder:
        return options, None
    run = load(options.encoder)
    theirs = run.options
    kinds: tuple[type[Mask | Text], ...] = (Mask, Text) if isinstance(options, Classify) else (Mask,)
    if not isinstance(theirs, kinds):
        wanted = " or ".join(kind.task for kind in kinds)
        raise UsageError(f"encoder={options.encoder}: a run of the task {theirs.task}; wanted one of the task {wanted}")
    if isinstance(theirs, Text) and theirs.model == "transformer":
        raise UsageError(f"encoder={options.encoder}: a language model with model=transformer; wanted recurrent layers")
    fixed = _same(theirs) if isinstance(options, Classify) else _fixed(theirs)
    for name in sorted(fixed.keys() & options.model_fields_set):
        own, other = (str(value).lower() for value in (getattr(options, name), fixed[name]))
        if own != other:
            raise UsageError(f"{name}={own}: the run encoder={options.encoder} has {other}; leave {name} out")
    return options.model_copy(update=fixed), Learnt(Symbols.from_json(run.read("vocabulary.json")), _weights(run))


def _same(theirs: Mask | Text) -> dict[str, Any]:
    """The options of a classifier that follow from those which what it starts as was trained with."""
    fixed: dict[str, Any] = {name: getattr(theirs, name) for name in (*SAME, "layers", *KINDS[theirs.model])}
    return fixed | ({"cell": theirs.cell, "bidirectional": isinstance(theirs, Mask)} if theirs.model == "recurrent" else {})


def _fixed(theirs: Mask | Text) -> dict[str, Any]:
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
def start(made: Encoder | Classifier, weights: Path | bytes) -> None:
    """Give what reads the weights of a masked model, or of a language model, from their file or its content.

    The vector of the mask is left out: here its number is another's, or nobody's.

    Raises:
        ModelFileError: weights that do not fit.
    """
    own, where = made.embedding.get_parameter("weight"), ENCODER if isinstance(weights, bytes) else weights
    tensors = load_tensors(weights) if isinstance(weights, bytes) else store.read_tensors(weights)
    found = {
        inside + name.removeprefix(begin): tensor
        for begin, inside in INSIDE.items()
        for name, tensor in tensors.items()
        if name.startswith(begin)
    }
    try:
        if any(name.startswith("encoder.") for name in tensors):
            shared = found["embedding.weight"][:-1].to(own)
            found["embedding.weight"] = torch.cat([shared, own[len(shared) :]])
        missing, strange = made.load_state_dict(found, strict=False)
        wrong = [name for name in missing if name.startswith(("embedding.", "layers."))] + strange
        if wrong:
            raise KeyError(wrong[0])
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelFileError(f"{where}: not the weights of an encoder of these options ({reason})") from None
