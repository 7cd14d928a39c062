"""What turns samples of sound into frames of log-mel energies inside the model's graph, with a state so that it streams."""

import math
from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recurra import lengths as ragged
from recurra.errors import ShapeError, UsageError
from recurra.layers.core import given
from recurra.state import portable

__all__ = ["LogMel", "RunningMean", "SpecAugment", "Standardised", "WholeNorm"]

FLOOR = torch.finfo(torch.float32).eps  # of an energy, as in Kaldi


@final
class LogMel(nn.Module):
    r"""Logarithms of the energies in bands that are evenly spaced in mel, of overlapping frames.

    .. math::
        y_{jb} = \ln \max\Big(\epsilon, \sum_f M_{bf} \, \lvert (D A \, x_{j s \,:\, j s + w})_f \rvert^2\Big), \quad
        \mathrm{mel}(f) = 1127 \ln(1 + f / 700)

    `A` takes the mean away, then 0.97 of the sample before, and multiplies by the window :math:`(0.5 - 0.5 \cos)^{0.85}`; `D`
    is the discrete Fourier transform of the frame, filled up with zeros to a power of two; `M` holds triangles. `A` and `D`
    are one matrix, so that a frame is one product and the layer can be exported. With these options the figures are those of
    Kaldi's filterbank, without its dither.

    Args:
        rate: samples a second.
        bins: B', bands.
        window: seconds of a frame.
        shift: s, seconds between the beginnings of two.
        low: Hertz, where the lowest band begins.
        high: Hertz, where the highest ends; 0 is half of `rate`.

    Shapes: x (B, T, 1), y (B, T', bins) with T' = 1 + (T - w) // s; where T < w there is no frame, and T' is 0, or 1 where
    there are lengths and no state. The state is the last w - 1 samples, and how many more the next frame wants: pieces of any
    size give the frames of the whole.

    Source: Davis & Mermelstein 1980; Povey et al. 2011, the Kaldi speech recognition toolkit.

    Example:
        >>> layer = LogMel(8000, 40)
        >>> y, state = layer(torch.zeros(2, 4000, 1))
        >>> y.shape, layer(torch.zeros(2, 79, 1), state)[0].shape, state.wanted
        (torch.Size([2, 48, 40]), torch.Size([2, 1, 40]), tensor([40, 40]))
    """

    @portable
    class State(NamedTuple):
        """The last samples (B, w - 1), and how many more the next frame wants (B,)."""

        past: Tensor
        wanted: Tensor

    analysis: Tensor
    mel: Tensor

    def __init__(
        self, rate: int, bins: int, *, window: float = 0.025, shift: float = 0.01, low: float = 20.0, high: float = 0.0
    ) -> None:
        super().__init__()
        high = high or rate / 2
        self.rate, self.size, self.width, self.shift = rate, bins, int(rate * window), int(rate * shift)
        if bins < 1 or self.width < 2 or self.shift < 1:
            raise UsageError(f"rate={rate} bins={bins} window={window} shift={shift}: wanted samples in each, and a band")
        if not 0 <= low < high <= rate / 2:
            raise UsageError(f"low={low:g} high={high:g}: wanted 0 <= low < high <= {rate / 2:g}, half of the rate")
        self.register_buffer("analysis", _analysis(self.width), persistent=False)
        self.register_buffer("mel", _triangles(rate, bins, _power_of_two(self.width), low, high), persistent=False)

    def initial(self, batch: int) -> State:
        """Nothing was heard."""
        wanted = torch.full((batch,), self.width, device=self.mel.device)
        return self.State(self.mel.new_zeros(batch, self.width - 1), wanted)

    def frames(self, lengths: Tensor, state: State | None = None) -> Tensor:
        """(B,): how many frames so many samples give."""
        wanted = self.width if state is None else state.wanted.to(lengths.device)
        return ((lengths - wanted) // self.shift + 1).clamp(min=0)

    def forward(self, x: Tensor, state: State | None = None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """Read samples x (B, T, 1)."""
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != 1:
            raise ShapeError(f"x is {tuple(x.shape)}; wanted (B, T > 0, 1), samples of sound")
        ragged.check(x, lengths, None)
        past, wanted = given(state, self.initial(len(x)))
        heard = torch.full((len(x),), x.shape[1], device=x.device) if lengths is None else lengths.to(x.device, torch.long)
        made = self.frames(heard, state)
        line = torch.cat([past.to(x.dtype), x[..., 0]], dim=1)
        after = self.State(_rows(line, heard, self.width - 1), wanted + made * self.shift - heard)
        if state is None:
            first = x[..., 0] if lengths is None else F.pad(x[..., 0], (0, max(0, self.width - x.shape[1])))
            most = max(0, (first.shape[1] - self.width) // self.shift + 1)
        else:
            most, starts = int(made.max()), wanted - 1
            same = bool((starts == starts[0]).all())
            first = line[:, int(starts[0]) :] if same else _rows(F.pad(line, (0, int(starts.max()))), starts, line.shape[1])
        if not most:
            return x.new_zeros(len(x), 0, self.size), after
        y = self.of_frames(first[:, : (most - 1) * self.shift + self.width].unfold(1, self.width, self.shift))
        return y if lengths is None and state is None else ragged.cut(y, made), after

    def of_frames(self, frames: Tensor) -> Tensor:
        """(..., w) samples of each frame -> (..., bins)."""
        with torch.autocast(frames.device.type, enabled=False):  # sums of squares want float32
            real, imaginary = (frames.to(self.analysis.dtype) @ self.analysis).chunk(2, dim=-1)
            return ((real.square() + imaginary.square()) @ self.mel).clamp(min=FLOOR).log()

    def extra_repr(self) -> str:
        return f"{self.rate}, {self.size}, width={self.width}, shift={self.shift}"


@final
class Standardised(nn.Module):
    r"""Each channel with the mean and the deviation that the data have: :math:`y = (x - \mu) / \sigma`.

    The statistics are buffers, stored with the weights; :meth:`fit` fills them.

    Example:
        >>> layer = Standardised(3)
        >>> layer.fit(torch.randn(100, 3) * 2 + 5)
        >>> y, _ = layer(torch.full((1, 4, 3), 5.0))
        >>> bool((y.abs() < 1).all())
        True
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))

    @torch.no_grad()
    def fit(self, frames: Tensor) -> None:
        """Take the statistics of frames (N, C)."""
        exact = frames.double()
        self.mean.copy_(exact.mean(0))
        self.deviation.copy_(exact.std(0, correction=0).clamp(min=1e-3))

    def initial(self, batch: int) -> tuple[()]:
        """There is nothing to know."""
        return ()

    def frames(self, lengths: Tensor, state: tuple[()] | None = None) -> Tensor:
        """As many as came."""
        return lengths

    def forward(self, x: Tensor, state: tuple[()] | None = None, lengths: Tensor | None = None) -> tuple[Tensor, tuple[()]]:
        """Read x (B, T, C)."""
        y = (x - self.mean) / self.deviation
        return y if lengths is None else ragged.cut(y, lengths), ()


@final
class RunningMean(nn.Module):
    r"""Each channel without the mean of all that was heard so far, and of `prior` frames of zeros before.

    .. math:: y_t = x_t - \frac{1}{p + t} \sum_{s \le t} x_s, \quad t = 1, 2, \dots

    What a room or a microphone adds to every frame goes away, as more of it is heard; nothing of the future is needed. The
    state is the sum (B, C) and the count (B,). With `shared` all channels have one mean, and each keeps how it differs from the
    others: of logarithms of bands only the loudness goes.

    Example:
        >>> y, _ = RunningMean(1, prior=1)(torch.ones(1, 3, 1))
        >>> y.flatten()
        tensor([0.5000, 0.3333, 0.2500])
    """

    @portable
    class State(NamedTuple):
        """The sum of what was heard, and of how many frames."""

        total: Tensor
        heard: Tensor

    place: Tensor

    def __init__(self, size: int, *, prior: int = 100, shared: bool = False) -> None:
        super().__init__()
        if prior < 1:
            raise UsageError(f"prior is {prior}; wanted at least 1")
        self.size, self.prior, self.shared = size, prior, shared
        self.register_buffer("place", torch.zeros(()), persistent=False)  # where the layer is

    def initial(self, batch: int) -> State:
        """Nothing was heard."""
        here = self.place.device
        total = torch.zeros(batch, self.size, dtype=self.place.dtype, device=here)
        return self.State(total, torch.zeros(batch, dtype=torch.long, device=here))

    def frames(self, lengths: Tensor, state: State | None = None) -> Tensor:
        """As many as came."""
        return lengths

    def forward(self, x: Tensor, state: State | None = None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """Read x (B, T, C)."""
        total, before = given(state, self.initial(len(x)))
        inside = x if lengths is None else ragged.cut(x, lengths)
        told = inside.mean(-1, keepdim=True).expand_as(inside) if self.shared else inside
        sums = total[:, None] + told.cumsum(1)
        counts = before[:, None] + torch.arange(1, x.shape[1] + 1, device=x.device)
        y = inside - sums / (self.prior + counts)[..., None]
        heard = x.shape[1] if lengths is None else lengths.to(x.device)
        after = self.State(sums[:, -1], before + heard)
        return y if lengths is None else ragged.cut(y, lengths), after

    def extra_repr(self) -> str:
        return f"{self.size}, prior={self.prior}, shared={self.shared}"


@final
class WholeNorm(nn.Module):
    r"""Each channel of each row without its mean over the row, and divided by its deviation: it reads whole rows only.

    .. math:: y_t = (x_t - \bar x) / \sqrt{\tfrac1T \sum_s (x_s - \bar x)^2 + \epsilon}, \quad \epsilon = 10^{-2}

    With `shared` all channels of a row have one mean and one deviation, and each keeps how it differs from the others: of
    logarithms of bands only the loudness goes, and how much it varies.

    Example:
        >>> y, _ = WholeNorm(1)(torch.tensor([[[1.0], [3.0]]]))
        >>> y.flatten().round()
        tensor([-1.,  1.])
        >>> y, _ = WholeNorm(2, shared=True)(torch.tensor([[[1.0, 3.0], [1.0, 3.0]]]))
        >>> y[0, 0].round()
        tensor([-1.,  1.])
    """

    def __init__(self, size: int, *, shared: bool = False) -> None:
        super().__init__()
        self.size, self.shared = size, shared

    def initial(self, batch: int) -> tuple[()]:
        """Refused: it has no state to start from."""
        raise UsageError("WholeNorm reads whole sequences; wanted RunningMean to read in pieces")

    def frames(self, lengths: Tensor, state: tuple[()] | None = None) -> Tensor:
        """As many as came."""
        return lengths

    def forward(self, x: Tensor, state: tuple[()] | None = None, lengths: Tensor | None = None) -> tuple[Tensor, tuple[()]]:
        """Read whole rows x (B, T, C)."""
        if state is not None:
            self.initial(len(x))
        over = (1, 2) if self.shared else (1,)
        if lengths is None:
            mean, square = x.mean(over, keepdim=True), x.var(over, correction=0, keepdim=True)
            return (x - mean) / (square + 1e-2).sqrt(), ()
        count = lengths.to(x.device).clamp(min=1)[:, None, None] * (x.shape[2] if self.shared else 1)
        mean = ragged.cut(x, lengths).sum(over, keepdim=True) / count
        away = ragged.cut(x - mean, lengths)
        return away / (away.square().sum(over, keepdim=True) / count + 1e-2).sqrt(), ()


@final
class SpecAugment(nn.Module):
    r"""In training some bands of each row, and some spans of time, are hidden: zero, which is the mean where frames are normed.

    `bands` times a span of :math:`f \sim U\{0, \dots, F\}` channels, and `spans` times one of :math:`t \sim U\{0, \dots,
    \min(T, \lfloor p \, \text{length} \rfloor)\}` frames, each anywhere in the row. What is drawn follows from torch's
    generator, as dropout does. In evaluation nothing happens.

    Args:
        size: C, channels.
        bands: how many spans of channels; 0 for none.
        band: F, the widest; 0 for none.
        spans: how many spans of time.
        span: T, the longest in frames; 0 for none.
        share: p, of a row that one span has at most.

    Source: Park et al. 2019, arXiv:1904.08779; without its warping of time, which they found to matter least.

    Example:
        >>> layer = SpecAugment(40, bands=2, band=8, spans=2, span=20)
        >>> x = torch.ones(3, 50, 40)
        >>> bool((layer(x)[0] == 0).any()), bool((layer.eval()(x)[0] == x).all())
        (True, True)
    """

    def __init__(self, size: int, *, bands: int = 2, band: int = 8, spans: int = 2, span: int = 20, share: float = 0.2) -> None:
        super().__init__()
        if min(bands, band, spans, span) < 0 or band > size or not 0 <= share <= 1:
            told = f"size={size} bands={bands} band={band} spans={spans} span={span} share={share}"
            raise UsageError(f"{told}: wanted none below 0, band at most size, share at most 1")
        self.size, self.bands, self.band, self.spans, self.span, self.share = size, bands, band, spans, span, share

    def initial(self, batch: int) -> tuple[()]:
        """There is nothing to know."""
        return ()

    def frames(self, lengths: Tensor, state: tuple[()] | None = None) -> Tensor:
        """As many as came."""
        return lengths

    def forward(self, x: Tensor, state: tuple[()] | None = None, lengths: Tensor | None = None) -> tuple[Tensor, tuple[()]]:
        """Read x (B, T, C)."""
        if not self.training:
            return x, ()
        batch, steps, _ = x.shape
        ends = torch.full((batch,), steps, device=x.device) if lengths is None else lengths.to(x.device)
        longest = (self.share * ends).floor().clamp(max=self.span)
        hidden = _spans(self.spans, ends, longest, steps)[:, :, None]
        sizes = torch.full_like(ends, self.size)
        hidden = hidden | _spans(self.bands, sizes, torch.full_like(sizes, self.band), self.size)[:, None]
        return x.masked_fill(hidden, 0), ()

    def extra_repr(self) -> str:
        return f"{self.size}, bands={self.bands}, band={self.band}, spans={self.spans}, span={self.span}, share={self.share}"


def _spans(count: int, ends: Tensor, widest: Tensor, size: int) -> Tensor:
    """(B, size): true inside spans, each of a random width up to `widest` (B,), and anywhere below `ends` (B,)."""
    draws = torch.rand(2, len(ends), count, device=ends.device)
    width = (draws[0] * (widest[:, None] + 1)).floor()
    start = (draws[1] * (ends[:, None] - width + 1)).floor()
    places = torch.arange(size, device=ends.device)[:, None, None]
    return ((start <= places) & (places < start + width)).any(2).T


def _rows(line: Tensor, starts: Tensor, size: int) -> Tensor:
    """(B, size): so much of each row from its start on."""
    places = starts[:, None] + torch.arange(size, device=line.device)
    return line.gather(1, places)


def _power_of_two(width: int) -> int:
    return 1 << (width - 1).bit_length()


def _analysis(width: int) -> Tensor:
    """(w, 2 N/2): frames to the real and the imaginary parts of their spectra, the Nyquist frequency left out."""
    size = _power_of_two(width)
    eye = torch.eye(width, dtype=torch.float64)
    centred = eye - 1 / width
    before = torch.cat([centred[:, :1], centred[:, :-1]], dim=1)  # the first sample stands before itself
    window = torch.hann_window(width, periodic=False, dtype=torch.float64) ** 0.85
    ready = (centred - 0.97 * before) * window
    angles = torch.arange(width, dtype=torch.float64)[:, None] * torch.arange(size // 2) * (2 * math.pi / size)
    return torch.cat([ready @ angles.cos(), ready @ -angles.sin()], dim=1).float()


def _triangles(rate: int, bins: int, size: int, low: float, high: float) -> Tensor:
    """(N/2, bins): how much each frequency counts in each band."""
    frequencies = torch.arange(size // 2, dtype=torch.float64) * rate / size
    mel = 1127 * (1 + frequencies / 700).log()
    ends = 1127 * (1 + torch.tensor([low, high], dtype=torch.float64) / 700).log()
    step = (ends[1] - ends[0]) / (bins + 1)
    centres = ends[0] + step * torch.arange(1, bins + 1)
    return (1 - (mel[:, None] - centres).abs() / step).clamp(min=0).float()
