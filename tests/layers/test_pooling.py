import pytest
import torch
from torch import Tensor

from recurra.errors import ShapeError, UsageError
from recurra.layers import AttentionPooling, LastPooling, MaxPooling, MeanPooling, Pooling
from tests.tolerance import close

LENGTHS = torch.tensor([7, 1, 4])


def made() -> list[Pooling]:
    torch.manual_seed(0)
    return [LastPooling(5), MeanPooling(5), MaxPooling(5), AttentionPooling(5)]


def alone(pooling: Pooling, row: Tensor) -> Tensor:
    """What it means, of one row (T, H) without padding."""
    if isinstance(pooling, LastPooling):
        return row[-1]
    if isinstance(pooling, MeanPooling):
        return row.mean(0)
    if isinstance(pooling, MaxPooling):
        return row.amax(0)
    assert isinstance(pooling, AttentionPooling)
    energies = torch.tanh(row @ pooling.key.weight.T + pooling.key.bias) @ pooling.energy.weight[0]
    return energies.softmax(0) @ row


@pytest.mark.parametrize("pooling", made(), ids=lambda each: type(each).__name__)
class TestEach:
    def test_it_is_what_it_means_and_padding_has_no_part_in_it(self, pooling: Pooling) -> None:
        y = (torch.randn(3, 7, 5) - 5).requires_grad_()  # below zero, which padding would be above
        pooled, _ = pooling(y, lengths=LENGTHS)
        for row, length, found in zip(y, LENGTHS.tolist(), pooled, strict=True):
            close(found, alone(pooling, row[:length]))
        pooled.square().sum().backward()
        assert y.grad is not None
        assert not y.grad[1, 1:].any()
        assert not y.grad[2, 4:].any()
        other = y.detach().clone()
        other[2, 4:] = 1e4
        assert torch.equal(pooling(other, lengths=LENGTHS)[0], pooled)

    @pytest.mark.parametrize("cut", [1, 4])
    def test_chunks_come_to_the_same_as_the_whole(self, pooling: Pooling, cut: int) -> None:
        y = torch.randn(3, 7, 5)
        whole, end = pooling(y, lengths=LENGTHS)
        _, state = pooling(y[:, :cut], lengths=LENGTHS.clamp(max=cut))
        parts, after = pooling(y[:, cut:], state, (LENGTHS - cut).clamp(min=0))
        close(parts, whole)
        close(after, end)

    def test_what_does_not_fit(self, pooling: Pooling) -> None:
        with pytest.raises(ShapeError, match=r"y is \(2, 3, 4\); wanted \(B, T > 0, 5\)"):
            pooling(torch.zeros(2, 3, 4))


def test_what_was_read_backwards_ends_at_the_first_step() -> None:
    y = torch.randn(3, 7, 5)
    pooled, _ = LastPooling(5, backwards=2)(y, lengths=LENGTHS)
    for row, length, found in zip(y, LENGTHS.tolist(), pooled, strict=True):
        assert torch.equal(found, torch.cat([row[length - 1, :3], row[0, 3:]]))
    with pytest.raises(UsageError, match="backwards is 6; wanted 0 to 5"):
        LastPooling(5, backwards=6)


def test_weights_are_exactly_zero_behind_a_row() -> None:
    pooling, y = AttentionPooling(5), torch.randn(3, 7, 5)
    weights = pooling.weights(y, LENGTHS)
    close(weights.sum(1), torch.ones(3))
    assert not weights[1, 1:].any()


def test_energies_far_apart_do_not_overflow() -> None:
    pooling = AttentionPooling(1)
    torch.nn.init.constant_(pooling.energy.weight, 500.0)
    torch.nn.init.constant_(pooling.key.weight, 1.0)
    y = torch.tensor([[[-9.0], [9.0], [-9.0]]])
    pooled, state = pooling(y[:, :1])
    for t in (1, 2):
        pooled, state = pooling(y[:, t : t + 1], state)
    close(pooled, torch.tensor([[9.0]]))
