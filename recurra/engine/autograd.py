"""The compiled sweep as a differentiable function of torch."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from recurra.engine.buffers import Buffers, Call
from recurra.engine.compile import Program
from recurra.engine.engine import Job
from recurra.engine.fold import Fold
from recurra.engine.matmul import add_product, pack_columns
from recurra.engine.plan import Plan

__all__ = ["Swept"]


class Swept(torch.autograd.Function):
    """(program, call, x, *state, *weights) -> (y, *state)."""

    @staticmethod
    def forward(ctx: Any, made: Program, call: Call, x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """Sweep forwards; what the way back needs stays in the buffers."""
        buffers = _swept(made, call, x, rest)
        ctx.save_for_backward(x, *rest)
        ctx.made, ctx.call, ctx.buffers = made, call, buffers if any(ctx.needs_input_grad) else None
        return buffers.outputs(x.shape[1])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        """Sweep backwards. The buffers serve once: a second time, they are made again from the inputs."""
        x, *rest = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of this derivative is wanted, and the fold has all of them
            return None, None, *_by_fold(ctx.call, [x, *rest], cotangents, ctx.needs_input_grad[2:])
        buffers, ctx.buffers = ctx.buffers or _swept(ctx.made, ctx.call, x, rest), None
        _prepare(buffers, _weights(buffers.made.plan, ctx.call, rest), cotangents)
        buffers.run(1)
        dx, by_name = _products(buffers, _weights(buffers.made.plan, ctx.call, rest), x.shape, need_x=ctx.needs_input_grad[2])
        hidden, plan = buffers.hidden, buffers.made.plan
        starts = [buffers.unsorted(buffers.tensors[f"dS{k}"][:, :hidden]) for k in range(len(plan.fields))]
        return None, None, dx, *starts, *(by_name[name] for name in ctx.call.names)


def _weights(plan: Plan, call: Call, rest: Sequence[Tensor]) -> dict[str, Tensor]:
    return dict(zip(call.names, rest[len(plan.fields) :], strict=True))


def _swept(made: Program, call: Call, x: Tensor, rest: Sequence[Tensor]) -> Buffers:
    buffers = Buffers(made, call, x, rest[: len(made.plan.fields)], _weights(made.plan, call, rest))
    buffers.run(0)
    return buffers


def _prepare(buffers: Buffers, weights: Mapping[str, Tensor], cotangents: Sequence[Tensor | None]) -> None:
    """Lay out the gradients that come in, and room for those that go out."""
    made, tensors, units, hidden = buffers.made, buffers.tensors, buffers.units, buffers.hidden
    plan, like = made.plan, buffers.x
    dy, *ends = cotangents
    tensors["dY"] = like.new_zeros(len(like), units) if dy is None else buffers.wider(buffers.rows(dy))
    for k, end in enumerate(ends):
        tensors[f"dS{k}"] = like.new_zeros(buffers.batch, units) if end is None else buffers.wider(buffers.sorted(end))
    for k in range(len(plan.vectors)):
        tensors[f"dV{k}"] = like.new_zeros(buffers.batch, units)
    width = made.layout.backward * made.layout.lanes.width
    for each in plan.maps:
        by_part = weights[f"{each.name}_weight"].reshape(len(each.parts), hidden, hidden)
        wide = pad(by_part, (0, units - hidden, 0, units - hidden)).flatten(0, 1)
        tensors[f"Q.{each.name}"] = wide.view(-1, units // width, width).transpose(0, 1).contiguous()
        if each.reads is None:
            tensors[f"dA.{each.name}"] = like.new_empty(buffers.batch, units)
    tensors["D"] = tensors["G"] if plan.in_place else torch.empty_like(tensors["G"])
    tensors["X"] = tensors["R"] if plan.in_place else torch.empty_like(tensors["R"])


def _products(
    buffers: Buffers, weights: Mapping[str, Tensor], shape: torch.Size, *, need_x: bool
) -> tuple[Tensor | None, dict[str, Tensor]]:
    """The gradients of x and of every weight, from those of the pre-activations."""
    made, tensors, units, hidden, x = buffers.made, buffers.tensors, buffers.units, buffers.hidden, buffers.x
    plan, gates, inputs, grain = made.plan, len(made.plan.gates), shape[2], made.layout.grain
    by_gate, entered = tensors["D"].view(len(x), gates, units), tensors["X"].view(len(x), -1, units)
    wide = buffers.wide(weights["input_weight"], gates)
    dx = x.new_zeros(len(x), -(-inputs // grain) * grain) if need_x else None
    by_input, by_bias, across = x.new_empty(inputs, gates, units), x.new_empty(gates, units), _transposed(x)
    for first, end, apart in _runs(plan):
        part = (entered[:, apart : apart + end - first] if apart >= 0 else by_gate[:, first:end]).flatten(1)
        by_input[:, first:end] = add_product(x.new_zeros(inputs, part.shape[1]), across, part).view(inputs, -1, units)
        by_bias[first:end] = part.sum(0).view(-1, units)
        if dx is not None:
            add_product(dx, part, pack_columns(wide[first * units : end * units], dx.shape[1]))
    found = {
        "input_weight": by_input[:, :, :hidden].permute(1, 2, 0).reshape(-1, inputs),
        "input_bias": by_bias[:, :hidden].flatten(),
    }
    for each in plan.maps:
        part = by_gate[:, each.first : each.first + len(each.parts)].flatten(1)
        source = tensors[f"A.{each.name}"] if each.reads is None else buffers.before(tensors[f"S{each.reads}"])
        by_map = add_product(x.new_zeros(hidden, part.shape[1]), _transposed(source[:, :hidden]), part).view(hidden, -1, units)
        found[f"{each.name}_weight"] = by_map[:, :, :hidden].permute(1, 2, 0).reshape(-1, hidden)
        found[f"{each.name}_bias"] = part.sum(0).view(-1, units)[:, :hidden].flatten()
    for k, vector in enumerate(plan.vectors):
        found[vector] = tensors[f"dV{k}"][:, :hidden].sum(0)
    return None if dx is None else buffers.unrows(dx[:, :inputs], shape[1]), found


def _runs(plan: Plan) -> list[tuple[int, int, int]]:
    """Neighbouring gates whose input gradients lie side by side: first, end, and the place among those apart, or -1."""
    runs: list[tuple[int, int, int]] = []
    for k, gate in enumerate(plan.gates):
        apart = plan.apart.index(gate) if gate in plan.apart else -1
        if runs and (runs[-1][2] >= 0) == (apart >= 0):
            runs[-1] = (runs[-1][0], k + 1, runs[-1][2])
        else:
            runs.append((k, k + 1, apart))
    return runs


def _transposed(rows: Tensor) -> Tensor:
    """(N, K) -> (K, N), at a distance at which rows do not fall on one another in the cache."""
    across = rows.new_empty(rows.shape[1], rows.shape[0] + 16)[:, : rows.shape[0]]
    return across.copy_(rows.t())


def _by_fold(
    call: Call, inputs: Sequence[Tensor], cotangents: Sequence[Tensor | None], needed: Sequence[bool]
) -> list[Tensor | None]:
    x, *rest = inputs
    fields = len(call.cell.State._fields)
    weights = dict(zip(call.names, rest[fields:], strict=True))
    y, state = Fold().run(call.cell, call.wiring, weights, Job(x, call.cell.State(*rest[:fields]), call.lengths))
    outputs = [(out, cotangent) for out, cotangent in zip((y, *state), cotangents, strict=True) if cotangent is not None]
    wanted = [each for each, need in zip(inputs, needed, strict=True) if need]
    given = [cotangent for _, cotangent in outputs]
    grads = iter(torch.autograd.grad([out for out, _ in outputs], wanted, given, create_graph=True, allow_unused=True))
    return [next(grads) if need else None for need in needed]
