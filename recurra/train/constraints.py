"""Weights kept within bounds, update after update."""

from collections.abc import Iterator
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from recurra.errors import UsageError
from recurra.layers import Recurrent, Stack

__all__ = ["MaxNorm"]


@final
class MaxNorm:
    r"""After each update, no unit of a recurrent layer reads with a longer vector of weights than `longest`.

    .. math:: w_u \leftarrow w_u \min(1, \text{longest} / \lVert w_u \rVert_2)

    It is each row of each matrix, those of the input and those inside the step; for a diagonal map it bounds each number.
    Matrices that a cell keeps orthogonal or antisymmetric are left to it.

    Args:
        model: the layers of every `Stack` in it, and every `Recurrent`.
        longest: the bound, above 0.

    Raises:
        UsageError: where the model has no recurrent layer.

    Source: Srebro et al. 2005; Srivastava et al. 2014.

    Example:
        >>> from recurra.layers import LSTM
        >>> model = LSTM(3, 5)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> _ = sgd.register_step_post_hook(MaxNorm(model, 0.5))
        >>> sgd.step()
        >>> [round(weight.norm(dim=1).max().item(), 2) for weight in model.parameters() if weight.dim() > 1]
        [0.5, 0.5]
    """

    def __init__(self, model: nn.Module, longest: float) -> None:
        self.weights, self.longest = list(dict.fromkeys(_matrices(model))), longest
        if not self.weights:
            raise UsageError("max_norm: the model has no recurrent layers; wanted some")

    @torch.no_grad()
    def __call__(self, *_: Any) -> None:
        """Shorten what is too long; also as the hook behind an optimiser's step."""
        for weight in self.weights:
            if weight.dim() > 1:
                weight.renorm_(2, 0, self.longest)
            else:
                weight.clamp_(-self.longest, self.longest)


def _matrices(model: nn.Module) -> Iterator[Tensor]:
    for module in model.modules():
        if isinstance(module, Recurrent):
            names = [f"{name}_weight" for name in ("input", *module.cell.maps)]
            yield from (module.get_parameter(name) for name in names if not parametrize.is_parametrized(module, name))
        elif isinstance(module, Stack):
            yield from (weight for layer in module.layers for weight in _own(layer))


def _own(layer: nn.Module) -> Iterator[Tensor]:
    """The matrices of a core of its own kind, and of what stands beside a `Recurrent` in a layer."""
    if isinstance(layer, Recurrent | Stack):
        return
    yield from (weight for weight in layer.parameters(recurse=False) if weight.dim() > 1)
    for child in layer.children():
        yield from _own(child)
