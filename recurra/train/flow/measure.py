"""Measuring a recurrent model at work, on the batches and by the update that train it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from recurra import state as states
from recurra.layers import Bidirectional, Recurrent, Stack
from recurra.models import EncoderDecoder
from recurra.train.flow.spectrum import jacobian_spectra, map_radii
from recurra.train.flow.values import Flow, LayerFlow, Travel
from recurra.train.flow.watch import Call, Watch, recurrent, watched
from recurra.train.training import Batches, Loss

__all__ = ["gradient_flow", "measure"]

WARM, MEASURED = 2, 4
SPREAD = (0.1, 0.9)


def gradient_flow(model: nn.Module, x: Any, loss: Callable[[Any], Tensor]) -> Flow:
    r"""What gradients, gates and units of a recurrent model do, for people with a loop of their own.

    .. math:: \lVert dL_T / ds_{T - k} \rVert_2, \quad k = 0, 1, \dots

    :math:`L_T` is what the outputs of the last step alone add to the loss, the state at the end included; in a layer that reads
    backwards it is what its own last step adds.

    Args:
        model: a layer, a stack, or a network with such inside; it runs in evaluation mode, and is left as it was.
        x: what it takes.
        loss: makes a number of what it gives.

    The layers run as a Python loop, and keep as much for the way back as one keeps.

    Example:
        >>> import recurra
        >>> _ = torch.manual_seed(0)
        >>> y = torch.randn(8, 30, 5)
        >>> [layer] = gradient_flow(recurra.Elman(3, 5), torch.randn(8, 30, 3), lambda out: (out[0] - y).square().mean()).layers
        >>> layer.travel.factor < 0.9, len(layer.travel.mean)
        (True, 30)
    """
    return measure(model, lambda batch, _: Loss(loss(model(batch)), 1), [x], warm=0, count=1)


def measure(
    model: nn.Module,
    update: Callable[[Any, Any], Loss],
    batches: Batches,
    carry: Any = (),
    *,
    warm: int = WARM,
    count: int = MEASURED,
    spectra: bool = True,
) -> Flow:
    """The same of a model in training.

    Args:
        model, update, batches, carry: as :class:`~recurra.train.Training` takes them.
        warm: batches that are only read, for the state that they carry.
        count: batches that are measured, one after the other.
        spectra: whether to look for spectral radii too.
    """
    layers, training = recurrent(model), model.training
    names = _names(model)
    back = {path for path in layers if _backwards(model, path)}
    norms: dict[str, list[Tensor]] = {path: [] for path in layers}
    calls: dict[str, Call] = {}
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    model.eval()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(0)
            with torch.no_grad():
                for k in range(warm):
                    carry = states.detach(update(batches[k], carry).carry)
            with torch.enable_grad(), watched(layers) as watches:
                for k in range(warm, warm + count):
                    after = carry
                    for group in filter(None, (set(layers) - back, back)):
                        with _only_last(model, first=group is back):
                            loss = update(batches[k], carry)
                        after = states.detach(loss.carry)
                        seen = {path: call for path, watch in watches.items() if (call := watch.taken()) and path in group}
                        for path, rows in _norms(loss.mean, seen).items():
                            norms[path].append(rows)
                            calls[path] = seen[path].cut()
                    carry = after
            found = tuple(
                _layer(path, names[path], layers[path], watches[path], calls[path], _travel(norms[path]), spectra=spectra)
                for path in calls
            )
    finally:
        model.train(training)
    unseen = "no step of it ran that could be watched, so there are no figures of it"
    missing = [f"{names[path]}: {unseen}" for path in layers if path not in calls]
    own = [path for path in names if path not in layers]
    if own:
        kinds = ", ".join(f"{names[path]} ({type(model.get_submodule(path)).__name__})" for path in own)
        missing.append(f"{kinds}: not made of a cell that is stepped, so there are no figures of gradients, gates and units")
    if not names:
        missing.append("the model has no recurrent layers, so there are no figures of gradients, gates and units")
    return Flow(found, tuple(missing))


def _layer(path: str, name: str, layer: Recurrent, watch: Watch, call: Call, travel: Travel, *, spectra: bool) -> LayerFlow:
    cell, wiring = layer.cell, layer.wiring
    radii, eigenvalues = jacobian_spectra(cell, wiring, call) if spectra else ((), ())
    return LayerFlow(
        name=name,
        path=path,
        cell=str(cell),
        hidden=wiring.units,
        steps=len(call.states),
        travel=travel,
        bends=watch.bends,
        units=watch.units,
        retention={name.removeprefix("norm_"): sign for name, sign in cell.retention.items()},  # a norm's bias is a gate's
        maps=map_radii(cell, wiring, call.weights) if spectra else {},
        jacobian=radii,
        eigenvalues=eigenvalues,
    )


def _norms(loss: Tensor, calls: Mapping[str, Call]) -> dict[str, Tensor]:
    """(B, T): the norm of the gradient of each row's state, k steps before the row's end; NaN before its beginning."""
    wanted = [field for call in calls.values() for state in call.states for field in state]
    if not wanted:
        return {}
    grads = iter(torch.autograd.grad(loss, wanted, allow_unused=True))
    found = {}
    for path, call in calls.items():
        rows = [torch.stack([_row_norms(next(grads), field) for field in state]).norm(dim=0) for state in call.states]
        found[path] = _from_the_end(torch.stack(rows, dim=1), call)
    return found


def _row_norms(grad: Tensor | None, field: Tensor) -> Tensor:
    return field.new_zeros(len(field)) if grad is None else grad.flatten(1).norm(dim=1)


def _from_the_end(norms: Tensor, call: Call) -> Tensor:
    """(B, T) by time -> (B, T) by steps before each row's end."""
    steps = norms.shape[1]
    lengths = call.job.lengths
    ends = torch.full((len(norms), 1), steps, device=norms.device) if lengths is None else lengths.to(norms.device)[:, None]
    places = ends - 1 - torch.arange(steps, device=norms.device)
    return norms.gather(1, places.clamp(min=0)).masked_fill(places < 0, torch.nan).double().cpu()


def _travel(norms: list[Tensor]) -> Travel:
    """Mean and spread over the rows of all batches."""
    width = max(part.shape[1] for part in norms)
    padded = [nn.functional.pad(part, (0, width - part.shape[1]), value=torch.nan) for part in norms]
    rows = torch.cat(padded)
    rows = rows[:, ~rows.isnan().all(0)]
    low, high = (rows.nanquantile(share, dim=0).tolist() for share in SPREAD)
    return Travel(tuple(rows.nanmean(0).tolist()), tuple(low), tuple(high))


@contextmanager
def _only_last(model: nn.Module, *, first: bool) -> Iterator[None]:
    """Let the loss hear of a model's outermost cores only their last output, or their first one."""

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        y, after = output
        lengths = kwargs.get("lengths", args[2] if len(args) > 2 else None)
        ends = torch.full((len(y),), y.shape[1], device=y.device) if lengths is None else lengths.to(y.device)
        heard = torch.arange(y.shape[1], device=y.device) == (torch.zeros_like(ends) if first else ends - 1)[:, None]
        return torch.where(heard.view(*heard.shape, *[1] * (y.dim() - 2)), y, y.detach()), after

    outer, handles = list[str](), []
    for path, module in model.named_modules():
        inside = any(not above or path.startswith(f"{above}.") for above in outer)
        if hasattr(module, "sequence") and not inside:
            outer.append(path)
            handles.append(module.register_forward_hook(hook, with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _names(model: nn.Module) -> dict[str, str]:
    """What to call each recurrent layer, and each core of another kind in a stack, by path: by its number in its part."""
    stacked = {
        f"{path}.layers.{k}".lstrip("."): layer for path, stack in _of(model, Stack) for k, layer in enumerate(stack.layers)
    }
    own = [path for path, layer in stacked.items() if not _holds(layer, Recurrent)]
    paths = [path for path, module in model.named_modules() if isinstance(module, Recurrent) or path in own]
    both = {path for path, _ in _of(model, Bidirectional)}
    places, above = dict[str, tuple[str, str]](), dict[str, None]()
    for path in paths:
        place, side = path, ""
        for each in both:
            for word in ("forwards", "backwards"):
                inside = f"{each}.{word}".lstrip(".")
                if path == inside or path.startswith(f"{inside}."):
                    place, side = f"{each}{path.removeprefix(inside)}", f" {word}"
        places[path] = place, side
        above[place] = None
    counts, called = Counter[str](), dict[str, str]()
    for place in above:
        part = place.partition(".")[0] if isinstance(model, EncoderDecoder) else "layer"
        counts[part] += 1
        called[place] = f"{part} {counts[part]}"
    return {path: f"{called[place]}{side}" for path, (place, side) in places.items()}


def _backwards(model: nn.Module, path: str) -> bool:
    return any(f"{path}.".startswith(f"{each}.backwards.".lstrip(".")) for each, _ in _of(model, Bidirectional))


def _of(model: nn.Module, kind: Any) -> Iterator[tuple[str, Any]]:
    return ((path, module) for path, module in model.named_modules() if isinstance(module, kind))


def _holds(module: nn.Module, kind: type[nn.Module]) -> bool:
    return any(isinstance(part, kind) for part in module.modules())
