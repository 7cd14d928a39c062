"""The sweep as a function of torch's autograd: more than one way back, derivatives of derivatives, numbers that change."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from recurra.cells import GRU, Cell, ResetBeforeGRU
from recurra.layers import Dense, Recurrent
from tests.engine.cells import Zoneout
from tests.engine.twins import TABLE, Run, both, given, gradients, twins, wire
from tests.laws.cases import Mixed
from tests.tolerance import close, equal

pytestmark = pytest.mark.usefixtures("sweep_all")


@pytest.mark.parametrize("cell", [ResetBeforeGRU(), Mixed()], ids=str)
def test_a_second_way_back_is_the_first_again(cell: Cell) -> None:
    layer, _ = twins(cell, Dense(4, 9))
    x = torch.randn(3, 20, 4, requires_grad=True)
    y, _ = layer(x)
    first, second, third = (torch.autograd.grad(y.sum(), [x, *layer.parameters()], retain_graph=True) for _ in range(3))
    equal(first, second)
    equal(first, third)


@pytest.mark.parametrize("cell", [GRU(), Mixed()], ids=str)
def test_two_losses_of_one_run(cell: Cell) -> None:
    def work(layer: Recurrent) -> Any:
        torch.manual_seed(0)
        y, state = layer(torch.randn(3, 20, 4).double())
        y.sum().backward(retain_graph=True)
        (y.square().sum() + state[0].sum()).backward()
        return gradients(layer)

    close(*both(cell, work))


@pytest.mark.parametrize(
    "name", ["gru", "lstm", "reset-before", "layer-norm-lstm", "lstm-projected", "fragile", "constant-state"]
)
def test_gradients_of_gradients(name: str) -> None:
    def work(layer: Recurrent) -> Any:
        """A step of the critic of WGAN-GP (Gulrajani et al. 2017)."""
        torch.manual_seed(0)
        x = torch.randn(3, 6, 4).double().requires_grad_()
        y, state = layer(x, lengths=torch.tensor([6, 2, 4]), resets=torch.rand(3, 6) < 0.2)
        score = y.sum() + sum(part.square().sum() for part in state)
        [slope] = torch.autograd.grad(score, x, create_graph=True)
        (score + 10 * (slope.flatten(1).norm(dim=1) - 1).square().sum()).backward()
        return x.grad, *gradients(layer)

    close(*both(TABLE[name], work))


@pytest.mark.parametrize(
    ("name", "wiring"), [("gru", "heads"), ("peephole", "diagonal"), ("norm-gru", "dense"), ("lstm", "dense")]
)
def test_numbers_agree_with_differences(name: str, wiring: str) -> None:
    layer, _ = twins(TABLE[name], wire(wiring, TABLE[name], 2, 3), torch.float64)
    x, start, _ = given(layer, Run(2, 3, 2))
    lengths, resets = torch.tensor([3, 2]), torch.tensor([[False, False, True], [False, True, True]])
    fields, names = len(start), [name for name, _ in layer.named_parameters()]

    def outputs(*leaves: Tensor) -> tuple[Tensor, ...]:
        weights = dict(zip(names, leaves[1 + fields :], strict=True))
        state = layer.cell.State(*leaves[1 : 1 + fields])
        y, end = functional_call(layer, weights, (leaves[0], state, lengths, resets))
        return y, *end

    leaves = [leaf.detach().requires_grad_() for leaf in (x, *start, *layer.parameters())]
    assert torch.autograd.gradcheck(outputs, leaves)
    assert torch.autograd.gradgradcheck(outputs, leaves, fast_mode=True)


@pytest.mark.parametrize("spoilt", ["x", "recur_weight"])
def test_what_changed_in_between_is_an_error(spoilt: str) -> None:
    layer, _ = twins(GRU(), Dense(4, 8))
    x = torch.randn(3, 20, 4)
    y, _ = layer(x)
    with torch.no_grad():
        (x if spoilt == "x" else layer.get_parameter(spoilt)).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_outputs_may_be_changed() -> None:
    def work(layer: Recurrent) -> Any:
        torch.manual_seed(0)
        y, state = layer(torch.randn(3, 20, 4).double())
        y.mul_(2)
        (y.sum() + state.h.add_(1).square().sum()).backward()
        return gradients(layer)

    close(*both(ResetBeforeGRU(), work))


def test_noise_is_not_differentiated_by_the_sweep_but_it_is() -> None:
    def work(layer: Recurrent) -> Any:
        torch.manual_seed(0)
        noise = {name: torch.rand(3, 20, 8).double().requires_grad_() for name in ("keep_h", "keep_c")}
        layer(torch.randn(3, 20, 4).double(), noise=noise)[0].sum().backward()
        return tuple(mask.grad for mask in noise.values())

    close(*both(Zoneout(), work))


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # of torch, where it takes batched gradients apart
def test_many_gradients_at_once() -> None:
    def work(layer: Recurrent) -> Any:
        x = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
        y, _ = layer(x)
        units = torch.eye(y.numel()).double().view(y.numel(), *y.shape)
        return torch.autograd.grad(y, [x, *layer.parameters()], units, is_grads_batched=True)

    close(*both(Mixed(), work))
