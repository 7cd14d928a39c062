"""The task `mask`: an encoder that learns from raw text to tell hidden symbols, for tasks with pairs to start from."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recurra.data import Masked, Masks, Streams, Symbols, lines, masked
from recurra.data.counts import told_count
from recurra.errors import UsageError
from recurra.metrics import Mean
from recurra.models import MaskedLanguageModel
from recurra.tasks import corpora, encoders, recipes
from recurra.tasks.evaluation import Evaluation, Figure, Held
from recurra.tasks.options import EvaluationOptions, Mask, MaskPrediction
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run
from recurra.train import Look, Loss

__all__ = ["Prediction", "begin", "evaluate", "predict", "setup", "setup_of"]

Prediction = MaskPrediction

JUDGED = "nats per masked symbol"
GAP = "[mask]"
"""What stands in the place of a symbol in a line that is to be filled in."""
SHARE, SEED = 0.15, 0  # of the symbols that are hidden where it is measured, whatever is in training; the same ones each time
LOOK = 50_000  # symbols of the held-out part that a look during training reads
SHOWN = 8  # of its hidden symbols, that it shows
READ = 16_000  # symbols of a batch that is only read
BLOCK = 75  # hidden symbols that stay together when intervals are resampled: those of 500


def begin(options: Mask, data: Path | None, out: Path | None) -> Run:
    """Read the data, learn the vocabulary, and make the run folder."""
    return corpora.begin(options, data, out, _model)


def setup(options: Mask, data: Path | None) -> Setup:
    """What there is to train, for whoever needs no run: reads the data, learns the vocabulary, makes no folder."""
    return _setup(options, corpora.parts(options, data))


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    return _setup(_options(run), corpora.kept(run))


def _setup(options: Mask, parts: corpora.Parts) -> Setup:
    symbols, learnt, held_out = parts
    torch.manual_seed(options.seed)
    model = _model(options, symbols)
    streams = Streams(symbols.encode(learnt), options.batch, options.window, options.seed)
    asked = _asked(options, symbols, held_out, "the held-out part")
    some = Masked(*(each[: max(1, LOOK // each.shape[1])] for each in asked))
    shown = some.y[some.chosen][:SHOWN].tolist()
    device = next(model.parameters()).device

    def update(batch: Masked, _: Any) -> Loss:
        x, y, chosen = (each.to(device) for each in batch)
        true = y[chosen]
        return Loss(F.cross_entropy(model(x, chosen), true), len(true))

    def look() -> Look:
        nats, told = _told(model, some)
        value = float(nats.mean())
        wanted, filled = (" ".join(repr(symbols.decode([k])) for k in each) for each in (shown, told[:SHOWN].tolist()))
        return Look(value, {"nats/masked": value}, f"wanted  {wanted}\nfilled  {filled}")

    return Setup(model, update, Masks(streams, len(symbols), options.share), streams.per_epoch, look)


def evaluate(run: Run, data: Path | None, chosen: EvaluationOptions) -> Evaluation:
    """How probable symbols are of which nothing is seen, and how many are told, beside n-grams that see all before them."""
    symbols, model = corpora.symbols(run), _trained(run)
    name, text, learnt, notes = corpora.asked(run, data)
    asked = _asked(_options(run), symbols, text, name)
    true = asked.y[asked.chosen].numpy()
    probable, right = dict[str, float](), dict[str, float]()
    if learnt:
        hidden = asked.chosen.flatten().numpy()
        found = corpora.ngrams(symbols, learnt, asked.y.flatten().numpy())
        probable = {who: float(nats[hidden].mean()) for who, nats in found.items()}
        right = {"most frequent symbol": float(np.mean(true == np.bincount(symbols.encode(learnt)).argmax()))}
    own = recipes.held(model, chosen.weights)
    ours, full = _scores(own, asked), None if own is model else _scores(model, asked)
    figures = []
    for k, (title, beside) in enumerate(((JUDGED, probable), ("accuracy", right))):
        mean, held = Mean.of(ours[k], BLOCK), None
        if full is not None:
            change = Mean.of(ours[k] - full[k], BLOCK)
            held = Held(chosen.weights, Mean.of(full[k], BLOCK).value, change.value, change.interval())
        figures.append(Figure(title, mean.value, mean.interval(), beside, held, higher=bool(k)))
    rows, steps = asked.y.shape
    unknown = int(np.count_nonzero(true == 0))
    read = f"{told_count(rows, 'window')} of {told_count(steps, 'symbol')}"
    notes.append(f"{read}, {len(true):,} of them hidden, {unknown:,} of these unknown")
    return Evaluation("mask", name, tuple(figures), tuple(notes))


def predict(run: Run, data: Path | None, how: MaskPrediction) -> Iterator[Mapping[str, Any]]:
    """What stands at each ``[mask]`` of each line of a file, the most probable symbols first; ``-`` reads what is typed."""
    if data is None:
        raise UsageError(f"{run.folder}: predict wants a file of lines with {GAP} in them: recurra predict {run.folder} FILE")
    return _lines(run, data, how)


def _lines(run: Run, data: Path, how: MaskPrediction) -> Iterator[Mapping[str, Any]]:
    symbols, options = corpora.symbols(run), _options(run)
    model = recipes.held(_trained(run), how.weights)
    never = [k for k in range(len(symbols)) if not k or "\n" in symbols.decode([k])]  # a line has no end inside
    for number, line in enumerate(lines(data, options.encoding), 1):
        ids = _gaps(symbols, line)
        places = np.flatnonzero(ids == len(symbols))
        if not len(places):
            yield {"line": number, "mask": None, "rank": None, "symbol": "", "probability": None, "text": line}
            continue
        windows = _around(places, len(ids), options.window)
        best, probabilities = _fill(model, ids[windows], places[:, None] == windows, never, how.best)
        ids[places] = best[:, 0]
        for k, (place, window) in enumerate(zip(places, windows, strict=True)):
            for rank, (symbol, probability) in enumerate(zip(best[k].tolist(), probabilities[k].tolist(), strict=True), 1):
                text = symbols.decode(np.where(window == place, symbol, ids[window]).tolist()).strip("\n")
                told = {"symbol": symbols.decode([symbol]), "probability": probability, "text": text}
                yield {"line": number, "mask": k + 1, "rank": rank} | told


def _gaps(symbols: Symbols, line: str) -> NDArray[np.int64]:
    """A line as symbols, gaps as the mask, with the end of a line before and behind it.

    Where symbols are pieces of words they begin with the blank before a word, so that one before a gap belongs to it.
    """
    newline, mask = symbols.encode("\n"), np.array([len(symbols)])
    end = newline if newline.all() else newline[:0]  # of a text of one line nothing is known about ends
    *before, last = line.split(GAP)
    pieces = symbols.unit in ("subword", "unigram")
    parts = [part for text in before for part in (symbols.encode(text.removesuffix(" ") if pieces else text), mask)]
    return np.concatenate([end, *parts, symbols.encode(last), end])


def _around(places: NDArray[np.int64], length: int, window: int) -> NDArray[np.int64]:
    """(N, W) the places of the window, of a sequence of this length, in whose middle each place is, as far as may be."""
    width = min(window, length)
    return np.clip(places - width // 2, 0, length - width)[:, None] + np.arange(width)


@torch.no_grad()
def _fill(
    model: MaskedLanguageModel, rows: NDArray[np.int64], chosen: NDArray[np.bool_], never: list[int], best: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(N, K) the most probable symbols of the gap that is chosen in each row (N, W), and their probabilities."""
    device, size = next(model.parameters()).device, max(1, READ // rows.shape[1])
    symbols, probabilities = list[Tensor](), list[Tensor]()
    for k in range(0, len(rows), size):
        logits = model(*(torch.from_numpy(side[k : k + size]).to(device) for side in (rows, chosen)))
        logits[:, never] = -torch.inf
        found = logits.softmax(1).topk(min(best, logits.shape[1] - len(never)), dim=1)
        symbols.append(found.indices.cpu())
        probabilities.append(found.values.cpu())
    return torch.cat(symbols).numpy(), torch.cat(probabilities).numpy()


def _scores(model: MaskedLanguageModel, asked: Masked) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N,) nats of each hidden symbol, and 1 where it is told."""
    nats, told = _told(model, asked)
    return nats, (told == asked.y[asked.chosen].numpy()).astype(np.float64)


@torch.no_grad()
def _told(model: MaskedLanguageModel, asked: Masked) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(N,) nats of each hidden symbol, and the symbol that is most probable there."""
    device, training = next(model.parameters()).device, model.training
    model.eval()
    nats, told = list[Tensor](), list[Tensor]()
    rows = max(1, READ // asked.y.shape[1])
    for k in range(0, len(asked.y), rows):
        x, y, chosen = (each[k : k + rows] for each in asked)
        logits = model(x.to(device), chosen.to(device))
        nats.append(F.cross_entropy(logits, y[chosen].to(device), reduction="none").cpu())
        told.append(logits.argmax(1).cpu())
    model.train(training)
    return torch.cat(nats).double().numpy(), torch.cat(told).numpy()


def _asked(options: Mask, symbols: Symbols, text: str, name: str) -> Masked:
    """The windows of a text, end to end, some of whose symbols are hidden: always the same ones, and always by the mask."""
    ids = corpora.measurable(symbols.encode(text), name)
    steps = min(options.window, len(ids))
    rows = torch.from_numpy(ids[: len(ids) // steps * steps].reshape(-1, steps))
    return masked(rows, len(symbols), SHARE, np.random.default_rng(SEED), hidden=1.0, other=0.0)


def _options(run: Run) -> Mask:
    assert isinstance(run.options, Mask)
    return run.options


def _model(options: Mask, symbols: Symbols) -> MaskedLanguageModel:
    read = encoders.vectors(len(symbols) + 1, options.embedding)
    return MaskedLanguageModel(encoders.encoder(options, read), options.hidden, len(symbols)).to(recipes.device(options))


def _trained(run: Run) -> MaskedLanguageModel:
    model = _model(_options(run), corpora.symbols(run))
    run.fill(model)
    return model.eval()
