"""Residual networks of images, whose widths may differ within a batch."""

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.errors import ShapeError, UsageError

__all__ = ["Columns", "ImageNorm", "ResNet", "ResidualBlock", "columns"]

MOMENTUM, EPSILON = 0.1, 1e-5


@final
class ImageNorm(nn.Module):
    r"""Batch normalisation of images that counts no place behind an image's right edge.

    .. math:: y = \gamma \odot \frac{x - \mu}{\sqrt{\sigma^2 + 10^{-5}}} + \beta

    Args:
        channels: C.

    Shapes: x and y (B, C, Y, X), zero behind the `widths` (B,). In training the moments are those of all places of all images
    of a batch; running ones (``mean`` and ``var``, a tenth of the way at each call) take their place in evaluation.

    Source: Ioffe & Szegedy 2015, arXiv:1502.03167.

    Example:
        >>> ImageNorm(3)(torch.zeros(2, 3, 8, 20), torch.tensor([20, 11])).shape
        torch.Size([2, 3, 8, 20])
    """

    mean: Tensor
    var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))

    def forward(self, x: Tensor, widths: Tensor | None = None) -> Tensor:
        """Normalise the channels of x."""
        x = x.to(self.gain.dtype)  # moments want its digits under autocast, too
        if widths is None or not self.training:
            y = F.batch_norm(x, self.mean, self.var, self.gain, self.shift, self.training, MOMENTUM, EPSILON)
            return y if widths is None else _cut(y, widths)
        inside = ragged.mask(widths.to(x.device), x.shape[3])[:, None, None].to(x.dtype)
        count = (inside.sum() * x.shape[2]).clamp(min=1)
        mean = (x * inside).sum((0, 2, 3)) / count
        centred = (x - mean[:, None, None]) * inside
        var = centred.square().sum((0, 2, 3)) / count
        with torch.no_grad():
            self.mean.lerp_(mean.to(self.mean), MOMENTUM)
            self.var.lerp_((var * count / (count - 1).clamp(min=1)).to(self.var), MOMENTUM)
        rate = self.gain * torch.rsqrt(var + EPSILON)
        return (centred * rate[:, None, None] + self.shift[:, None, None]) * inside


@final
class ResidualBlock(nn.Module):
    r"""Two convolutions of 3 x 3, past which the input goes too.

    .. math::
        y = \mathrm{relu}\big(\mathrm{norm}(K_2 * d \odot \mathrm{relu}(\mathrm{norm}(K_1 * x))) + s(x)\big)

    where s is x itself, or the norm of a convolution of 1 x 1 where channels or places are others.

    Args:
        channels: C.
        size: C', of the output.
        stride: places from one output to the next, down and to the right.
        dropout: share set to zero in training between the two.

    Shapes: x (B, C, Y, X), y (B, C', ceil(Y / s), ceil(X / s')), zero behind each image's width.

    Source: He et al. 2016, arXiv:1512.03385; dropout between, Zagoruyko & Komodakis 2016, arXiv:1605.07146.

    Example:
        >>> block = ResidualBlock(3, 8, stride=(2, 1))
        >>> y, widths = block(torch.zeros(2, 3, 9, 20), torch.tensor([20, 11]))
        >>> y.shape, widths
        (torch.Size([2, 8, 5, 20]), tensor([20, 11]))
    """

    def __init__(self, channels: int, size: int, *, stride: tuple[int, int] = (1, 1), dropout: float = 0.0) -> None:
        super().__init__()
        self.stride = stride
        self.first = nn.Conv2d(channels, size, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(size, size, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(ImageNorm(size) for _ in range(2))
        self.dropout = nn.Dropout(dropout)
        plain = channels == size and stride == (1, 1)
        self.past = None if plain else nn.Conv2d(channels, size, 1, stride, bias=False)
        self.past_norm = None if plain else ImageNorm(size)
        for convolution in (self.first, self.second, self.past):
            if convolution is not None:
                nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor, widths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Read images whose places behind their widths are zero."""
        after = None if widths is None else _parts(widths, self.stride[1])
        y = F.relu(self.norms[0](self.first(x), after))
        y = self.norms[1](self.second(self.dropout(y)), after)
        if self.past is not None and self.past_norm is not None:
            x = self.past_norm(self.past(x), after)
        return F.relu(y + x), after


@final
class ResNet(nn.Module):
    """A small residual network: a convolution of 3 x 3, then blocks, each stage of them with its size and stride.

    Args:
        channels: C, of the images.
        sizes: channels of each stage.
        strides: of each stage's first block, down and to the right.
        blocks: of each stage.
        dropout: of each block.

    Shapes: images (B, C, Y, X), which may differ in width: `widths` (B,). What is behind an image's width does not matter, nor
    who else is in a batch, but for the norms' moments in training.

    Source: He et al. 2016, arXiv:1512.03385, section 4.2.

    Example:
        >>> net = ResNet(1, (8, 16), strides=((2, 2), (2, 1)))
        >>> images, widths = torch.zeros(2, 1, 12, 20), torch.tensor([20, 11])
        >>> maps, narrower = net(images, widths)
        >>> maps.shape, narrower, net.vectors(images, widths).shape
        (torch.Size([2, 16, 3, 10]), tensor([10,  6]), torch.Size([2, 16]))
    """

    def __init__(
        self,
        channels: int,
        sizes: Sequence[int],
        *,
        strides: Sequence[tuple[int, int]],
        blocks: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not sizes or len(sizes) != len(strides) or blocks < 1:
            raise UsageError(
                f"{len(sizes)} sizes, {len(strides)} strides and {blocks} blocks; wanted as many of both, and 1 block"
            )
        self.channels, self.size, self.strides = channels, sizes[-1], tuple(strides)
        self.stem = nn.Conv2d(channels, sizes[0], 3, 1, 1, bias=False)
        nn.init.kaiming_normal_(self.stem.weight, mode="fan_out", nonlinearity="relu")
        self.norm = ImageNorm(sizes[0])
        below, made = sizes[0], list[ResidualBlock]()
        for size, stride in zip(sizes, strides, strict=True):
            made.append(ResidualBlock(below, size, stride=stride, dropout=dropout))
            made += [ResidualBlock(size, size, dropout=dropout) for _ in range(blocks - 1)]
            below = size
        self.blocks = nn.ModuleList(made)

    def forward(self, images: Tensor, widths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Maps (B, C', Y', X') and their widths."""
        if images.dim() != 4 or images.shape[1] != self.channels or 0 in images.shape[2:]:
            raise ShapeError(f"images is {tuple(images.shape)}; wanted (B, {self.channels}, Y > 0, X > 0)")
        if widths is not None:
            ragged.check(images[:, 0].transpose(1, 2), widths, None)
            images = _cut(images, widths)
        x, now = F.relu(self.norm(self.stem(images), widths)), widths
        for block in self.blocks:
            x, now = block(x, now)
        return x, now

    def vectors(self, images: Tensor, widths: Tensor | None = None) -> Tensor:
        """(B, C'): the mean over all places of each image; zeros of an image of no width."""
        maps, after = self(images, widths)
        if after is None:
            return torch.mean(maps, (2, 3))
        places: Tensor = after.to(maps)[:, None] * maps.shape[2]
        return torch.sum(maps, (2, 3)) / places.clamp(min=1)

    def heights(self, height: int) -> int:
        """Y' of images of this height."""
        for down, _ in self.strides:
            height = -(-height // down)
        return height

    def widths(self, widths: Tensor) -> Tensor:
        """X' of images of these widths."""
        for _, right in self.strides:
            widths = _parts(widths, right)
        return widths


@final
class Columns(nn.Module):
    """A front that reads images column by column: x (B, T, C Y), each step a column, to frames (B, T', C' Y').

    It reads whole images: it takes no state.

    Args:
        net: the network.
        height: Y.

    Example:
        >>> front = Columns(ResNet(1, (8, 16), strides=((2, 2), (2, 1))), 12)
        >>> y, _ = front(torch.zeros(2, 20, 12), lengths=torch.tensor([20, 11]))
        >>> y.shape, front.size, front.frames(torch.tensor([20, 11]))
        (torch.Size([2, 10, 48]), 48, tensor([10,  6]))
    """

    def __init__(self, net: ResNet, height: int) -> None:
        super().__init__()
        self.net, self.height, self.size = net, height, net.size * net.heights(height)

    def initial(self, batch: int) -> None:
        """Refused: there is no state."""
        raise UsageError("Columns reads whole images; it cannot read in chunks")

    def frames(self, lengths: Tensor, state: None = None) -> Tensor:
        """(B,): how many frames images of these widths give."""
        return self.net.widths(lengths)

    def forward(self, x: Tensor, state: None = None, lengths: Tensor | None = None) -> tuple[Tensor, tuple[()]]:
        """Read whole images."""
        if state is not None:
            raise UsageError(f"Columns got a state, {type(state).__name__}; it reads whole images and takes none")
        wanted = self.net.channels * self.height
        if x.dim() != 3 or x.shape[2] != wanted:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0, {wanted})")
        images = x.reshape(*x.shape[:2], self.net.channels, self.height).permute(0, 2, 3, 1)
        maps, _ = self.net(images, lengths)
        return maps.permute(0, 3, 1, 2).flatten(2), ()


def columns(height: int, channels: int, *, stride: int, blocks: int = 1, dropout: float = 0.0) -> Columns:
    """A small residual network as a front: three stages, each of half the height of the one before.

    Args:
        height: of the images; of sound, its bands.
        channels: of the last two stages; the first has half of them.
        stride: columns that a frame stands for: 1, 2, 4 or 8.
        blocks: of each stage.
        dropout: of each block.

    Example:
        >>> front = columns(24, 16, stride=4)
        >>> front.size, front.frames(torch.tensor([20, 11]))
        (48, tensor([5, 3]))
    """
    if stride not in (1, 2, 4, 8):
        raise UsageError(f"stride is {stride}; wanted 1, 2, 4 or 8")
    strides = tuple((2, 2 if stride > 2**k else 1) for k in range(3))
    sizes = (max(2, channels // 2), channels, channels)
    return Columns(ResNet(1, sizes, strides=strides, blocks=blocks, dropout=dropout), height)


def _parts(widths: Tensor, stride: int) -> Tensor:
    return (widths + stride - 1) // stride


def _cut(x: Tensor, widths: Tensor) -> Tensor:
    """Images with zeros behind their widths."""
    inside = ragged.mask(widths.to(x.device), x.shape[3])[:, None, None]
    return torch.where(inside, x, torch.zeros_like(x))
