from itertools import combinations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recurra import state as states
from recurra.errors import ShapeError, UsageError
from recurra.layers import Chain, StridedConvolution, convolutions
from tests.tolerance import close, equal

T = 7


def seeded(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def made(kernel: int = 3, stride: int = 2) -> StridedConvolution:
    torch.manual_seed(0)
    return StridedConvolution(3, 4, kernel=kernel, stride=stride).double().eval()


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (2, 3), (4, 3)])
def test_frames_are_those_of_the_equation(kernel: int, stride: int) -> None:
    layer, x = made(kernel, stride), seeded(2, T, 3)
    weight, bias = layer.convolution.weight, layer.convolution.bias
    assert bias is not None
    y, _ = layer(x)
    assert y.shape[1] == -(-T // stride)
    for j in range(y.shape[1]):
        seen = [(i, j * stride - (kernel - 1 - i)) for i in range(kernel)]
        inside = bias + sum((x[:, t] @ weight[:, :, i].T for i, t in seen if t >= 0), torch.zeros(()))
        close(y[:, j], F.relu(F.layer_norm(inside, (4,))))


def test_every_split_gives_the_frames_of_the_whole() -> None:
    front = Chain(made(3, 2), StridedConvolution(4, 5, kernel=2, stride=2).double()).eval()
    x = seeded(2, T, 3)
    whole, end = front(x)
    for count in (1, 2, T - 1):
        for cuts in combinations(range(1, T), count):
            state, parts = front.initial(2), list[Tensor]()
            for a, b in zip((0, *cuts), (*cuts, T), strict=True):
                told = front.frames(torch.tensor([b - a] * 2), state)
                y, state = front(x[:, a:b], state)
                assert told.tolist() == [y.shape[1]] * 2
                parts.append(y)
            close(torch.cat(parts, dim=1), whole)
            close(state, end)


def test_rows_of_unequal_length_are_as_if_alone() -> None:
    front, x, lengths = made(), seeded(4, T, 3), torch.tensor([7, 4, 1, 0])
    y, state = front(x, lengths=lengths)
    frames = front.frames(lengths).tolist()
    assert frames == [4, 2, 1, 0]
    more, later = front(x, state)  # rows stand at different places between two frames
    for row, (steps, count) in enumerate(zip(lengths.tolist(), frames, strict=True)):
        one = x[row : row + 1]
        alone = torch.cat([one[:, :steps], one], dim=1)
        close(
            torch.cat([y[row, :count], more[row]])[: count + front.frames(torch.tensor([T] * 4), state)[row]],
            front(alone)[0][0],
        )
        assert not y[row, count:].any()
        close(states.take(later, torch.tensor([row])), front(alone)[1])


def test_training_drops_and_gradients_flow() -> None:
    front = convolutions(3, (4, 4), kernel=3, strides=(1, 2), dropout=0.5)
    y, _ = front(seeded(2, T, 3).float(), lengths=torch.tensor([7, 5]))
    y.sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in front.parameters())
    equal(front.frames(torch.tensor([7, 5])), torch.tensor([4, 3]))


def test_what_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"x is \(2, 7\); wanted \(B, T > 0, 3\)"):
        made()(seeded(2, 7))
    with pytest.raises(ShapeError, match="state is"):
        made()(seeded(2, 7, 3), made(4).initial(2))
    with pytest.raises(ShapeError, match="a tuple of 1"):
        Chain(made())(seeded(2, 7, 3), made().initial(2))
    with pytest.raises(UsageError, match="stride is 0"):
        StridedConvolution(3, 4, kernel=3, stride=0)
    with pytest.raises(UsageError, match="2 sizes and 1 strides"):
        convolutions(3, (4, 4), kernel=3, strides=(1,))
    with pytest.raises(UsageError, match="no fronts"):
        Chain()
