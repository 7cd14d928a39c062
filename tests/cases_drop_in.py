"""The cases in which `recurra.drop_in` must give the answers of torch.nn, and how both are asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any, final
from zlib import crc32

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from recurra import drop_in

TOLERANCE = {torch.float32: (1e-5, 1e-6), torch.float64: (1e-10, 1e-14)}
"""Relative and absolute: two numbers agree where |ours - theirs| <= absolute + relative * |theirs|."""

KINDS = {"tanh": "RNN", "relu": "RNN", "lstm": "LSTM", "projected": "LSTM", "gru": "GRU"}
SIZES = (1, 2, 7, 33, 64, 100)


@final
@dataclass(frozen=True)
class Case:
    """A network and what it is given: a batch, a single row, or rows packed with or without `enforce_sorted`."""

    kind: str
    form: str = "batch"
    batch: int = 3
    steps: int = 5
    inputs: int = 4
    hidden: int = 6
    layers: int = 1
    bias: bool = True
    first: bool = False
    both: bool = False
    hx: bool = False

    @property
    def projected(self) -> int:
        """The size of the outputs of one layer and direction, if projected."""
        return (self.hidden + 1) // 2

    def build(self, home: Any, dtype: torch.dtype = torch.float64, dropout: float = 0.0) -> Any:
        """The network of `home`: torch.nn, or `recurra.drop_in`."""
        special: dict[str, Any] = {}
        if self.kind == "relu":
            special["nonlinearity"] = "relu"
        if self.kind == "projected":
            special["proj_size"] = self.projected
        switches = {"bias": self.bias, "batch_first": self.first, "bidirectional": self.both, "dropout": dropout}
        return getattr(home, KINDS[self.kind])(self.inputs, self.hidden, self.layers, **switches, **special, dtype=dtype)

    def twins(self, dtype: torch.dtype = torch.float64, dropout: float = 0.0) -> tuple[Any, Any]:
        """Ours and theirs, with the same weights."""
        ours, theirs = self.build(drop_in, dtype, dropout), self.build(nn, dtype, dropout)
        ours.load_state_dict(theirs.state_dict())
        return ours, theirs

    def given(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Input values, lengths of the rows, and the parts of the state to start from."""
        torch.manual_seed(crc32(str(self).encode()))
        rows = [] if self.form == "single" else [self.batch]
        x = torch.randn(*rows, self.steps, self.inputs, dtype=dtype)
        x = x if self.first or not rows else x.transpose(0, 1).contiguous()
        lengths = torch.randint(1, self.steps + 1, (self.batch,))
        lengths[self.batch // 2] = self.steps
        lengths = lengths.sort(descending=True).values if self.form == "sorted" else lengths
        widths = {"lstm": [self.hidden] * 2, "projected": [self.projected, self.hidden]}.get(self.kind, [self.hidden])
        return x, lengths, [torch.randn(self.layers * (1 + self.both), *rows, width, dtype=dtype) for width in widths]

    def __str__(self) -> str:
        sizes = f"{self.batch}x{self.steps}x{self.inputs}x{self.hidden}x{self.layers}"
        switches = [name for name in ("bias", "first", "both", "hx") if getattr(self, name)]
        return "-".join([self.kind, self.form, sizes, *switches])


def call(case: Case, network: Any, x: Tensor, lengths: Tensor, start: list[Tensor]) -> tuple[Any, tuple[Tensor, ...]]:
    """The output, as the network gives it, and the parts of the state after."""
    given: Any = x
    if "sorted" in case.form:
        given = pack_padded_sequence(x, lengths, batch_first=case.first, enforce_sorted=case.form == "sorted")
    hx = (tuple(start) if len(start) > 1 else start[0]) if case.hx else None
    y, after = network(given, hx)
    return y, after if isinstance(after, tuple) else (after,)


def answers(case: Case, network: Any, dtype: torch.dtype) -> dict[str, Tensor]:
    """All results, and the gradients of a random sum of them, mean over rows, by input, state and weights."""
    x, lengths, start = case.given(dtype)
    leaves = {"x": x.requires_grad_()}
    if case.hx:
        leaves |= {f"start.{k}": part.requires_grad_() for k, part in enumerate(start)}
    y, after = call(case, network, x, lengths, start)
    results = {"y": y.data if isinstance(y, PackedSequence) else y, **{f"after.{k}": part for k, part in enumerate(after)}}
    sums = [(part * torch.randn(part.shape, dtype=dtype)).sum() for part in results.values()]
    torch.autograd.backward(torch.stack(sums).sum() / len(lengths))
    if isinstance(y, PackedSequence):
        results |= {name: part for name, part in y._asdict().items() if isinstance(part, Tensor)}
    gradients = {f"d {name}": leaf.grad for name, leaf in [*leaves.items(), *network.named_parameters()]}
    return {name: part.detach() for name, part in [*results.items(), *gradients.items()]}


def distance(ours: Tensor, theirs: Tensor) -> tuple[float, float]:
    """The worst error: as a share of what `TOLERANCE` allows, and as it is; whole numbers must be the same."""
    relative, absolute = TOLERANCE.get(theirs.dtype, (0.0, 0.5))
    error = (ours.double() - theirs.double()).abs()
    return float((error / (absolute + relative * theirs.double().abs())).max()), float(error.max())


def _switched() -> Iterator[Case]:
    """Every setting of the switches, each in small sizes by lot."""
    dice = Random(0)
    switch = (False, True)
    forms = ("batch", "single", "sorted", "unsorted")
    for kind, form, layers, bias, first, both, hx in product(KINDS, forms, (1, 2), switch, switch, switch, switch):
        batch, inputs, hidden = (dice.choice(SIZES[:3]) for _ in range(3))
        hidden += kind == "projected"
        yield Case(kind, form, batch, dice.randint(1, 6), inputs, hidden, layers, bias, first, both, hx)


def _sized() -> Iterator[Case]:
    """Every pair of a batch, an input and a hidden size in each kind, the switches by lot."""
    dice = Random(1)
    for kind, (i, batch), (j, inputs) in product(KINDS, enumerate(SIZES), enumerate(SIZES)):
        hidden = SIZES[(i + j) % len(SIZES)] + (kind == "projected")
        form, layers = dice.choice(("batch", "sorted", "unsorted")), dice.choice((1, 1, 2, 3))
        bias, first, both, hx = (dice.random() < 0.5 for _ in range(4))
        yield Case(kind, form, batch, 4, inputs, hidden, layers, bias, first, both, hx)


CASES = [*_switched(), *_sized()]
