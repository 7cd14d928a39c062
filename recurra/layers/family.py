# ruff: noqa: RUF001 - equations have Greek letters
"""The family: every recurrence that options name, as in ``cell=gru``, with its equation, its paper, and when to take it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

from recurra.cells import CELLS, Cell, ProjectedLSTM
from recurra.errors import UsageError, near_miss
from recurra.layers.mlstm import MLSTM
from recurra.layers.qrnn import QRNN
from recurra.layers.recurrent import Recurrent
from recurra.wirings import Dense, Diagonal, Heads, Wiring

__all__ = ["FAMILY", "Member", "member"]


class Member(NamedTuple):
    """One recurrence: a cell and how it is wired, or a core of its own.

    `equation` fits a terminal; `use` says when to take it. Sizes are I, H.
    """

    equation: str
    paper: str
    use: str
    cell: Cell | None = None
    wiring: Callable[[int, int], Wiring] = Dense
    core: Callable[[int, int], nn.Module] | None = None

    def build(self, input_size: int, hidden_size: int, **how: Any) -> nn.Module:
        """A layer of it, from `input_size` to `hidden_size`; `how` goes to :class:`~recurra.layers.Recurrent`."""
        if self.cell is not None:
            return Recurrent(self.cell, self.wiring(input_size, hidden_size), **how)
        assert self.core is not None
        return self.core(input_size, hidden_size)


HEADS = 4
"""The number of heads that cells in heads have where their size is a multiple of it."""


def _in_heads(input_size: int, hidden_size: int) -> Wiring:
    return Heads(input_size, hidden_size, _heads(hidden_size))


def _mlstm(input_size: int, hidden_size: int) -> nn.Module:
    return MLSTM(input_size, hidden_size, heads=_heads(hidden_size))


def _heads(hidden_size: int) -> int:
    return next(heads for heads in (HEADS, 2, 1) if hidden_size % heads == 0)


def _projected(input_size: int, hidden_size: int) -> Wiring:
    return Dense(input_size, 2 * hidden_size, projected_size=hidden_size)


FAMILY: dict[str, Member] = {
    "elman": Member("h' = tanh(x + U h)", "Elman 1990", "short memory; the baseline of all", CELLS["elman"]),
    "elman-relu": Member("h' = relu(x + U h)", "Elman 1990", "beside irnn, to see what a start does", CELLS["elman-relu"]),
    "irnn": Member(
        "h' = relu(x + U h), U = 1 at first",
        "Le et al. 2015",
        "a simple network that remembers; low rates, clip",
        CELLS["irnn"],
    ),
    "indrnn": Member(
        "h' = relu(x + u h), u for each unit",
        "Li et al. 2018",
        "deep stacks, long sequences; many layers of it",
        CELLS["elman-relu"],
        Diagonal,
    ),
    "lstm": Member("c' = f c + i tanh(g), h' = o tanh(c')", "Hochreiter & Schmidhuber 1997", "the default", CELLS["lstm"]),
    "lstm-peephole": Member(
        "lstm; i, f see c, o sees c'", "Gers & Schmidhuber 2000", "counting, exact timing", CELLS["lstm-peephole"]
    ),
    "lstm-coupled": Member(
        "lstm with i = 1 - f", "Greff et al. 2017", "lstm with a quarter fewer weights, seldom worse", CELLS["lstm-coupled"]
    ),
    "lstm-projected": Member(
        "lstm; h' = W o tanh(c'), 2 H cells to H outputs",
        "Sak et al. 2014",
        "large memory, few weights; speech, big vocabularies",
        ProjectedLSTM(),
        _projected,
    ),
    "lstm-layer-norm": Member(
        "lstm; gates' sums and c' normed",
        "Ba et al. 2016",
        "small batches, unstable training; slower",
        CELLS["lstm-layer-norm"],
    ),
    "gru": Member(
        "h' = n + z (h - n), n = tanh(x + r (U h))", "Cho et al. 2014", "fewer weights than lstm, often as good", CELLS["gru"]
    ),
    "gru-reset-before": Member(
        "h' = n + z (h - n), n = tanh(x + U (r h))",
        "Cho et al. 2014",
        "weights of models that reset first",
        CELLS["gru-reset-before"],
    ),
    "gru-layer-norm": Member(
        "gru; gates' sums and both parts of n normed",
        "Ba et al. 2016",
        "as lstm-layer-norm, with fewer weights",
        CELLS["gru-layer-norm"],
    ),
    "light-gru": Member(
        "h' = n + z (h - n), n = relu(x + U h)",
        "Ravanelli et al. 2018",
        "speech; its inputs want a batch norm",
        CELLS["light-gru"],
    ),
    "mgu": Member("h' = h + f (n - h), n = tanh(x + U (f h))", "Zhou et al. 2016", "two thirds of gru's weights", CELLS["mgu"]),
    "ugrnn": Member(
        "h' = n + g (h - n), n = tanh(x + U h)", "Collins et al. 2017", "one gate, easy to train; small models", CELLS["ugrnn"]
    ),
    "janet": Member(
        "h' = σ(s) h + (1 - σ(s - 1)) g",
        "van der Westhuizen & Lasenby 2018",
        "long memory with one gate; start it by chrono",
        CELLS["janet"],
    ),
    "ran": Member(
        "c' = f c + i x, h' = tanh(c')", "Lee et al. 2017", "states that can be read as weighted inputs", CELLS["ran"]
    ),
    "slstm": Member(
        "h' = o c' / n', i = exp(...), in heads",
        "Beck et al. 2024",
        "states that must be revised; tracking, languages",
        CELLS["slstm"],
        _in_heads,
    ),
    "mlstm": Member(
        "C' = f C + i k vᵀ, h' = o C'ᵀq / max(|n'ᵀq|, 1), in heads",
        "Beck et al. 2024",
        "recall of many things; parallel over time",
        core=_mlstm,
    ),
    "sru": Member(
        "c' = f c + (1 - f) x, y = r c' + (1 - r) x", "Lei et al. 2018", "fast; stacks of four layers and more", CELLS["sru"]
    ),
    "qrnn": Member(
        "c' = f c + (1 - f) tanh(z), h' = o c'; z, f, o of two inputs",
        "Bradbury et al. 2017",
        "fast, needs no product inside; several layers",
        core=QRNN,
    ),
    "mingru": Member(
        "h' = h + z (x - h), gates of x alone", "Feng et al. 2024", "fast and small; two layers or more", CELLS["mingru"]
    ),
    "minlstm": Member(
        "h' = f' h + (1 - f') x, f' = f / (f + i)", "Feng et al. 2024", "beside mingru; two layers or more", CELLS["minlstm"]
    ),
    "lru": Member(
        "h' = λ h + γ B x, y = Re(C h') + D x",
        "Orvieto et al. 2023",
        "thousands of steps, smooth signals; two layers or more",
        CELLS["lru"],
    ),
    "rg-lru": Member(
        "h' = a h + √(1 - a²) i x, a = σ(Λ)^8r", "De et al. 2024", "long text; two layers or more", CELLS["rg-lru"]
    ),
    "antisymmetric": Member(
        "h' = h + ε tanh(x + (A - γ) h), A = -Aᵀ",
        "Chang et al. 2019",
        "long, slow inputs; never explodes",
        CELLS["antisymmetric"],
    ),
    "antisymmetric-gated": Member(
        "h' = h + ε σ(u) tanh(x + (A - γ) h)",
        "Chang et al. 2019",
        "as antisymmetric, where steps matter unequally",
        CELLS["antisymmetric-gated"],
    ),
    "orthogonal": Member(
        "h' = modrelu(x + Q h), QᵀQ = 1",
        "Lezcano-Casado & Martínez-Rubio 2019",
        "copying over hundreds of steps; slower, low rates",
        CELLS["orthogonal"],
    ),
}
"""All members by name."""


def member(name: str) -> Member:
    """The member of this name."""
    if name not in FAMILY:
        raise UsageError(f"cell={name}: {near_miss(name, FAMILY)}")
    return FAMILY[name]
