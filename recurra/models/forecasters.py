"""Networks that forecast: from a stretch of history to what follows it."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol, final

import torch
from torch import Tensor, nn

from recurra import state as states
from recurra.data.windows import SeriesBatch
from recurra.layers import Stack
from recurra.losses.likelihoods import Likelihood

__all__ = [
    "Autoregressive",
    "Direct",
    "Forecast",
    "Forecaster",
    "Linear",
    "Normalisation",
    "Rows",
    "Segments",
    "Sizes",
    "Transformer",
    "Vectors",
]

Normalisation = Literal["none", "last", "mean", "level"]
"""What history is seen relative to: its series' mean and spread; its last value; its own mean and spread; its size."""

MakeStack = Callable[[int], Stack]
"""Recurrent layers for an input of this size."""


class Sizes(NamedTuple):
    """What a network is given and asked for: L, H, V values a step, covariates of each kind, targets, N numbers a value."""

    window: int
    horizon: int
    values: int
    past: int
    known: int
    static: int
    channels: int
    parameters: int


class Rows(NamedTuple):
    """Normalised windows as a network reads them: R rows, of one target each (V = 1) or of all at once."""

    x: Tensor  # (R, L, V)
    past: Tensor  # (R, L, P), with what was seen where values are missing
    known: Tensor  # (R, L + H, K)
    static: Tensor  # (R, S)
    channel: Tensor  # (R,) which target it is


class Network(Protocol):
    """Rows -> raw (R, H, V, N): the numbers that a likelihood makes a distribution of."""

    def __call__(self, rows: Rows) -> Tensor: ...


class Forecast(NamedTuple):
    """What a network says: raw (B, H, C, N), and what its numbers are relative to, (B, 1, C)."""

    raw: Tensor
    centre: Tensor
    spread: Tensor


@final
class Forecaster(nn.Module):
    r"""A network between normalisation and a likelihood.

    .. math:: z = (x - c) / s, \qquad \mathrm{raw} = f(z), \qquad y \sim D(\mathrm{raw}, c, s)

    The centre c and spread s come from the window's own history, and go back into the distribution (reversible instance
    normalisation, Kim et al. 2022; from the last value alone, Lin et al. 2023, arXiv:2308.11200).

    Args:
        network: makes raw numbers of normalised rows.
        likelihood: makes a distribution of them.
        normalisation: what the history is seen relative to.
        joint: read all targets at once; else each is a row of its own, and the network learns from all of them.
        mask: tell the network which values were observed.
        words: makes vectors of the categories among the covariates.

    Shapes: a `SeriesBatch` of B windows, L steps and C targets -> `Forecast`.
    """

    def __init__(
        self,
        network: nn.Module,
        likelihood: Likelihood,
        normalisation: Normalisation,
        *,
        joint: bool = False,
        mask: bool = False,
        words: "Vectors | None" = None,
    ) -> None:
        super().__init__()
        self.network, self.likelihood, self.words = network, likelihood, words
        self.normalisation, self.joint, self.mask = normalisation, joint, mask

    def forward(self, window: SeriesBatch) -> Forecast:
        """The numbers of the steps that follow."""
        centre, spread = self.relative(window)
        raw = self._whole(self.network(self._rows(window, centre, spread)), len(window.x))
        return Forecast(raw, centre, spread)

    def loss(self, window: SeriesBatch) -> Tensor:
        """The mean loss over what was observed; an autoregressive network reads true values before each (teacher forcing)."""
        centre, spread = self.relative(window)
        rows = self._rows(window, centre, spread)
        if isinstance(self.network, Autoregressive):
            raw = self.network.taught(rows, self._apart((window.y - centre) / spread))
        else:
            raw = self.network(rows)
        each = self.likelihood.loss(self._whole(raw, len(window.x)), window.y, centre, spread)
        return (each * window.true).sum() / window.true.sum().clamp(min=1)

    @torch.no_grad()
    def paths(self, window: SeriesBatch, count: int, generator: torch.Generator) -> Tensor:
        """(count, B, H, C): ways that it might go on, each step drawn given the steps before; of an autoregressive network."""
        assert isinstance(self.network, Autoregressive)
        centre, spread = self.relative(window)
        rows = states.map(lambda part: part.repeat(count, *[1] * (part.dim() - 1)), self._rows(window, centre, spread))
        many = [self._apart(part.expand(-1, 1, window.x.shape[2])).repeat(count, 1, 1) for part in (centre, spread)]

        def drawn(raw: Tensor) -> Tensor:
            centre, spread = many
            return (self.likelihood.sample(raw, centre, spread, generator) - centre) / spread

        normal = self.network.unrolled(rows, drawn)[1]  # (count R, H, V)
        found = [self._whole(part[..., None], len(window.x))[..., 0] for part in normal.chunk(count)]
        return torch.stack(found) * spread + centre

    def relative(self, window: SeriesBatch) -> tuple[Tensor, Tensor]:
        """Centre and spread (B, 1, C), from the history alone."""
        match self.normalisation:
            case "none":
                return window.centre, window.spread
            case "last":
                return window.x[:, -1:], window.spread
            case "mean":
                count = window.seen.sum(1, keepdim=True).clamp(min=1)
                mean = (window.x * window.seen).sum(1, keepdim=True) / count
                variance = ((window.x - mean).square() * window.seen).sum(1, keepdim=True) / count
                return mean, (variance + 1e-4 * window.spread.square()).sqrt()
            case "level":
                count = window.seen.sum(1, keepdim=True).clamp(min=1)
                size = (window.x * window.seen).abs().sum(1, keepdim=True) / count
                return torch.zeros_like(size), 1 + size

    def _rows(self, window: SeriesBatch, centre: Tensor, spread: Tensor) -> Rows:
        targets = window.x.shape[2]
        rows = 1 if self.joint else targets
        x, seen = self._apart((window.x - centre) / spread), self._apart(window.seen.to(window.x.dtype))
        parts = {"past": window.past, "known": window.known, "static": window.static}
        parts = parts if self.words is None else {kind: self.words(kind, part) for kind, part in parts.items()}
        past, known, static = (part.repeat_interleave(rows, 0) for part in parts.values())
        past = torch.cat([past, seen], dim=2) if self.mask else past
        channel = torch.arange(rows, device=x.device).repeat(len(window.x))
        return Rows(x, past, known, static, channel)

    def _apart(self, values: Tensor) -> Tensor:
        """(B, T, C) -> (R, T, V)."""
        return values if self.joint else values.transpose(1, 2).flatten(0, 1)[..., None]

    def _whole(self, raw: Tensor, batch: int) -> Tensor:
        """(R, H, V, N) -> (B, H, C, N)."""
        return raw if self.joint else raw.view(batch, -1, *raw.shape[1::2]).transpose(1, 2)


@final
class Vectors(nn.Module):
    """Columns that hold the places of categories become learnt vectors; place 0 is any category that was not learnt.

    The vector of place 0 is learnt, too: in training each column of a window is taken for unknown once in fifty times.

    Args:
        categories: for each kind of covariate the place of each such column, as a word, and how many categories it has.

    Example:
        >>> Vectors({"past": {"1": 4}})("past", torch.tensor([[[0.5, 3.0]]])).shape  # a number, and a vector of three
        torch.Size([1, 1, 4])
    """

    UNKNOWN = 0.02

    def __init__(self, categories: Mapping[str, Mapping[str, int]]) -> None:
        super().__init__()
        self.kinds = nn.ModuleDict({kind: nn.ModuleDict(dict(map(_vector, each.items()))) for kind, each in categories.items()})

    def width(self, kind: str, columns: int) -> int:
        """How many columns become of these."""
        return columns + sum(each.embedding_dim - 1 for each in self._columns(kind).values())

    def forward(self, kind: str, values: Tensor) -> Tensor:
        """Covariates (B, ..., K) of a kind -> (B, ..., K'): numbers first, then the vectors."""
        found = self._columns(kind)
        if not found:
            return values
        vectors = []
        for place, vector in found.items():
            code = values[..., int(place)].long()
            if self.training:
                known = torch.rand(len(code), *[1] * (code.dim() - 1), device=code.device) >= self.UNKNOWN
                code = code * known
            vectors.append(vector(code))
        numbers = [k for k in range(values.shape[-1]) if str(k) not in found]
        return torch.cat([values[..., numbers], *vectors], dim=-1)

    def _columns(self, kind: str) -> dict[str, nn.Embedding]:
        columns: Any = self.kinds[kind] if kind in self.kinds else {}  # noqa: SIM401 - a ModuleDict has no get
        return dict(columns.items())


@final
class Segments(nn.Module):
    r"""Segment-wise recurrence, SegRNN: a step is a segment of w values, and all segments ahead are told at once.

    .. math::
        e_k &= \mathrm{relu}(W x_{(k-1) w + 1 \dots k w} + b), \qquad s = \mathrm{stack}(e_1, \dots, e_{L/w}) \\
        \hat y_j &= V \, \mathrm{dropout}(\mathrm{stack}(p_j \mid s)) + d, \qquad p_j = [\text{place } j; \text{target}]

    A first segment that history does not fill is filled with its first value.

    Source: Lin et al. 2023, arXiv:2308.11200 (with parallel multi-step forecasting). Covariates of a segment are read beside
    its values; those known ahead, and static ones, are added to the place.
    """

    def __init__(self, sizes: Sizes, stack: MakeStack, hidden: int, segment: int, dropout: float) -> None:
        super().__init__()
        self.sizes, self.segment = sizes, segment
        each, half = sizes.values + sizes.past + sizes.known, hidden // 2
        self.count = -(-sizes.horizon // segment)
        self.embed = nn.Linear(segment * each, hidden)
        self.place = nn.Parameter(torch.randn(self.count, hidden - half))
        self.channel = nn.Embedding(sizes.channels, half)
        self.ahead = nn.Linear(segment * sizes.known + sizes.static, hidden) if sizes.known + sizes.static else None
        self.stack = stack(hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, segment * sizes.values * sizes.parameters)

    def forward(self, rows: Rows) -> Tensor:
        """Raw numbers (R, H, V, N)."""
        s, w, n = self.sizes, self.segment, len(rows.x)
        read = torch.cat([rows.x, rows.past, rows.known[:, : s.window]], dim=2)
        short = -s.window % w
        read = torch.cat([read[:, :1].expand(-1, short, -1), read], dim=1) if short else read
        _, state = self.stack(torch.relu(self.embed(read.reshape(n, -1, w * read.shape[2]))))
        place = torch.cat([self.place.expand(n, -1, -1), self.channel(rows.channel)[:, None].expand(-1, self.count, -1)], dim=2)
        if self.ahead is not None:
            place = place + self.ahead(self._known_ahead(rows))
        many = states.map(lambda part: part.repeat_interleave(self.count, 0), state)
        y, _ = self.stack(place.flatten(0, 1)[:, None], many)
        raw: Tensor = self.output(self.dropout(y[:, 0]))
        return raw.view(n, self.count * w, s.values, s.parameters)[:, : s.horizon]

    def _known_ahead(self, rows: Rows) -> Tensor:
        s, w = self.sizes, self.segment
        known = rows.known[:, s.window :]
        short = self.count * w - s.horizon
        known = torch.cat([known, known[:, -1:].expand(-1, short, -1)], dim=1) if short else known
        return torch.cat([known.reshape(len(known), -1, w * s.known), rows.static[:, None].expand(-1, self.count, -1)], dim=2)


@final
class Direct(nn.Module):
    r"""Recurrent layers read the history step by step; one map makes all H steps of the last output.

    .. math:: h = \mathrm{stack}([x_t; \mathrm{past}_t; \mathrm{known}_t]_{t \le L})_L, \qquad
        \hat y_j = V \, \mathrm{relu}([W_j h; \mathrm{known}_{L + j}; \mathrm{static}]) + d
    """

    def __init__(self, sizes: Sizes, stack: MakeStack, hidden: int, dropout: float, each: int = 32) -> None:
        super().__init__()
        self.sizes, self.each = sizes, each
        self.channel = nn.Embedding(sizes.channels, 8)
        self.stack = stack(sizes.values + sizes.past + sizes.known + sizes.static + 8)
        self.dropout = nn.Dropout(dropout)
        self.ahead = nn.Linear(hidden, sizes.horizon * each)
        self.output = nn.Linear(each + sizes.known + sizes.static, sizes.values * sizes.parameters)

    def forward(self, rows: Rows) -> Tensor:
        """Raw numbers (R, H, V, N)."""
        s = self.sizes
        y, _ = self.stack(_steps(rows, rows.x, self.channel(rows.channel), 0, s.window))
        ahead = torch.relu(self.ahead(self.dropout(y[:, -1]))).view(len(y), s.horizon, self.each)
        static = rows.static[:, None].expand(-1, s.horizon, -1)
        raw: Tensor = self.output(torch.cat([ahead, rows.known[:, s.window :], static], dim=2))
        return raw.view(*raw.shape[:2], s.values, s.parameters)


@final
class Autoregressive(nn.Module):
    r"""Recurrent layers that read each value to tell the next, and go on from what they told.

    .. math:: y_t \sim D(W \, \mathrm{stack}([y_{t-1}; \mathrm{known}_t; \mathrm{static}])_t + b)

    In training the true value before each is read (teacher forcing); afterwards the mean of what was told, or a draw of it.
    Covariates of the past alone have no place in it. Source: Salinas et al. 2017, arXiv:1704.04110 (DeepAR).
    """

    def __init__(self, sizes: Sizes, stack: MakeStack, hidden: int, dropout: float, point: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.sizes, self.point = sizes, point
        self.channel = nn.Embedding(sizes.channels, 8)
        self.stack = stack(sizes.values + sizes.known + sizes.static + 8)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, sizes.values * sizes.parameters)

    def forward(self, rows: Rows) -> Tensor:
        """Raw numbers (R, H, V, N), each given the points before it."""
        return self.unrolled(rows, self.point)[0]

    def taught(self, rows: Rows, y: Tensor) -> Tensor:
        """Raw numbers (R, H, V, N), each given the true values before it, y (R, H, V)."""
        s = self.sizes
        before = torch.cat([rows.x, y[:, :-1]], dim=1)
        told, _ = self.stack(self._steps(rows, before, 1, s.window + s.horizon))
        return self._raw(told[:, s.window - 1 :])

    def unrolled(self, rows: Rows, choose: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Raw numbers (R, H, V, N), and the values (R, H, V) that were chosen of them and read."""
        s = self.sizes
        told, state = self.stack(self._steps(rows, rows.x, 1, s.window + 1))
        raw, chosen = [self._raw(told[:, -1:])], list[Tensor]()
        for t in range(s.horizon):
            chosen.append(choose(raw[-1]))
            if t < s.horizon - 1:
                told, state = self.stack(self._steps(rows, chosen[-1], s.window + t + 1, s.window + t + 2), state)
                raw.append(self._raw(told))
        return torch.cat(raw, dim=1), torch.cat(chosen, dim=1)

    def _steps(self, rows: Rows, before: Tensor, first: int, last: int) -> Tensor:
        return _steps(rows._replace(past=rows.past[:, :0, :0]), before, self.channel(rows.channel), first, last)

    def _raw(self, told: Tensor) -> Tensor:
        raw: Tensor = self.output(self.dropout(told))
        return raw.view(*raw.shape[:2], self.sizes.values, self.sizes.parameters)


@final
class Transformer(nn.Module):
    """Attention over segments of history side by side, for comparison. Source: arXiv:2211.14730 (PatchTST)."""

    def __init__(self, sizes: Sizes, hidden: int, layers: int, segment: int, dropout: float, heads: int = 4) -> None:
        super().__init__()
        self.sizes, self.segment = sizes, segment
        hidden = max(heads, hidden // heads * heads)
        count = -(-sizes.window // segment)
        self.embed = nn.Linear(segment * (sizes.values + sizes.past + sizes.known), hidden)
        self.place = nn.Parameter(0.02 * torch.randn(count, hidden))
        self.channel = nn.Embedding(sizes.channels, hidden)
        layer = nn.TransformerEncoderLayer(hidden, heads, 2 * hidden, dropout, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(count * hidden, sizes.horizon * sizes.values * sizes.parameters)
        self.ahead = _ahead(sizes)

    def forward(self, rows: Rows) -> Tensor:
        """Raw numbers (R, H, V, N)."""
        s = self.sizes
        read = torch.cat([rows.x, rows.past, rows.known[:, : s.window]], dim=2)
        short = -s.window % self.segment
        read = torch.cat([read[:, :1].expand(-1, short, -1), read], dim=1) if short else read
        told = self.embed(read.reshape(len(read), -1, self.segment * read.shape[2]))
        told = told + self.place + self.channel(rows.channel)[:, None]
        raw: Tensor = self.output(self.dropout(self.encoder(told)).flatten(1)).view(-1, s.horizon, s.values * s.parameters)
        return _with_ahead(raw, rows, self.ahead, s)


@final
class Linear(nn.Module):
    """One linear map from history to horizon, for comparison. Source: Zeng et al. 2023, arXiv:2205.13504 (NLinear)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.output = nn.Linear(sizes.window * (sizes.values + sizes.past), sizes.horizon * sizes.values * sizes.parameters)
        self.ahead = _ahead(sizes)

    def forward(self, rows: Rows) -> Tensor:
        """Raw numbers (R, H, V, N)."""
        s = self.sizes
        raw: Tensor = self.output(torch.cat([rows.x, rows.past], dim=2).flatten(1)).view(-1, s.horizon, s.values * s.parameters)
        return _with_ahead(raw, rows, self.ahead, s)


def _vector(column: tuple[str, int]) -> tuple[str, nn.Embedding]:
    """A vector for each category and one for what is unknown: half as wide as there are, and at most 16."""
    place, count = column
    return place, nn.Embedding(count + 1, min(16, 1 + count // 2))


def _steps(rows: Rows, values: Tensor, channel: Tensor, first: int, last: int) -> Tensor:
    """What a recurrent layer reads from step `first` to `last` of the window and the horizon."""
    count = last - first
    apart = [part[:, None].expand(-1, count, -1) for part in (rows.static, channel)]
    past = rows.past[:, first:last] if rows.past.shape[2] else values[:, :, :0]
    return torch.cat([values, past, rows.known[:, first:last], *apart], dim=2)


def _ahead(sizes: Sizes) -> nn.Linear | None:
    """What is known ahead, straight to the step that it is known of."""
    known = sizes.known + sizes.static
    return nn.Linear(known, sizes.values * sizes.parameters) if known else None


def _with_ahead(raw: Tensor, rows: Rows, ahead: nn.Linear | None, sizes: Sizes) -> Tensor:
    """Raw numbers (R, H, V, N), with what is known ahead added."""
    if ahead is not None:
        static = rows.static[:, None].expand(-1, sizes.horizon, -1)
        raw = raw + ahead(torch.cat([rows.known[:, sizes.window :], static], dim=2))
    return raw.view(*raw.shape[:2], sizes.values, sizes.parameters)
