"""How packed weights are held: as they are, or in fewer bytes for running without training."""

from typing import Literal, NamedTuple, TypeAlias

from torch import Tensor

from recurra.engine.vector import Code

__all__ = ["FULL", "Kind", "Precision", "rounded"]

Kind: TypeAlias = Literal["full", "bfloat16", "int8"]
"""``bfloat16`` keeps the first 16 bits of a float32; ``int8`` whole numbers up to 127, with a rate for each unit of each part."""


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

    def store(self, code: Code, number: str, base: str, index: str) -> None:
        """One number into an array of weights; it has been rounded to what can be held."""
        if self.kind == "bfloat16":
            bits = code.op(f"lshr i32 {code.op(f'bitcast float {number} to i32')}, 16")
            value, kind = code.op(f"trunc i32 {bits} to i16"), "i16"
        elif self.kind == "int8":
            value, kind = code.op(f"fptosi float {number} to i8"), "i8"
        else:
            value, kind = number, code.lanes.number
        code.line(f"store {kind} {value}, ptr {self.at(code, base, index)}, align {self.bytes(code.lanes.size)}")


FULL = Precision()
"""Weights as they are."""


def rounded(weight: Tensor, kind: Kind) -> tuple[Tensor, Tensor | None]:
    """A matrix (N, K) as it can be held, and the rate (N,) of each row, by which it is multiplied where it is held in 8 bits.

    >>> import torch
    >>> numbers, rates = rounded(torch.tensor([[0.5, -1.27]]), "int8")
    >>> numbers, rates
    (tensor([[  50., -127.]]), tensor([0.0100]))
    """
    if kind == "full":
        return weight, None
    if kind == "bfloat16":
        return weight.bfloat16().to(weight.dtype), None
    rates = (weight.abs().amax(1) / 127).clamp(min=1e-30)
    return (weight / rates[:, None]).round(), rates
