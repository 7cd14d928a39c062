import torch

from recurra.losses import activation_penalty, slowness_penalty
from tests.tolerance import close

Y = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([5, 2, 0])


def test_of_whole_rows_they_are_means_of_squares() -> None:
    close(activation_penalty(Y), Y.square().mean())
    close(slowness_penalty(Y), (Y[:, 1:] - Y[:, :-1]).square().mean())


def test_of_ragged_rows_only_steps_there_are_count() -> None:
    padded = Y.clone()
    padded[1, 2:], padded[2] = 1e9, torch.nan
    close(activation_penalty(padded, LENGTHS), torch.cat([Y[0], Y[1, :2]]).square().mean())
    close(slowness_penalty(padded, LENGTHS), torch.cat([Y[0].diff(dim=0), Y[1, :2].diff(dim=0)]).square().mean())


def test_a_jump_at_a_reset_is_none() -> None:
    resets = torch.zeros(3, 5, dtype=torch.bool)
    resets[0, 2] = resets[1, 0] = resets[2, 4] = True
    changes = Y.diff(dim=1)
    counted = torch.ones(3, 4, dtype=torch.bool)
    counted[0, 1] = counted[2, 3] = False
    close(slowness_penalty(Y, resets=resets), changes[counted].square().mean())
    close(slowness_penalty(Y, LENGTHS, resets), torch.cat([changes[0, [0, 2, 3]], changes[1, :1]]).square().mean())


def test_of_nothing_they_are_nothing_and_have_a_gradient() -> None:
    y = Y.clone().requires_grad_()
    none = torch.zeros(3, dtype=torch.long)
    total = activation_penalty(y, none) + slowness_penalty(y, none) + slowness_penalty(y[:, :1]) + activation_penalty(y[:0])
    total.backward()  # type: ignore[no-untyped-call]
    assert total == 0
    assert y.grad is not None
    assert not y.grad.any()


def test_images_have_means_too() -> None:
    images = Y[..., None, None].expand(3, 5, 4, 2, 2)
    close(activation_penalty(images, LENGTHS), activation_penalty(Y, LENGTHS))
    close(slowness_penalty(images, LENGTHS), slowness_penalty(Y, LENGTHS))
