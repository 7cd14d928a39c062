"""How packed weights are held: as they are, or in fewer bytes for running without training."""

from typing import Literal, NamedTuple, TypeAlias, get_args

import torch
from torch import Tensor

from recurra.cells import Cell
from recurra.engine.vector import Code
from recurra.errors import NumericError, UsageError
from recurra.wirings import Weights

__all__ = ["FULL", "Kind", "Precision", "held", "rounded", "spread"]

Kind: TypeAlias = Literal["full", "bfloat16", "int8"]
"""``bfloat16`` keeps the first 16 bits of a float32; ``int8`` whole numbers up to 127, with a rate for each unit of a part."""


class Precision(NamedTuple):
    """Weights in memory; in registers they are numbers again."""

    kind: Kind = "full"

    def bytes(self, size: int) -> int:
        """How many bytes a weight takes, where a number has `size`."""
        return {"full": size, "bfloat16": 2, "int8": 1}[self.kind]

    def at(self, code: Code, base: str, index: str | int) -> str:
        """The address of a weight in an array."""
        kind = code.lanes.number if self.kind == "full" else f"i{8 * self.bytes(4)}"
        return code.op(f"getelementptr {kind}, ptr {base}, i64 {index}")

    def load(self, code: Code, address: str) -> str:
        """A vector of weights from memory, as numbers."""
        if self.kind == "full":
            return code.load(address)
        n = code.lanes.width
        bits = 8 * self.bytes(4)
        held = code.op(f"load <{n} x i{bits}>, ptr {address}, align {bits // 8}")
        if self.kind == "bfloat16":
            wide = code.op(f"zext <{n} x i16> {held} to <{n} x i32>")
            return code.op(f"bitcast <{n} x i32> {code.op(f'shl <{n} x i32> {wide}, splat (i32 16)')} to {code.lanes.vector}")
        return code.op(f"sitofp <{n} x i32> {code.op(f'sext <{n} x i8> {held} to <{n} x i32>')} to {code.lanes.vector}")

    def store(self, code: Code, vector: str, address: str) -> None:
        """A vector of weights to memory; they have been rounded to what can be held."""
        if self.kind == "full":
            code.store(vector, address)
            return
        n, bits = code.lanes.width, 8 * self.bytes(4)
        if self.kind == "bfloat16":
            whole = code.op(f"bitcast {code.lanes.vector} {vector} to <{n} x i32>")
            held = code.op(f"trunc <{n} x i32> {code.op(f'lshr <{n} x i32> {whole}, splat (i32 16)')} to <{n} x i16>")
        else:
            held = code.op(f"fptosi {code.lanes.vector} {vector} to <{n} x i8>")
        code.line(f"store <{n} x i{bits}> {held}, ptr {address}, align {bits // 8}")


FULL = Precision()
"""Weights as they are."""


def rounded(weight: Tensor, kind: Kind) -> tuple[Tensor, Tensor | None]:
    """A matrix (N, ...) as it can be held, and the rate (N,) of each row, by which it is multiplied where it is held in 8 bits.

    >>> numbers, rates = rounded(torch.tensor([[0.5, -1.27]]), "int8")
    >>> numbers, rates
    (tensor([[  50., -127.]]), tensor([0.0100]))
    """
    if kind == "full":
        return weight, None
    if kind == "bfloat16":
        return weight.bfloat16().to(weight.dtype), None
    rates = (weight.abs().flatten(1).amax(1) / 127).clamp(min=1e-30)
    return (weight / _along(rates, weight)).round(), rates


def held(cell: Cell, weights: Weights, kind: Kind) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights of a layer as they can be held, and the rates of those held in 8 bits; only matrices take fewer bytes.

    Raises:
        UsageError: for an unknown kind, or weights that are not float32 for a kind in fewer bytes.
        NumericError: where a matrix for a kind in fewer bytes is not finite.
    """
    if kind not in get_args(Kind):
        raise UsageError(f"weights is {kind!r}; wanted one of {', '.join(get_args(Kind))}")
    numbers, rates = dict(weights), dict[str, Tensor]()
    if kind == "full":
        return numbers, rates
    for name in ("input_weight", *(f"{each}_weight" for each in cell.maps)):
        weight = weights[name]
        if weight.dtype != torch.float32:
            raise UsageError(f"{name} is {weight.dtype}; wanted torch.float32, to hold it as {kind}")
        if weight.dim() > 1:  # a diagonal map is one number for each unit
            numbers[name], rate = rounded(weight, kind)
            if not bool(numbers[name].isfinite().all()):
                raise NumericError(f"{name} has numbers that are not finite; wanted finite ones, to hold them as {kind}")
            if rate is not None:
                rates[name] = rate
    return numbers, rates


def spread(numbers: Weights, rates: Weights) -> dict[str, Tensor]:
    """Copies of weights as `held` gives them, as numbers again."""
    return {name: each * _along(rates[name], each) if name in rates else each.clone() for name, each in numbers.items()}


def _along(rates: Tensor, weight: Tensor) -> Tensor:
    return rates.view(-1, *[1] * (weight.dim() - 1))
