"""The task `compose`: music as rolls, keys of a step together, or as events one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra import state as states
from recurra.data.cadences import cadences
from recurra.data.events import BORDER, EVENTS, piece_of
from recurra.data.midi import SECOND
from recurra.data.music import QUARTERS, MusicParts, midi_or_nothing, read_music, read_pieces, split_music
from recurra.data.parts import evenly
from recurra.data.passages import Passage, Passages, framed
from recurra.data.pieces import KEYS, Piece
from recurra.data.synthesiser import wav_bytes
from recurra.decode import Sampling, sample
from recurra.decode.stream import diverged
from recurra.errors import DataError, NumericError, UsageError
from recurra.metrics import KneserNey, Mean
from recurra.metrics.roll_baselines import roll_baselines
from recurra.models import LanguageModel, RollModel
from recurra.tasks import recipes
from recurra.tasks.evaluation import Evaluation, Figure, Held
from recurra.tasks.options import Compose, ComposeGeneration, ComposePrediction, EvaluationOptions
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run, origin
from recurra.train import Look, Loss

__all__ = [
    "Foreseen",
    "Generation",
    "Prediction",
    "begin",
    "evaluate",
    "foreseen",
    "generate",
    "gone_on",
    "predict",
    "setup",
    "setup_of",
]

Generation, Prediction = ComposeGeneration, ComposePrediction

CADENCES = "four voices by rule"
LOOK = 8_000  # steps of the pieces that a look during training reads, at least one piece
SHORT = 64  # steps of what is written at each look, or four times as many events
ROWS, CHUNK = 32, 256  # pieces that are measured side by side, and how many steps of them at a time
ORDERS = 5  # of n-grams of events

Floats = NDArray[np.float64]
Model = RollModel | LanguageModel


class Foreseen(NamedTuple):
    """A piece as a roll (T, 88), and how probable each key was to sound at each step, given what was before it."""

    name: str
    roll: NDArray[np.uint8]
    probable: NDArray[np.float32]
    rate: float


def begin(options: Compose, data: Path | None, out: Path | None) -> Run:
    """Read the music, see that all fits together, and make the run folder."""
    recipes.network(options)
    recipes.device(options)
    recipes.precision(options)
    parts = _read(options, data)
    _passages(options, parts.learnt)
    recipes.check(options, _model(options))
    facts = origin(data, parts.name, parts.fingerprint, notes=list(parts.notes))
    return Run.create(out, options, facts, {"music.json": {"rate": _rate(parts.learnt)}})


def setup(options: Compose, data: Path | None) -> Setup:
    """What there is to train, for whoever needs no run: reads the data, makes no folder."""
    recipes.network(options)
    return _setup(options, _read(options, data))


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    return _setup(_options(run), _kept(run))


def _setup(options: Compose, parts: MusicParts) -> Setup:
    torch.manual_seed(options.seed)
    model, passages = _model(options), _passages(options, parts.learnt)
    device, rate = recipes.device(options), _rate(parts.learnt)
    start = model.initial(passages.batch)
    looked = evenly(parts.validation, [piece.steps for piece in parts.validation], LOOK)
    name = _figure(options)

    def update(batch: Passage, carry: Any) -> Loss:
        x, y, resets, counted = (each.to(device) for each in batch[:4])
        state = start if batch.fresh else carry
        said, state = model(x, state, None, resets)
        nats = _nats(model, said, y)[counted]
        return Loss(nats.mean(), len(nats), state)

    def look() -> Look:
        counted = [_counted(options, nats) for nats in _piece_nats(model, looked)]
        value = float(np.concatenate(counted).mean())
        try:
            made = _write(options, model, rate, ComposeGeneration(steps=SHORT * (4 if _by_events(options) else 1)))
        except NumericError:  # the training diverges; it notices that by itself
            return Look(value, {name: value})
        files = {"sample.wav": wav_bytes([made])} | {f"sample{end}": each for end, each in midi_or_nothing(made).items()}
        return Look(value, {name: value}, str(made.timed(QUARTERS * options.grid) if _by_events(options) else made), files)

    return Setup(model, update, passages, passages.per_epoch, look, start)


def evaluate(run: Run, data: Path | None, chosen: EvaluationOptions) -> Evaluation:
    """Nats of each step, as the literature counts them (all keys together, but the first step of a piece), or of each event."""
    options, model, notes = _options(run), _opened(run), list[str]()
    learnt: list[Piece] = []
    if data is None:
        parts = _kept(run)
        asked, learnt, name = parts.test, parts.learnt, "the held-out part"
    else:
        asked, name = _measurable(data, _grid(options), notes), data.name
        try:
            learnt = _kept(run).learnt
        except DataError as error:
            notes.append(f"no baselines, they need what was learnt from: {error}")
    own = recipes.held(model, chosen.weights)
    ours = [_counted(options, nats) for nats in _piece_nats(own, asked)]
    mean, held = _mean(ours), None
    if own is not model:
        full = [_counted(options, nats) for nats in _piece_nats(model, asked)]
        change = _mean([a - b for a, b in zip(ours, full, strict=True)])
        held = Held(chosen.weights, _mean(full).value, change.value, change.interval())
    beside = _baselines(options, learnt, asked) if learnt else {}
    unit = "events" if _by_events(options) else "steps"
    notes.append(f"{len(asked):,} pieces, {mean.count:,} {unit}, state carried through each piece")
    return Evaluation("compose", name, (Figure(_figure(options), mean.value, mean.interval(), beside, held),), tuple(notes))


def predict(run: Run, data: Path | None, _: ComposePrediction) -> Iterator[Mapping[str, Any]]:
    """How surprising each piece is to the run: nats of a step, or of an event, the state carried through it."""
    if data is None:
        raise UsageError(f"{run.folder}: predict wants music: recurra predict {run.folder} FILE, or a folder")
    return _predicted(run, data)


def _predicted(run: Run, data: Path) -> Iterator[Mapping[str, Any]]:
    options, model = _options(run), _opened(run)
    figure = _figure(options).replace(" ", "_")
    for name, piece in read_pieces(data, _grid(options)):
        told: dict[str, Any] = {"piece": name, "notes": None, "seconds": None, figure: None, "problem": ""}
        if isinstance(piece, DataError):
            yield told | {"problem": str(piece)}
            continue
        [nats] = _piece_nats(model, [piece])
        counted = _counted(options, nats)
        value = float(counted.mean()) if len(counted) else None
        yield told | {"notes": len(piece), "seconds": round(piece.seconds, 3), figure: value}


def generate(run: Run, how: ComposeGeneration) -> Piece:
    """A new piece, or one that goes on from the opening of another."""
    options, opening = _options(run), None
    if how.opening:
        opening = _first(Path(how.opening), _grid(options))
        opening = opening.opening(max(1, round(how.opening_seconds * opening.rate)))
    if how.top_p < 1 and not _by_events(options):
        raise UsageError(f"top_p={how.top_p}: of events; the run has output={options.output}")
    return _write(options, recipes.held(_opened(run), how.weights), run.read("music.json")["rate"], how, opening)


@torch.no_grad()
def foreseen(run: Run, steps: int = 64) -> Foreseen:
    """The beginning of a piece that was measured on, and what the run foresaw of it."""
    model = _opened(run)
    if not isinstance(model, RollModel):
        raise UsageError(f"{run.folder}: output=events foresees events; wanted output=nade or output=independent")
    piece = _kept(run).test[0].opening(steps)
    frames = _tensor(framed([piece], events=False)[0], model)
    h, _ = model(frames[None, :-1])
    probable = model.probabilities(h[0], frames[1:])
    return Foreseen(piece.name, piece.roll(), probable.cpu().numpy(), run.read("music.json")["rate"])


def gone_on(run: Run, seconds: float = 16.0, opening: float = 4.0) -> tuple[float, Piece, Piece]:
    """How many seconds of a piece that was measured on the run was given, how it goes on from there, and how the piece does."""
    options, piece = _options(run), _kept(run).test[0]
    known = max(1, round(opening * piece.rate))
    how = ComposeGeneration(steps=max(1, round((seconds - opening) * piece.rate)))
    own = _write(options, _opened(run), piece.rate, how, piece.opening(known))
    return known / piece.rate, own.opening(round(seconds * own.rate)), piece.opening(round(seconds * piece.rate))


@torch.no_grad()
def _write(options: Compose, model: Model, rate: float, how: ComposeGeneration, opening: Piece | None = None) -> Piece:
    """Draw a piece, behind its opening if there is one."""
    generator = torch.Generator(next(model.parameters()).device).manual_seed(how.seed)
    before, _ = framed([opening or Piece.of("", [], steps=0, rate=rate)], _by_events(options))
    prompt = _tensor(before, model)[None]
    if isinstance(model, LanguageModel):
        choice = Sampling(temperature=how.temperature, top_p=how.top_p)
        events = [*before.tolist(), *map(int, sample(model, prompt, choice, generator, steps=how.steps, end=BORDER))]
        return piece_of(events, "written", SECOND * how.speed)
    every, state = model(prompt)
    h, frames = every[:, -1], [*prompt[0, 1:]]
    for _ in range(how.steps):
        if not bool(torch.isfinite(h).all()):
            raise diverged()
        frame = model.draw(h, generator, how.temperature)
        frames.append(frame[0])
        h, state = model.step(frame, state)
    return Piece.of_roll("written", torch.stack(frames).byte().cpu().numpy(), rate * how.speed)


@torch.no_grad()
def _piece_nats(model: Model, pieces: Sequence[Piece]) -> list[Floats]:
    """(T,) nats of every step or event of each piece, the border behind events included, each piece from the initial state."""
    events, found = isinstance(model, LanguageModel), dict[int, Floats]()
    rows = [framed([piece], events)[0] for piece in pieces]
    rows = [np.append(row, BORDER) if events else row for row in rows]
    order = sorted(range(len(rows)), key=lambda k: len(rows[k]))
    for first in range(0, len(order), ROWS):
        places = order[first : first + ROWS]
        lengths = torch.tensor([len(rows[k]) - 1 for k in places])
        longest, state, parts = int(lengths.max()), model.initial(len(places)), list[Tensor]()
        padded = np.zeros((len(places), longest + 1, *rows[places[0]].shape[1:]), rows[places[0]].dtype)
        for row, k in enumerate(places):
            padded[row, : len(rows[k])] = rows[k]
        for t in range(0, longest, CHUNK):
            end = min(t + CHUNK, longest)
            x, y = _tensor(padded[:, t:end], model), _tensor(padded[:, t + 1 : end + 1], model)
            left = (lengths - t).clamp(0, x.shape[1]).to(x.device)
            said, after = model(x, state, left)
            state = states.where(left > 0, after, state)
            parts.append(_nats(model, said, y).double().cpu())
        nats = torch.cat(parts, 1).numpy() if parts else np.zeros((len(places), 0))
        found |= {k: nats[row, : int(lengths[row])] for row, k in enumerate(places)}
    return [found[k] for k in range(len(rows))]


def _nats(model: Model, said: Tensor, y: Tensor) -> Tensor:
    """(B, T) from what a model says and what followed."""
    if isinstance(model, RollModel):
        return model.nats(said, y)
    return F.cross_entropy(said.flatten(0, 1), y.flatten(), reduction="none").view(y.shape)


def _counted(options: Compose, nats: Floats) -> Floats:
    """Those that figures are made of: of rolls all but a piece's first step, which follows nothing."""
    return nats if _by_events(options) else nats[1:]


def _mean(rows: Sequence[Floats]) -> Mean:
    return Mean(tuple(float(row.sum()) for row in rows), tuple(len(row) for row in rows))


def _baselines(options: Compose, learnt: Sequence[Piece], asked: Sequence[Piece]) -> dict[str, float]:
    if not _by_events(options):
        rolls = [piece.roll() for piece in asked]
        return {name: float(nats(rolls).mean()) for name, nats in roll_baselines([p.roll() for p in learnt]).items()}
    ids = np.append(framed(asked, events=True)[0], BORDER)
    found = KneserNey(framed(learnt, events=True)[0], EVENTS, ORDERS).by_name(ids)
    return {name: float(nats[1:].mean()) for name, nats in found.items()}


def _measurable(data: Path, grid: int, notes: list[str]) -> list[Piece]:
    """All pieces of a file that can be read; what cannot is told."""
    found = read_pieces(data, grid)
    wrong = [each for _, each in found if isinstance(each, DataError)]
    pieces = [each for _, each in found if isinstance(each, Piece) and each.steps > 1]
    if not pieces:
        raise wrong[0] if wrong else DataError(f"{data}: no piece of two steps or more in it")
    if wrong:
        notes.append(f"{len(wrong):,} of the pieces left out; the first: {wrong[0]}")
    return pieces


def _first(path: Path, grid: int) -> Piece:
    for _, each in read_pieces(path, grid):
        if isinstance(each, DataError):
            raise each
        return each
    raise DataError(f"{path}: no piece in it to go on from")


def _rate(pieces: Sequence[Piece]) -> float:
    """Steps a second at which most of the music is played, about."""
    return float(np.median([piece.rate for piece in pieces]))


def _tensor(values: NDArray[Any], model: nn.Module) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(next(model.parameters()).device)


def _read(options: Compose, data: Path | None) -> MusicParts:
    if data is None:
        pieces = cadences()
        if _by_events(options):
            pieces = [piece.timed(SECOND) for piece in pieces]
        return split_music(CADENCES, pieces, options.held_out)
    return read_music(data, _grid(options), held_out=options.held_out)


def _kept(run: Run) -> MusicParts:
    parts = _read(_options(run), run.data)
    run.check_data(parts.fingerprint)
    return parts


def _passages(options: Compose, learnt: Sequence[Piece]) -> Passages:
    return Passages(
        learnt,
        events=_by_events(options),
        batch=options.batch,
        window=options.window,
        seed=options.seed,
        transpose=options.transpose,
        stretch=options.stretch,
    )


def _model(options: Compose) -> Model:
    size = options.embedding if _by_events(options) else KEYS
    if options.model == "transformer":
        layers: nn.Module = recipes.transformer(options, size)
    else:
        layers = recipes.stack(options, size, output_dropout=options.dropout)
    if options.output == "events":
        return LanguageModel(EVENTS, size, layers, options.hidden).to(recipes.device(options))
    how = {"output": options.output, "nade_hidden": options.nade_hidden}
    return RollModel(KEYS, layers, options.hidden, **how).to(recipes.device(options))  # type: ignore[arg-type]


def _opened(run: Run) -> Model:
    """The network with its best weights, for use."""
    model = _model(_options(run))
    run.fill(model)
    return model.eval()


def _figure(options: Compose) -> str:
    return "nats per event" if _by_events(options) else "nats per step"


def _by_events(options: Compose) -> bool:
    return options.output == "events"


def _grid(options: Compose) -> int:
    return 0 if _by_events(options) else options.grid


def _options(run: Run) -> Compose:
    assert isinstance(run.options, Compose)
    return run.options
