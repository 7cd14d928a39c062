"""How much the maps inside a step, and the step itself, stretch a state that is sent through them again and again."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from recurra.cells import Cell
from recurra.train.flow.watch import Call
from recurra.wirings import Weights, Wiring
from recurra.wirings.wiring import as_map

__all__ = ["jacobian_spectra", "map_radii"]

EXACT = 512  # numbers in a state whose Jacobian is written out
PLACES = 4
ITERATIONS = 100


@torch.no_grad()
def map_radii(cell: Cell, wiring: Wiring, weights: Weights) -> dict[str, float]:
    r"""The spectral radius :math:`\max_i |\lambda_i|` of every square part of the maps inside the step, as ``"recur.forget"``.

    Convolutions have none that is a matrix of a fixed size: an empty table.

    Example:
        >>> from recurra.layers import Elman
        >>> [layer] = Elman(3, 5).layers
        >>> {name: round(radius, 4) for name, radius in map_radii(layer.cell, layer.wiring, layer.weights).items()}
        {'recur.hidden': 1.0}
    """
    found: dict[str, float] = {}
    for name in cell.maps if not wiring.extent_dims else ():
        declared = as_map(cell.maps[name])
        if declared.takes != declared.gives:
            continue
        weight = weights[f"{name}_weight"].detach().float().cpu()
        size = wiring.width(declared.takes)
        for part, matrix in zip(declared.parts, weight.chunk(len(declared.parts)), strict=True):
            found[f"{name}.{part}"] = radius(wiring.apply(torch.eye(size), matrix, None))
    return found


def jacobian_spectra(cell: Cell, wiring: Wiring, call: Call) -> tuple[tuple[float, ...], tuple[tuple[float, float], ...]]:
    """Spectral radii of the state's Jacobian at a few steps and rows of a call, and all eigenvalues where they are few."""
    radii, eigenvalues = list[float](), list[tuple[float, float]]()
    for t, row in _places(call):
        step, at = _step(cell, wiring, call, t, row)
        if len(at) > EXACT:
            radii.append(_by_iteration(step, at))
            continue
        found = torch.linalg.eigvals(torch.func.jacrev(step)(at).cpu())
        radii.append(float(found.abs().max()))
        eigenvalues += [(float(value.real), float(value.imag)) for value in found]
    return tuple(radii), tuple(eigenvalues)


def radius(matrix: Tensor) -> float:
    """The largest absolute eigenvalue of a square matrix; NaN of one that is not finite."""
    if not matrix.isfinite().all():
        return math.nan
    if len(matrix) > 2 * EXACT:
        return _by_iteration(lambda v: v @ matrix, torch.zeros(len(matrix)))
    return float(torch.linalg.eigvals(matrix).abs().max())


def _places(call: Call) -> list[tuple[int, int]]:
    """A few (step, row), spread over both."""
    batch, steps = call.job.x.shape[:2]
    lengths = [steps] * batch if call.job.lengths is None else call.job.lengths.tolist()
    rows = [row for row in range(batch) if lengths[row]]
    chosen = [rows[len(rows) * k // PLACES] for k in range(PLACES)] if rows else []
    return list(dict.fromkeys(((k + 1) * lengths[row] // (PLACES + 1), row) for k, row in enumerate(chosen)))


def _step(cell: Cell, wiring: Wiring, call: Call, t: int, row: int) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """The step t of one row as a function of its flat state, and the state that it had."""
    job, one = call.job, slice(row, row + 1)
    weights = {name: weight.detach() for name, weight in call.weights.items()}
    [x] = wiring.project(cell, weights, job.x[one, t : t + 1].detach())
    maps = wiring.bind(cell, weights, {name: mask[one, t] for name, mask in job.noise.items()})
    before = [field[one].detach() for field in (call.states[t - 1] if t else job.state)]
    sizes, shapes = [field.numel() for field in before], [field.shape for field in before]

    def step(flat: Tensor) -> Tensor:
        fields = (part.view(shape) for part, shape in zip(torch.split(flat, sizes), shapes, strict=True))
        _, after = cell.step(x, cell.State(*fields), maps)
        return torch.cat([field.flatten() for field in after])

    return step, torch.cat([field.flatten() for field in before])


def _by_iteration(step: Callable[[Tensor], Tensor], at: Tensor) -> float:
    """The spectral radius by power iteration of the transposed Jacobian: by how much a vector grows in the end."""
    pulled: Any = torch.func.vjp(step, at)[1]
    v = torch.randn(len(at), generator=torch.Generator().manual_seed(0)).to(at)
    growth = list[float]()
    for _ in range(ITERATIONS):
        v = v / v.norm()
        [v] = pulled(v)
        size = float(v.norm())
        if size == 0 or not math.isfinite(size):
            return size
        growth.append(math.log(size))
    late = growth[ITERATIONS // 2 :]
    return math.exp(sum(late) / len(late))
