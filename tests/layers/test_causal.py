from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recurra.errors import ShapeError, UsageError
from recurra.layers import GRU, CausalConvolution
from recurra.layers.causal import DelayLine
from tests.tolerance import close, equal

X = torch.randn(4, 9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (2, 1), (4, 1), (3, 2), (2, 12)])
def test_it_is_a_convolution_of_what_was(kernel: int, dilation: int) -> None:
    torch.manual_seed(0)
    layer = CausalConvolution(3, 5, kernel, dilation=dilation).double()
    torch.nn.init.normal_(layer.bias)
    kernels = layer.weight.view(5, kernel, 3).transpose(1, 2)
    padded = F.pad(X.transpose(1, 2), ((kernel - 1) * dilation, 0))
    y, state = layer(X)
    close(y, F.conv1d(padded, kernels, layer.bias, dilation=dilation).transpose(1, 2))
    assert state.past.shape == (4, (kernel - 1) * dilation, 3)


def test_the_state_is_the_last_inputs_of_each_row() -> None:
    layer, past = CausalConvolution(3, 5, 4).double(), torch.randn(4, 3, 3, dtype=torch.float64)
    _, state = layer(X, layer.State(past), torch.tensor([9, 2, 0, 3]))
    equal(state.past, torch.stack([X[0, 6:], torch.cat([past[1, 2:], X[1, :2]]), past[2], X[3, :3]]))


def test_zeros_stand_before_a_reset() -> None:
    line, resets = DelayLine(1, 3), torch.tensor([[False, False, True, False, False]])
    x = torch.arange(1.0, 6.0).view(1, 5, 1)
    seen, past = line(x, torch.tensor([[[8.0], [9.0]]]), None, resets)
    equal(seen[0], torch.tensor([[8.0, 9, 1], [9, 1, 2], [0, 0, 3], [0, 3, 4], [3, 4, 5]]))
    equal(past[0, :, 0], torch.tensor([4.0, 5.0]))
    early = line.states(x, torch.tensor([[[8.0], [9.0]]]), torch.tensor([3]), resets)
    equal(early[0, :, :, 0], torch.tensor([[9.0, 1], [1, 2], [0, 3], [0, 3], [0, 3]]))


def test_what_lies_behind_the_end_spoils_no_gradient() -> None:
    layer, x = CausalConvolution(3, 5, 2).double(), X.clone()
    x[1, 4:] = torch.nan
    layer(x, lengths=torch.tensor([9, 4, 9, 9]))[0].sum().backward()
    assert all(bool(weight.grad.isfinite().all()) for weight in layer.parameters() if weight.grad is not None)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: CausalConvolution(3, 0, 2), "output_size is 0; wanted at least 1"),
        (lambda: CausalConvolution(3, 5, 0), "taps is 0; wanted at least 1"),
        (lambda: CausalConvolution(3, 5, 2, dilation=0), "dilation is 0; wanted at least 1"),
        (lambda: CausalConvolution(4, 5, 2).double()(X), "x is (4, 9, 3); wanted (B, T > 0, 4)"),
        (lambda: _with(torch.zeros(4, 2, 3)), "state is CausalConvolution.State(past (4, 2, 3)); wanted"),
        (lambda: _with(GRU(3, 5).initial(4)), "state is tuple; wanted CausalConvolution.State(past (4, 1, 3))"),
    ],
)
def test_refusals(call: Any, says: str) -> None:
    with pytest.raises((UsageError, ShapeError)) as caught:
        call()
    assert str(caught.value).startswith(says)


def _with(past: Any) -> Any:
    layer = CausalConvolution(3, 5, 2)
    return layer(X.float(), layer.State(past) if isinstance(past, Tensor) else past)
