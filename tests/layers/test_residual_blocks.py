import pytest
import torch
from torch import Tensor

from recurra.errors import ShapeError, UsageError
from recurra.layers import Columns, ImageNorm, ResidualBlock, ResNet
from tests.tolerance import close

WIDTHS = torch.tensor([13, 8, 1, 0])


def seeded(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def net() -> ResNet:
    torch.manual_seed(0)
    made = ResNet(2, (4, 6), strides=((2, 2), (2, 1)), blocks=2, dropout=0.3).double()
    made(seeded(3, 2, 7, 13), torch.tensor([13, 9, 4]))  # norms learn their moments
    return made.eval()


def test_images_of_a_batch_do_not_see_each_other_nor_what_is_behind_them() -> None:
    model, x = net(), seeded(4, 2, 7, 13)
    maps, widths = model(x, WIDTHS)
    assert widths is not None
    assert widths.tolist() == model.widths(WIDTHS).tolist() == [7, 4, 1, 0]
    assert maps.shape[2] == model.heights(7) == 2
    vectors = model.vectors(x, WIDTHS)
    for row, width in enumerate(WIDTHS.tolist()[:3]):
        alone = x[row : row + 1, :, :, :width]
        close(maps[row, :, :, : widths[row]], model(alone)[0][0])
        assert not maps[row, :, :, widths[row] :].any()
        close(vectors[row], model.vectors(alone)[0])
    assert not vectors[3].any()


def test_the_moments_are_those_of_the_places_inside() -> None:
    torch.manual_seed(0)
    norm, x, widths = ImageNorm(3).double(), 2 + 3 * seeded(3, 3, 5, 9), torch.tensor([9, 4, 2])
    whole = torch.cat([x[row, :, :, :width].flatten(1) for row, width in enumerate(widths.tolist())], dim=1)
    torch.nn.init.normal_(norm.gain)
    y = norm(x, widths)
    wanted = (whole - whole.mean(1, keepdim=True)) / (whole.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    close(y[0].flatten(1), (norm.gain[:, None] * wanted + norm.shift[:, None])[:, : 5 * 9])
    close(norm.mean, 0.1 * whole.mean(1))
    close(norm.var, 0.9 + 0.1 * whole.var(1))
    assert not y[1, :, :, 4:].any()
    full, other = torch.full((3,), 9), ImageNorm(3).double()
    close(ImageNorm(3).double()(x, full), other(x))


def test_a_block_is_its_equation() -> None:
    torch.manual_seed(0)
    block, x = ResidualBlock(4, 4).double().eval(), seeded(2, 4, 5, 6)
    scale = (1 + 1e-5) ** -0.5
    inside = torch.relu(scale * torch.nn.functional.conv2d(x, block.first.weight, padding=1))
    close(block(x)[0], torch.relu(scale * torch.nn.functional.conv2d(inside, block.second.weight, padding=1) + x))


def test_columns_are_the_maps_from_left_to_right() -> None:
    model, x = net(), seeded(2, 2, 7, 13)
    front = Columns(model, 7)
    columns = x.permute(0, 3, 1, 2).flatten(2)
    y, _ = front(columns, lengths=WIDTHS[:2])
    maps, _ = model(x, WIDTHS[:2])
    assert y.shape[2] == front.size == 12
    close(y[1, 2], maps[1, :, :, 2].flatten())


def test_gradients_reach_everything() -> None:
    front = Columns(ResNet(1, (3, 4), strides=((2, 2), (1, 1)), dropout=0.1), 6)
    y, _ = front(seeded(3, 9, 6).float(), lengths=torch.tensor([9, 5, 2]))
    y.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in front.parameters())


def test_what_is_refused() -> None:
    front = Columns(net(), 7)
    with pytest.raises(ShapeError, match=r"wanted \(B, T > 0, 14\)"):
        front(seeded(2, 9, 7))
    with pytest.raises(ShapeError, match=r"wanted \(B, 2, Y > 0, X > 0\)"):
        net()(seeded(2, 1, 7, 9))
    with pytest.raises(UsageError, match="whole images"):
        front.initial(1)
    with pytest.raises(UsageError, match="1 sizes, 2 strides"):
        ResNet(1, (4,), strides=((1, 1), (1, 1)))
