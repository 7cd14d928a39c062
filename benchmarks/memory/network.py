"""The network of all memory tasks: recurrent layers of one kind, and one map to the answers."""

from typing import Any, final

import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.memory.options import MemoryOptions
from benchmarks.memory.task import Task
from recurra.layers import CausalConvolution
from recurra.tasks import recipes

__all__ = ["Network"]


@final
class Network(nn.Module):
    """x (B, T, I) -> answers (B, T, O), or (B, O) after the last step where a task wants no more."""

    def __init__(self, task: Task, options: MemoryOptions) -> None:
        super().__init__()
        self.every = task.every
        if options.blocks:
            self.read: nn.Module = nn.Linear(task.inputs, options.hidden)
            self.layers = nn.ModuleList(Block(options) for _ in range(options.layers))
        else:
            self.read = nn.Identity()
            self.layers = nn.ModuleList([recipes.stack(options, task.inputs)])
        self.output = nn.Linear(options.hidden, task.outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.read(x)
        for layer in self.layers:
            x, _ = layer(x)
        answers: Tensor = self.output(x if self.every else x[:, -1])
        return answers


@final
class Block(nn.Module):
    r"""A recurrence of which the outputs meet in a gated linear unit, as in deep stacks of linear recurrences.

    .. math:: x + V y \odot \sigma(G y) \qquad y = \mathrm{gelu}(\mathrm{layer}(\mathrm{norm}(x)))

    Source: Orvieto et al. 2023, arXiv:2303.06349.
    """

    def __init__(self, options: MemoryOptions) -> None:
        super().__init__()
        size = options.hidden
        self.norm, self.layer = nn.LayerNorm(size), recipes.stack(options.model_copy(update={"layers": 1}), size)
        self.join = CausalConvolution(size, size, options.convolution) if options.convolution else None
        self.gate, self.dropout = nn.Linear(size, 2 * size), nn.Dropout(options.dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        seen = self.norm(x)
        if self.join is not None:
            seen, _ = self.join(seen)
        y, after = self.layer(seen)
        return x + F.glu(self.gate(self.dropout(F.gelu(y)))), after
