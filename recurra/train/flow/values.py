"""What was measured of a recurrent model, layer by layer."""

import math
from collections.abc import Mapping
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Bend", "Flow", "LayerFlow", "Travel", "Units"]

LEFT = 0.01  # of the gradient: less than that counts as nothing
SEEN = 1e-6  # of the gradient: less than that is not fitted


class Travel(NamedTuple):
    r"""How the gradient of the last step's loss travels back: :math:`\lVert dL_T / ds_{T-k} \rVert_2` for k = 0, 1, ...

    Over rows: the mean, and what a tenth of them lie below and above. All are those of the loss as the update weighs it.

    Example:
        >>> travel = Travel.of([0.5**k for k in range(20)])
        >>> round(travel.factor, 3), travel.horizon
        (0.5, 7)
    """

    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, mean: Any) -> "Travel":
        """A travel without a spread."""
        return cls(tuple(mean), tuple(mean), tuple(mean))

    @property
    def factor(self) -> float | None:
        """What a step multiplies the norm by: a line through the logarithms from k = 1 on; None of fewer than three steps.

        It ends where a millionth is left. The last step itself is left out, as its loss reads its output too.
        """
        seen = list(takewhile(lambda norm: norm > SEEN * self.mean[0], self.mean))
        if len(self.mean) < 3 or self.mean[0] == 0:
            return None
        if len(seen) < 3:
            return self.mean[1] / self.mean[0]
        return math.exp(float(np.polynomial.polynomial.polyfit(np.arange(1, len(seen)), np.log(seen[1:]), 1)[1]))

    @property
    def horizon(self) -> int | None:
        """The effective memory: after how many steps less than 1 % of the norm is left; None if all steps keep more."""
        return next((k for k, norm in enumerate(self.mean) if norm < LEFT * self.mean[0]), None)

    @property
    def left(self) -> float:
        """The share of the norm that is left at the far end; 0 where there never was any."""
        return self.mean[-1] / self.mean[0] if self.mean[0] else 0.0

    def as_json(self) -> dict[str, Any]:
        """All of it as one object."""
        return {**self._asdict(), "factor": self.factor, "horizon": self.horizon, "left": self.left}


class Bend(NamedTuple):
    """The values of one sigmoid or tanh of the step, over units, rows and steps.

    `name` is the gate that enters it, or the field of the state. `low` is the share of values below 0.05 (-0.95 of a tanh),
    `high` the share above 0.95.
    """

    name: str
    kind: str
    low: float
    high: float
    mean: float

    @property
    def saturated(self) -> float:
        """The share of values at either end, where hardly any gradient passes."""
        return self.low + self.high


class Units(NamedTuple):
    """Standard deviation of each unit's output over all data, and which are dead.

    `silent` ones are zero always; `still` ones are not, but vary by less than a hundredth of what the livelier ones do: of the
    deviation that a quarter of them exceeds.
    """

    deviations: tuple[float, ...]
    silent: tuple[int, ...]
    still: tuple[int, ...]


class LayerFlow(NamedTuple):
    """One recurrent layer: `path` in the model, cell, size, and how many `steps` the gradient could travel.

    `retention` is the cell's, by gate. `maps` has the spectral radius of every square part of the maps inside the step,
    `jacobian` that of :math:`ds_{t+1} / ds_t` at some steps and rows, `eigenvalues` all there, as (real, imaginary), unless the
    state is large.
    """

    name: str
    path: str
    cell: str
    hidden: int
    steps: int
    travel: Travel
    bends: tuple[Bend, ...]
    units: Units
    retention: Mapping[str, int]
    maps: Mapping[str, float]
    jacobian: tuple[float, ...]
    eigenvalues: tuple[tuple[float, float], ...]

    def as_json(self) -> dict[str, Any]:
        """All of it as one object."""
        parts = {"travel": self.travel.as_json(), "bends": [bend._asdict() for bend in self.bends]}
        return (
            self._asdict() | parts | {"units": self.units._asdict(), "maps": dict(self.maps), "retention": dict(self.retention)}
        )


class Flow(NamedTuple):
    """All recurrent layers of a model, and what could not be measured, in words."""

    layers: tuple[LayerFlow, ...]
    missing: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """All of it as one object."""
        return {"layers": [layer.as_json() for layer in self.layers], "missing": list(self.missing)}
