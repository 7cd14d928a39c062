"""The compiled sweep as a differentiable function of torch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recurra.engine.buffers import Buffers, Call
from recurra.engine.engine import Job
from recurra.engine.fold import Fold

__all__ = ["Swept", "ahead", "back", "by_fold", "gradients", "graph_wanted"]

SAVED = torch.empty(0)  # in the place of a mask that torch saves


class Swept(torch.autograd.Function):
    """(call, x, *state, *weights) -> (y, *state)."""

    @staticmethod
    def forward(ctx: Any, call: Call, x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """Sweep forwards; what the way back needs is all saved with torch, which may drop or move it."""
        outputs, ticket = ahead(call, x, rest, keep=True)
        ctx.save_for_backward(ticket, x, *call.noise.values(), *rest)
        ctx.call = call if call.lengths is call.resets is None and not call.noise else _owned(call)
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        """Sweep backwards, or through the fold where a derivative of this derivative is wanted, or many at once."""
        call, needed = ctx.call, ctx.needs_input_grad[1:]
        ticket, x, *rest = ctx.saved_tensors
        if call.noise:
            masks, rest = rest[: len(call.noise)], rest[len(call.noise) :]
            call = call._replace(noise=dict(zip(call.noise, masks, strict=True)))
        if graph_wanted(cotangents):
            return None, *by_fold(call, [x, *rest], cotangents, needed)
        return None, *back(call, ticket, x, rest, cotangents, need_x=needed[0])


def _owned(call: Call) -> Call:
    """The call without tensors that others may change or that torch saves."""
    lengths, resets = (None if part is None else part.clone() for part in (call.lengths, call.resets))
    return call._replace(lengths=lengths, resets=resets, noise=dict.fromkeys(call.noise, SAVED))


def ahead(call: Call, x: Tensor, rest: Sequence[Tensor], *, keep: bool) -> tuple[Sequence[Tensor], Tensor]:
    """The outputs, and a ticket: an empty tensor that carries the buffers for as long as torch holds it."""
    fields, ticket = len(call.cell.State._fields), x.new_empty(0, dtype=torch.uint8)
    if not x.shape[0] or (call.lengths is not None and not call.lengths.any()):  # no step at all
        width = call.wiring.width(call.cell.output)
        return (x.new_zeros(*x.shape[:2], width), *(part.clone() for part in rest[:fields])), ticket
    buffers = Buffers(call, x, rest[:fields], dict(zip(call.names, rest[fields:], strict=True)), keep=keep)
    outputs = buffers.ahead()
    if keep:
        vars(ticket)["buffers"] = buffers
    return outputs, ticket


def back(
    call: Call, ticket: Tensor, x: Tensor, rest: Sequence[Tensor], cotangents: Sequence[Tensor | None], *, need_x: bool
) -> list[Tensor | None]:
    """The gradients of x, state and weights. A ticket's buffers serve once; after that they are made again from the inputs."""
    buffers = _taken(ticket) or _taken(ahead(call, x, rest, keep=True)[1])
    if buffers is None:  # no step at all: the state goes through as it is
        ends = zip(cotangents[1:], rest, strict=False)
        kept = [torch.zeros_like(start) if end is None else end.clone() for end, start in ends]
        return [torch.zeros_like(x), *kept, *(torch.zeros_like(weight) for weight in rest[len(kept) :])]
    dx, first, by_name = buffers.back(cotangents, need_x=need_x)
    return [dx, *first, *(by_name[name] for name in call.names)]


def _taken(ticket: Tensor) -> Buffers | None:
    buffers: Buffers | None = vars(ticket).pop("buffers", None)
    return buffers


def by_fold(
    call: Call, inputs: Sequence[Tensor], cotangents: Sequence[Tensor | None], needed: Sequence[bool]
) -> list[Tensor | None]:
    """The gradients of x, state and weights, such that they have derivatives of their own."""
    x, *rest = inputs
    fields = len(call.cell.State._fields)
    weights = dict(zip(call.names, rest[fields:], strict=True))
    job = Job(x, call.cell.State(*rest[:fields]), call.lengths, call.resets, call.noise)
    with torch.enable_grad(), torch.autocast("cpu", enabled=False):
        y, state = Fold().run(call.cell, call.wiring, weights, job)
        return gradients((y, *state), cotangents, inputs, needed, again=True)


def graph_wanted(cotangents: Sequence[Tensor | None]) -> bool:
    """Whether a way back must itself be recorded: for its own derivative, or for many gradients at once."""
    many = any(each is not None and torch._C._functorch.is_legacy_batchedtensor(each) for each in cotangents)
    return many or torch.is_grad_enabled()


def gradients(
    outputs: Sequence[Tensor],
    cotangents: Sequence[Tensor | None],
    inputs: Sequence[Tensor],
    needed: Sequence[bool],
    *,
    again: bool = False,
) -> list[Tensor | None]:
    """The gradients of those inputs that need one; with `again` they have derivatives of their own."""
    both = [(out, given) for out, given in zip(outputs, cotangents, strict=True) if given is not None and out.requires_grad]
    wanted = [each for each, need in zip(inputs, needed, strict=True) if need]
    if not both or not wanted:
        return [None] * len(needed)
    ends, given = zip(*both, strict=True)
    found = iter(torch.autograd.grad(ends, wanted, given, create_graph=again, allow_unused=True))
    return [next(found) if need else None for need in needed]
