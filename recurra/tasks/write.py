"""The task `write`: strokes of a pen, freely, of a class, or of a text."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra import lengths as ragged
from recurra.data import Buckets, PairBatch, Ragged
from recurra.data.drawings import Drawing, DrawingParts, all_drawings, move_scale, read_drawings, split_drawings
from recurra.data.parts import evenly
from recurra.data.scribbles import scribbles
from recurra.data.svg import svg_of
from recurra.decode.stream import diverged
from recurra.errors import DataError, NumericError, UsageError, near_miss
from recurra.losses.pen_mixture import DOWN, END, LIFTED
from recurra.metrics import Mean
from recurra.metrics.pen_baselines import pen_baselines
from recurra.models.writer import SEEN, Told, Writer
from recurra.tasks import recipes
from recurra.tasks.evaluation import Evaluation, Figure
from recurra.tasks.options import EvaluationOptions, Write, WriteGeneration, WritePrediction
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run, origin
from recurra.train import Look, Loss

__all__ = [
    "Generation",
    "Known",
    "Looked",
    "Prediction",
    "begin",
    "evaluate",
    "generate",
    "looked",
    "predict",
    "setup",
    "setup_of",
]

Generation, Prediction = WriteGeneration, WritePrediction

SCRIBBLES = "numbers as a hand writes them"
FIGURE = "nats per point"
LOOK = 20_000  # points of the drawings that a look during training reads, at least one drawing
SHOWN = 8  # drawings that are drawn at each look
CLASSES = 0.05  # of the drawings, how many classes there may be where `told` is auto
READ = 20_000  # points of a batch that is only read


@dataclass(frozen=True)
class Known:
    """What a network must know of the drawings: how large moves are, what it is told, and the letters or classes of that."""

    scale: float
    told: str
    symbols: tuple[str, ...]
    upwards: bool

    @cached_property
    def places(self) -> dict[str, int]:
        """The number of each letter or class, from 1 on."""
        return {symbol: k for k, symbol in enumerate(self.symbols, 1)}

    def ids(self, text: str) -> list[int]:
        """The numbers of a text's letters and of its end, or that of a class; 0 for what was never learnt, or for nothing."""
        if self.told == "text":
            return [*(self.places.get(letter, 0) for letter in text), len(self.symbols) + 1]
        return [self.places.get(text, 0)]

    @property
    def size(self) -> int:
        """How many numbers there are; none where nothing is told."""
        return {"nothing": 0, "class": len(self.symbols) + 1}.get(self.told, len(self.symbols) + 2)


class Way(NamedTuple):
    """Drawings in the form that a network reads: rows (T + 1, 3) of scaled moves and what the pen does, and what is told."""

    rows: Ragged
    told: Ragged


class Looked(NamedTuple):
    """A drawing, and how much of each letter of its text the window shows before each point (T + 1, U)."""

    drawing: Drawing
    weights: NDArray[np.float32]


def begin(options: Write, data: Path | None, out: Path | None) -> Run:
    """Read the drawings, see that all fits together, and make the run folder."""
    recipes.device(options)
    recipes.precision(options)
    parts, notes = _read(options, data)
    known = _known(options, parts.learnt)
    recipes.check(options, _model(options, known))
    facts = origin(data, parts.name, parts.fingerprint, notes=[*parts.notes, *notes, _told(known)])
    kept = {"scale": known.scale, "told": known.told, "symbols": list(known.symbols), "upwards": known.upwards}
    return Run.create(out, options, facts, {"pen.json": kept})


def setup(options: Write, data: Path | None) -> Setup:
    """What there is to train, for whoever needs no run: reads the data, makes no folder."""
    parts, _ = _read(options, data)
    return _setup(options, parts, _known(options, parts.learnt))


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    return _setup(_options(run), _kept(run), _pen(run))


def _setup(options: Write, parts: DrawingParts, known: Known) -> Setup:
    torch.manual_seed(options.seed)
    model, device = _model(options, known), recipes.device(options)
    way = _way(parts.learnt, known)
    batches = Buckets(way.rows, way.told, tokens=options.tokens, batch=options.batch, seed=options.seed)
    looked = evenly(parts.validation, [len(one.moves) for one in parts.validation], LOOK)

    def update(batch: PairBatch, _: Any) -> Loss:
        source, lengths, told, told_lengths = batch.to(device)
        stretch = 1 + options.distortion * (2 * torch.rand(len(source), 1, 2, device=device) - 1)
        source = torch.cat([source[..., :2] * stretch, source[..., 2:]], -1)
        nats = _nats(model, source, lengths, _telling(known, told, told_lengths))
        inside = ragged.mask(lengths, source.shape[1])
        return Loss(nats[inside].mean(), int(lengths.sum()))

    def look() -> Look:
        value = float(np.concatenate(_each(model, known, looked)).mean())
        try:
            made = _write(model, known, [one.text for one in looked[:SHOWN]], WriteGeneration(points=options.longest))
        except NumericError:  # the training diverges; it notices that by itself
            return Look(value, {FIGURE: value})
        wanted = "" if known.told == "nothing" else f"drawn in samples/: {', '.join(one.text for one in made)}"
        return Look(value, {FIGURE: value}, wanted, {"sample.svg": svg_of(made).encode()})

    return Setup(model, update, batches, batches.per_epoch, look)


def evaluate(run: Run, data: Path | None, chosen: EvaluationOptions) -> Evaluation:
    """Nats of each point, its move in units of the deviation of those learnt from, beside Gaussians that see no history."""
    if chosen.weights != "full":
        raise UsageError(f"weights={chosen.weights}: not of the task write yet; wanted weights=full")
    known, model, notes, learnt = _pen(run), _opened(run), list[str](), list[Drawing]()
    if data is None:
        parts = _kept(run)
        asked, learnt, name = parts.test, parts.learnt, "the held-out part"
    else:
        asked, name = _all(run, data), data.name
        try:
            learnt = _kept(run).learnt
        except DataError as error:
            notes.append(f"no baselines, they need what was learnt from: {error}")
    ours = _each(model, known, asked)
    mean = Mean(tuple(float(each.sum()) for each in ours), tuple(len(each) for each in ours))
    beside = {}
    if learnt:
        found = pen_baselines([_row(one, known.scale) for one in learnt])
        rows = [_row(one, known.scale) for one in asked]
        beside = {who: float(nats(rows).mean()) for who, nats in found.items()}
    notes.append(f"{len(asked):,} drawings, {mean.count:,} points, moves in units of {known.scale:.4g}")
    return Evaluation("write", name, (Figure(FIGURE, mean.value, mean.interval(), beside),), tuple(notes))


def predict(run: Run, data: Path | None, _: WritePrediction) -> Iterator[Mapping[str, Any]]:
    """How surprising each drawing is to the run: nats of a point."""
    if data is None:
        raise UsageError(f"{run.folder}: predict wants drawings: recurra predict {run.folder} FILE, or a folder")
    known, model, drawings = _pen(run), _opened(run), _all(run, data)
    return (
        {"drawing": k, "text": one.text, "points": len(one.moves), "nats_per_point": float(nats.mean())}
        for k, (one, nats) in enumerate(zip(drawings, _each(model, known, drawings), strict=True), 1)
    )


def generate(run: Run, how: WriteGeneration) -> list[Drawing]:
    """New drawings, of a text or a class where the run is told such; y grows downwards in them."""
    known, texts = _pen(run), [how.text] * how.count
    if known.told == "nothing" and how.text:
        raise UsageError(f"text={how.text}: the run draws freely, it was told nothing; wanted no text")
    if known.told == "class" and how.text and how.text not in known.symbols:
        raise UsageError(f"text={how.text}: no such class; {near_miss(how.text, known.symbols)}")
    strange = sorted({letter for letter in how.text if letter not in known.symbols}) if known.told == "text" else []
    if strange:
        raise UsageError(f"text={how.text}: {strange[0]!r} was never learnt; wanted letters of {''.join(known.symbols)!r}")
    if not how.text and known.told != "nothing":
        random = np.random.default_rng(how.seed)
        learnt = list(known.symbols) if known.told == "class" else [one.text for one in _kept(run).learnt]
        texts = [learnt[k] for k in random.integers(0, len(learnt), how.count).tolist()]
    prime = None
    if how.prime:
        [prime, *_] = _all(run, Path(how.prime))
    return _write(_opened(run), known, texts, how, prime)


@torch.no_grad()
def looked(run: Run, count: int = 2) -> list[Looked]:
    """Where the window of a run looks while it reads drawings that it was measured on."""
    known, model = _pen(run), _opened(run)
    if known.told != "text":
        raise UsageError(f"{run.folder}: told {known.told}; a window is there where texts are told")
    drawings = [one for one in _kept(run).test if len(one.text) > 1][:count]
    found = []
    for one in drawings:
        told = torch.tensor([known.ids(one.text)])
        read = np.concatenate([_start(), _row(one, known.scale)[:-1]])
        points = torch.from_numpy(read)[None].to(next(model.parameters()).device)
        _, _, weights = model(points, _telling(known, told.to(points.device), torch.tensor([told.shape[1]])))
        assert weights is not None
        found.append(Looked(one, weights[0, :, : len(one.text)].cpu().numpy()))
    return found


@torch.no_grad()
def _write(
    model: Writer, known: Known, texts: Sequence[str], how: WriteGeneration, prime: Drawing | None = None
) -> list[Drawing]:
    """Draw side by side, one for each text, behind what primes the hand if there is such."""
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(how.seed)
    said = [prime.text + text for text in texts] if prime is not None and known.told == "text" else list(texts)
    rows = Ragged.of([known.ids(text) for text in said])
    symbols = torch.from_numpy(rows.padded(np.arange(len(texts)))).long().to(device)
    told = _telling(known, symbols, torch.from_numpy(rows.lengths).to(device))
    start = _start() if prime is None else np.concatenate([_start(), _row(prime, known.scale)[:-1]])
    points = torch.from_numpy(start).to(device)[None].expand(len(texts), -1, -1)
    h, state, _ = model(points, told)
    made, ended = list[Tensor](), torch.zeros(len(texts), dtype=torch.bool, device=device)
    for _ in range(how.points):
        if not bool(torch.isfinite(h).all()):
            raise diverged()
        point = model.output.draw(h[:, -1], generator, how.bias)
        ended = ended | (point[:, 2] == END)
        made.append(torch.where(ended[:, None], point.new_tensor([0.0, 0.0, END]), point))
        if bool(ended.all()):
            break
        h, state, _ = model(made[-1][:, None], told, state)
    every = torch.stack(made, 1).cpu().numpy()
    return [_drawing(row, known, text) for row, text in zip(every, texts, strict=True)]


def _drawing(row: NDArray[np.float32], known: Known, text: str) -> Drawing:
    """The moves of what was drawn, up to its end, y growing downwards."""
    ends = np.flatnonzero(row[:, 2] == END)
    row = row[: ends[0]] if len(ends) else row
    scale = np.array([known.scale, -known.scale if known.upwards else known.scale], np.float32)
    moves = np.concatenate([row[:, :2] * scale, (row[:, 2:] == LIFTED).astype(np.float32)], 1)
    if len(moves):
        moves[-1, 2] = 1
    return Drawing(moves, text)


@torch.no_grad()
def _each(model: Writer, known: Known, drawings: Sequence[Drawing]) -> list[NDArray[np.float64]]:
    """(T + 1,) nats of every point of each drawing, its end included."""
    way, device = _way(drawings, known), next(model.parameters()).device
    lengths, found = way.rows.lengths, dict[int, NDArray[np.float64]]()
    order = np.argsort(lengths, kind="stable").tolist()
    while order:
        count = max(1, min(len(order), READ // int(lengths[order[-1]])))
        places, order = np.array(order[-count:]), order[:-count]
        rows, told = (torch.from_numpy(side.padded(places)).to(device) for side in way)
        own = torch.from_numpy(lengths[places]).to(device)
        nats = _nats(model, rows, own, _telling(known, told, torch.from_numpy(way.told.lengths[places]).to(device)))
        found |= {k: nats[row, : int(lengths[k])].double().cpu().numpy() for row, k in enumerate(places.tolist())}
    return [found[k] for k in range(len(drawings))]


def _nats(model: Writer, rows: Tensor, lengths: Tensor, told: Told | None) -> Tensor:
    """(B, T) nats of every row, each read behind those before it."""
    start = torch.from_numpy(_start()).to(rows).expand(len(rows), -1, -1)
    h, _, _ = model(torch.cat([start, rows[:, :-1]], 1), told, None, lengths)
    nats: Tensor = model.output(h, rows)
    return nats


def _start() -> NDArray[np.float32]:
    """What is read before the first point: the pen has been lifted."""
    return np.array([[0, 0, LIFTED]], np.float32)


def _telling(known: Known, told: Tensor, lengths: Tensor) -> Told | None:
    return None if known.told == "nothing" else Told(told.long(), lengths)


def _way(drawings: Sequence[Drawing], known: Known) -> Way:
    rows = Ragged.of_vectors([_row(drawing, known.scale) for drawing in drawings], 3)
    return Way(rows, Ragged.of([known.ids(drawing.text) for drawing in drawings]))


def _row(drawing: Drawing, scale: float) -> NDArray[np.float32]:
    """(T + 1, 3): scaled moves and what the pen does behind each, and the end."""
    moves = drawing.moves
    does = np.where(moves[:, 2] > 0, LIFTED, DOWN).astype(np.float32)
    row = np.concatenate([moves[:, :2] / np.float32(scale), does[:, None]], 1)
    return np.concatenate([row, np.array([[0, 0, END]], np.float32)]).astype(np.float32)


def _read(options: Write, data: Path | None) -> tuple[DrawingParts, list[str]]:
    if data is None:
        parts = split_drawings(SCRIBBLES, scribbles(), options.held_out)
    else:
        parts = read_drawings(data, text=options.text, encoding=options.encoding, held_out=options.held_out)
    notes, cut = list[str](), dict[str, Any]()
    for name in ("learnt", "validation", "test"):
        part: list[Drawing] = getattr(parts, name)
        cut[name] = [drawing for drawing in part if len(drawing.moves) <= options.longest]
        if len(cut[name]) < len(part):
            notes.append(f"{name}: {len(part) - len(cut[name]):,} of more than longest={options.longest} points left out")
        if len(cut[name]) < (2 if name == "learnt" else 1):
            raise DataError(f"{parts.name}: {name}: no drawing of at most longest={options.longest} points; wanted some")
    return replace(parts, **cut), notes


def _kept(run: Run) -> DrawingParts:
    parts, _ = _read(_options(run), run.data)
    run.check_data(parts.fingerprint)
    return parts


def _all(run: Run, data: Path) -> list[Drawing]:
    """All drawings of a file or folder; of what brings its split, those to measure on."""
    options = _options(run)
    return all_drawings(data, text=options.text, encoding=options.encoding)


def _known(options: Write, learnt: Sequence[Drawing]) -> Known:
    texts = Counter(drawing.text for drawing in learnt)
    told = options.told
    if told == "auto":
        few = len(texts) <= max(2, CLASSES * len(learnt))
        told = "nothing" if len(texts) < 2 else "class" if few else "text"
    if told != "nothing" and len(texts) < 2:
        raise DataError(f"all drawings say {next(iter(texts))!r}; wanted several texts or classes, or told=nothing")
    symbols = sorted(texts) if told == "class" else sorted(set("".join(texts))) if told == "text" else []
    return Known(move_scale(learnt), told, tuple(symbols), options.upwards)


def _told(known: Known) -> str:
    said = {"class": f"{len(known.symbols):,} classes", "text": f"texts of {len(known.symbols):,} letters"}
    return f"told: {said.get(known.told, 'nothing')}; moves in units of {known.scale:.4g}"


def _pen(run: Run) -> Known:
    kept = run.read("pen.json")
    return Known(float(kept["scale"]), str(kept["told"]), tuple(kept["symbols"]), bool(kept["upwards"]))


def _model(options: Write, known: Known) -> Writer:
    lower, width = None, options.embedding if known.size else 0
    if known.told == "text":
        lower = recipes.stack(options.model_copy(update={"layers": 1}), SEEN)
        width += options.hidden
    upper = recipes.stack(options, SEEN + width, output_dropout=options.dropout)
    return Writer(
        upper,
        options.hidden,
        components=options.components,
        symbols=known.size,
        embedding_size=options.embedding,
        lower=lower,
        lower_size=options.hidden,
        windows=options.windows,
    ).to(recipes.device(options))


def _opened(run: Run) -> Writer:
    """The network with its best weights, for use."""
    model = _model(_options(run), _pen(run))
    run.fill(model)
    return model.eval()


def _options(run: Run) -> Write:
    assert isinstance(run.options, Write)
    return run.options
