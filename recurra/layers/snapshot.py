"""Any core one step at a time, from a snapshot of its weights; and cores whose matrices are held in fewer bytes."""

from copy import deepcopy
from threading import Lock
from typing import Any, cast, final, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from recurra.engine import precision
from recurra.engine.precision import Kind
from recurra.errors import NumericError, UsageError
from recurra.layers.recurrent import Recurrent

__all__ = ["Snapshot", "round_matrices"]


@final
class Snapshot:
    """A core one step at a time, as it is evaluated, from a copy of its weights; the layers in it step by their own steppers.

    ``layer.stepper()`` of cores without a compiled one makes it. It does not differentiate; :meth:`refresh` takes the weights
    anew. Several threads may use one: nothing in it changes but by `refresh`.

    Args:
        layer: the core.
        weights: how its matrices are held, as in :class:`~recurra.engine.Stepper`; here they are rounded alone, not smaller.

    Example:
        >>> from recurra.layers import CausalConvolution
        >>> layer = CausalConvolution(3, 5, kernel=4)
        >>> stepper = layer.stepper()
        >>> y, state = stepper(torch.zeros(1, 3), stepper.initial(1))
        >>> y.shape, state.past.shape
        (torch.Size([1, 5]), torch.Size([1, 3, 3]))
    """

    def __init__(self, layer: nn.Module, weights: Kind = "full") -> None:
        self.layer, self.kind = layer, weights
        self._lock = Lock()
        self.refresh()

    def refresh(self) -> None:
        """Take the layer's weights as they are now."""
        with self._lock, torch.no_grad():
            copy: Any = deepcopy(self.layer).eval()
            round_matrices(copy, self.kind)
            for child in copy.children():
                if hasattr(child, "stepper"):
                    child.step = _step(cast("Any", child).stepper(self.kind))
            self._copy = copy

    def initial(self, batch: int, *extent: int) -> Any:
        """The state that `batch` rows start from."""
        return self._copy.initial(batch, *extent)

    @torch.no_grad()
    def __call__(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step: x (B, I) and the state before -> y (B, O), and the state after."""
        y, after = self._copy.step(x, state)
        return y, after


def _step(stepper: Any) -> Any:
    return lambda x, state, _=None: stepper(x, state)


@torch.no_grad()
def round_matrices(core: nn.Module, kind: Kind) -> None:
    """Round the matrices of a core and of the layers in it, in place, to what can be held in this form.

    Raises:
        UsageError: for an unknown form, or weights that are not float32.
        NumericError: where a matrix is not finite.
    """
    if kind not in get_args(Kind):
        raise UsageError(f"weights is {kind!r}; wanted one of {', '.join(get_args(Kind))}")
    for layer in core.modules() if kind != "full" else ():
        if isinstance(layer, Recurrent):
            for name, number in precision.spread(*precision.held(layer.cell, layer.weights, kind)).items():
                layer.place(name, number)
        elif not isinstance(layer, ParametrizationList):  # what a Recurrent makes a matrix of
            for name, weight in layer.named_parameters(recurse=False):
                if weight.dim() > 1:
                    weight.copy_(_rounded(name, weight, kind))


def _rounded(name: str, weight: Tensor, kind: Kind) -> Tensor:
    numbers, rates = precision.rounded(weight, kind)
    if not bool(numbers.isfinite().all()):
        raise NumericError(f"{name} has numbers that are not finite; wanted finite ones, to hold them as {kind}")
    return precision.spread({name: numbers}, {} if rates is None else {name: rates})[name]
