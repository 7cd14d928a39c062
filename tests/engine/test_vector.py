"""The pointwise functions of the compiled sweep, lane by lane, beside float64."""

import ctypes
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recurra.engine.compile import assemble, isa
from recurra.engine.vector import LOWERED, Code, Lanes, declarations

KINDS: dict[int, type[np.floating]] = {4: np.float32, 8: np.float64}


def apply(name: str, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """One compiled function over an array."""
    lanes = Lanes(isa().bytes // x.itemsize, x.itemsize)
    code = Code(lanes)
    code.lines.append("define void @apply(ptr %x, ptr %y, i64 %n) {")
    code.label("entry")
    with code.loop(0, "%n", lanes.width) as i:
        code.store(LOWERED[name][1](code, code.load(code.at("%x", i))), code.at("%y", i))
    code.line("ret void")
    engine = assemble("\n".join([declarations(lanes), *code.lines, "}"]))
    padded = np.resize(x, -(-len(x) // lanes.width) * lanes.width)
    y = np.empty_like(padded)
    address = engine.get_function_address("apply")
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(address)(
        padded.ctypes.data, y.ctypes.data, len(padded)
    )
    return y[: len(x)]


def exact(name: str, x: NDArray[np.floating]) -> NDArray[np.longdouble]:
    wide = x.astype(np.longdouble)
    with np.errstate(over="ignore"):
        if name == "sigmoid":
            return np.asarray(1 / (1 + np.exp(-wide)))
        return np.asarray(getattr(np, name)(wide))


def ranged(name: str, reach: float) -> NDArray[np.float64]:
    """Arguments of every size that a function has to take."""
    chance = np.random.default_rng(0)
    small = 10.0 ** chance.uniform(-30, 0, 100_000)
    match name:
        case "log":
            near = 1 + 0.5 * chance.uniform(-1, 1, 100_000)
            return np.concatenate([10.0 ** chance.uniform(-44, 38, 100_000), near, 1 - small])
        case "log1p":
            return np.concatenate([small, -small[small < 0.999], 10.0 ** chance.uniform(0, 38, 50_000)])
        case "sin" | "cos":  # and the numbers next to where they are 0
            zeros = np.arange(-6300, 6300) * (np.pi / 2)
            return np.concatenate([chance.uniform(-1e4, 1e4, 50_000), chance.normal(size=50_000), zeros, small[:50_000]])
    spread = [chance.uniform(-reach, reach, 300_000), chance.normal(size=400_000), chance.normal(size=300_000) * 1e-3]
    return np.concatenate([*spread, small])


@pytest.mark.parametrize("size", KINDS)
@pytest.mark.parametrize("name", ["exp", "sigmoid", "tanh", "log", "log1p", "sin", "cos"])
def test_within_four_units_in_the_last_place(name: str, size: int) -> None:
    kind = KINDS[size]
    x = ranged(name, 80 if size == 4 else 600).astype(kind)
    true = exact(name, x)
    ulp = np.spacing(np.abs(true).astype(kind)).astype(np.longdouble)
    normal = np.abs(true) > np.finfo(kind).tiny
    error = (np.abs(apply(name, x).astype(np.longdouble) - true) / ulp)[normal]
    assert error.max() <= 4, (error.max(), x[normal][error.argmax()])


UNARY = ["exp", "sigmoid", "tanh", "relu", "neg", "abs", "sqrt", "reciprocal", "rsqrt", "log", "log1p", "sin", "cos"]


@pytest.mark.parametrize("size", KINDS)
@pytest.mark.parametrize("name", UNARY)
def test_ends_and_not_a_number(name: str, size: int) -> None:
    kind = KINDS[size]
    x = np.array([math.nan, math.inf, -math.inf, 0.0, -0.0, 1000.0, -1000.0, 1.0], kind)
    own = {"relu": torch.relu, "neg": torch.neg, "abs": torch.abs, "reciprocal": torch.reciprocal}
    torch_has = own.get(name, getattr(torch, name))
    np.testing.assert_allclose(apply(name, x), torch_has(torch.from_numpy(x)).numpy(), rtol=1e-6, atol=1e-37)
