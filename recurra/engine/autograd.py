"""The compiled sweep as a differentiable function of torch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recurra.engine.buffers import Buffers, Call
from recurra.engine.compile import Program
from recurra.engine.engine import Job
from recurra.engine.fold import Fold

__all__ = ["Swept", "ahead", "back", "by_fold"]


class Swept(torch.autograd.Function):
    """(program, call, x, *state, *weights) -> (y, *state)."""

    @staticmethod
    def forward(ctx: Any, made: Program, call: Call, x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """Sweep forwards; what the way back needs is held by the ticket."""
        keep = any(ctx.needs_input_grad)
        outputs, ticket = ahead(made, call, x, rest, keep=keep)
        if keep:
            ctx.save_for_backward(ticket, x, *rest, *call.noise.values())
            lengths, resets = (None if part is None else part.clone() for part in (call.lengths, call.resets))
            ctx.made, ctx.call = made, call._replace(lengths=lengths, resets=resets, noise=dict.fromkeys(call.noise))
        return outputs

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        """Sweep backwards."""
        end = -len(ctx.call.noise) or None
        ticket, x, *rest = ctx.saved_tensors[:end]
        call = ctx.call._replace(noise=dict(zip(ctx.call.noise, ctx.saved_tensors[end:] if end else (), strict=True)))
        if torch.is_grad_enabled():  # a derivative of this derivative is wanted, and the fold has all of them
            return None, None, *by_fold(call, [x, *rest], cotangents, ctx.needs_input_grad[2:])
        return None, None, *back(ctx.made, call, ticket, x, rest, cotangents, need_x=ctx.needs_input_grad[2])
