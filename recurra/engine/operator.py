"""The sweep as an operator of torch, ``recurra::sweep``, for all that records calls: torch.compile, torch.export, fake tensors.

A recorded call has tensors and text. The text names the cell and the wiring, which are values; a process that runs the call
finds them by it.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from itertools import chain, count
from typing import Any, TypeVar

import torch
from torch import Tensor

from recurra import lengths as ragged
from recurra.cells import Cell
from recurra.engine.autograd import ahead, back, by_fold
from recurra.engine.buffers import Call
from recurra.errors import UsageError
from recurra.wirings import Wiring

__all__ = ["constant", "named", "recording"]

F = TypeVar("F", bound=Callable[..., Any])

_named: dict[str, Any] = {}


def constant(function: F) -> F:
    """Let torch.compile call a function while it compiles; ``torch.compiler.assume_constant_result`` takes long to import."""
    vars(function)["_dynamo_marked_constant"] = True
    return function


@constant
def named(value: Cell | Wiring) -> str:
    """The text that stands for a cell or a wiring: class, fields, and a number if another one had the same text."""
    of = {field.name: getattr(value, field.name) for field in fields(value)}  # type: ignore[arg-type]
    told = {name: {"cell": named(part)} if isinstance(part, Cell) else part for name, part in of.items()}  # no field is a dict
    text = f"{_path(type(value))} {told}"
    texts = chain([text], (f"{text} @ {number}" for number in count(2)))
    return next(text for text in texts if _named.setdefault(text, value) == value)


def _found(text: str) -> Any:
    """The cell or wiring that a text stands for, of the classes that this process has."""
    if text not in _named:
        path, _, told = text.partition(" ")
        try:
            kind = next(kind for kind in _below(Cell, Wiring) if _path(kind) == path)
            of = ast.literal_eval(told)
            _named[text] = kind(**{name: _found(part["cell"]) if isinstance(part, dict) else part for name, part in of.items()})
        except (StopIteration, ValueError, TypeError, SyntaxError):
            raise UsageError(f"recurra::sweep runs {text}, which is not known here; import what defines it first") from None
    return _named[text]


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _below(*kinds: type) -> Iterator[type]:
    for kind in kinds:
        yield from _below(*kind.__subclasses__())
        yield kind


def recording() -> bool:
    """Whether calls are recorded, so that torch must see an operator. Torch's transforms do not know it."""
    recorded = (
        torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0 or torch._C._get_tracing_state() is not None
    )
    return recorded and torch._C._functorch.maybe_current_level() is None and torch.autograd.forward_ad._current_level < 0


@torch.library.custom_op("recurra::sweep", mutates_args=(), device_types="cpu")
def sweep(
    cell: str,
    wiring: str,
    names: str,
    x: Tensor,
    state: Sequence[Tensor],
    weights: Sequence[Tensor],
    lengths: Tensor | None,
    resets: Tensor | None,
    noise: Sequence[Tensor],
    keep: bool,
) -> list[Tensor]:
    """Sweep forwards: y, the fields of the state, and the ticket of :func:`recurra.engine.autograd.ahead`."""
    call = _call(cell, wiring, names, x, lengths, resets, noise)
    outputs, ticket = ahead(call, x, [*state, *weights], keep=keep)
    vars(ticket)["places"] = _places(x, *state, *weights, *noise)
    return [*outputs, ticket]


@sweep.register_fake
def _(*given: Any) -> list[Tensor]:
    cell, wiring, _, x, state, *_ = given
    y = x.new_empty(*x.shape[:2], _found(wiring).width(_found(cell).output))
    return [y, *(part.new_empty(part.shape) for part in state), x.new_empty(0, dtype=torch.uint8)]


@torch.library.custom_op("recurra::sweep_back", mutates_args=(), device_types="cpu")
def sweep_back(
    cell: str,
    wiring: str,
    names: str,
    ticket: Tensor,
    x: Tensor,
    state: Sequence[Tensor],
    weights: Sequence[Tensor],
    lengths: Tensor | None,
    resets: Tensor | None,
    noise: Sequence[Tensor],
    cotangents: Sequence[Tensor | None],
    need_x: bool,
) -> list[Tensor]:
    """Sweep backwards: the gradients of x (empty if not needed), of the state and of the weights."""
    call = _call(cell, wiring, names, x, lengths, resets, noise)
    if vars(ticket).get("places") != _places(x, *state, *weights, *noise):  # whoever recorded may have used their memory anew
        ticket = x.new_empty(0)
    dx, *others = back(call, ticket, x, [*state, *weights], cotangents, need_x=need_x)
    return [x.new_empty(0) if dx is None else dx, *(each for each in others if each is not None)]


@sweep_back.register_fake
def _(*given: Any) -> list[Tensor]:
    *_, x, state, weights, _, _, _, _, need_x = given
    return [x.new_empty(x.shape if need_x else 0), *(each.new_empty(each.shape) for each in (*state, *weights))]


def _call(
    cell: str, wiring: str, names: str, x: Tensor, lengths: Tensor | None, resets: Tensor | None, noise: Sequence[Tensor]
) -> Call:
    """The call that was recorded; its lengths and resets are looked at now, as nobody could before."""
    ragged.check(x, lengths, resets)
    kind = _found(cell)
    return Call(kind, _found(wiring), tuple(names.split()), lengths, resets, dict(zip(kind.noise, noise, strict=True)))


def _places(*tensors: Tensor) -> list[int]:
    return [each.data_ptr() for each in tensors]


def _save(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    cell, wiring, names, x, state, weights, lengths, resets, noise, _ = inputs
    ctx.texts, ctx.counts = (cell, wiring, names), (len(state), len(weights))
    ctx.save_for_backward(output[-1], x, lengths, resets, *state, *weights, *noise)
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, cotangents: list[Tensor | None]) -> tuple[Any, ...]:
    (cell, wiring, names), (fields, weights) = ctx.texts, ctx.counts
    ticket, x, lengths, resets, *more = ctx.saved_tensors
    state, flat, noise = more[:fields], more[fields : fields + weights], more[fields + weights :]
    _, _, _, need_x, need_state, need_weights, *_ = ctx.needs_input_grad
    if torch.is_grad_enabled():
        call = _call(cell, wiring, names, x, lengths, resets, noise)
        dx, *others = by_fold(call, [x, *state, *flat], cotangents[:-1], [need_x, *need_state, *need_weights])
    else:
        dx, *others = sweep_back(cell, wiring, names, ticket, x, state, flat, lengths, resets, noise, cotangents[:-1], need_x)
    return None, None, None, dx if need_x else None, others[:fields], others[fields:], None, None, [None] * len(noise), None


sweep.register_autograd(_differentiate, setup_context=_save)
