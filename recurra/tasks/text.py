"""The task `text`: a recurrent language model of characters, words or byte pairs; or a Transformer, to compare with."""

import math
from collections.abc import Iterator, Mapping
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra import state as states
from recurra.data import Streams, Symbols, Window, read_file
from recurra.data.counts import told_count
from recurra.decode import Sampling, sample
from recurra.errors import DataError, NumericError, UsageError
from recurra.layers import Recurrent
from recurra.losses import NextSymbol
from recurra.metrics import Mean
from recurra.models import LanguageModel
from recurra.tasks import corpora, recipes
from recurra.tasks.evaluation import Evaluation, Figure, Held
from recurra.tasks.options import EvaluationOptions, Text, TextGeneration, TextPrediction
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run
from recurra.train import Look, Loss, forced

__all__ = ["Generation", "Prediction", "begin", "evaluate", "generate", "opened", "predict", "setup", "setup_of"]

Generation, Prediction = TextGeneration, TextPrediction

COLD = 0.05  # share of windows that begin at zero all the same: so does every text that is written or measured later
LOOK = 150_000  # symbols of the held-out part that a look during training reads
SAMPLE = TextGeneration.parse(["length=160"])  # written at each look
LOOK_ROWS = 32  # how many rows it reads side by side
ROW = 150_000  # symbols that the measurement at the end reads in one row, its state carried along
WINDOW = 256  # symbols of a window in the windowed measurement
BLOCK = 500  # symbols that stay together when intervals are resampled


def begin(options: Text, data: Path | None, out: Path | None) -> Run:
    """Read the data, learn the vocabulary, and make the run folder."""
    return corpora.begin(options, data, out, _model)


def setup(options: Text, data: Path | None) -> Setup:
    """What there is to train, for whoever needs no run: reads the data, learns the vocabulary, makes no folder."""
    return _setup(options, corpora.parts(options, data))


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    return _setup(_options(run), corpora.kept(run))


def _setup(options: Text, parts: corpora.Parts) -> Setup:
    symbols, learnt, held_out = parts
    torch.manual_seed(options.seed)
    model = _model(options, symbols)
    streams = Streams(symbols.encode(learnt), options.batch, options.window, options.seed)
    held_out_ids = symbols.encode(held_out)
    ids, scale = held_out_ids[:LOOK], _bits_per(symbols, held_out, len(held_out_ids))
    loss, device = NextSymbol(options.smoothing), next(model.parameters()).device
    start = model.initial(streams.batch)

    def update(batch: tuple[Window, float], carry: Any) -> Loss:
        window, share = batch
        cold = torch.rand(streams.batch, device=device) < (1 if window.fresh or not options.carry else COLD)
        logits, state = forced(model, window.x.to(device), share, state=states.where(cold, start, carry))
        return Loss(loss(logits, window.y.to(device)), window.x.numel(), state)

    def look() -> Look:
        bits = float(_nats(model, ids, math.ceil(len(ids) / LOOK_ROWS)).mean()) * scale
        try:
            written = "".join(_write(model, symbols, SAMPLE))
        except NumericError:  # the training diverges; it notices that by itself
            written = ""
        return Look(bits, {f"bits/{_measured_in(symbols)}": bits}, written)

    return Setup(model, update, recipes.forcing(options, streams, streams.per_epoch), streams.per_epoch, look, start)


def evaluate(run: Run, data: Path | None, chosen: EvaluationOptions) -> Evaluation:
    """Bits per character (or word) with the state carried along, and in windows from zero, beside n-grams."""
    symbols, model = corpora.symbols(run), opened(run)
    name, text, learnt, notes = corpora.asked(run, data)
    ids = corpora.measurable(symbols.encode(text), name)
    scale, unit = _bits_per(symbols, text, len(ids)), _measured_in(symbols)
    unknown = int(np.count_nonzero(ids == 0))
    there = f"{told_count(len(text), 'character')}, {told_count(len(ids), 'symbol')}"
    notes.append(f"{there} of {len(symbols):,}, {unknown:,} of them unknown")
    found = corpora.ngrams(symbols, learnt, ids) if learnt else {}
    baselines = {who: float(nats[1:].mean()) * scale for who, nats in found.items()}
    own, figures = recipes.held(model, chosen.weights), []
    for how, row in (("state carried", ROW), (f"windows of {WINDOW} from zero", WINDOW)):
        bits = _nats(own, ids, row) * scale
        mean, held = Mean.of(bits, BLOCK), None
        if own is not model:
            full = _nats(model, ids, row) * scale
            change = Mean.of(bits - full, BLOCK)
            held = Held(chosen.weights, Mean.of(full, BLOCK).value, change.value, change.interval())
        figures.append(Figure(f"bits per {unit}, {how}", mean.value, mean.interval(), baselines, held))
    return Evaluation("text", name, tuple(figures), tuple(notes))


def predict(run: Run, data: Path | None, _: TextPrediction) -> Iterator[Mapping[str, Any]]:
    """Bits per character of each line of a file, every line read on its own."""
    if data is None:
        raise UsageError(f"{run.folder}: predict wants a file of lines: recurra predict {run.folder} FILE")
    return _lines(run, data)


def _lines(run: Run, data: Path) -> Iterator[Mapping[str, Any]]:
    symbols, model = corpora.symbols(run), opened(run)
    start = _start(symbols)
    text = StringIO(read_file(data, _options(run).encoding))  # only line feeds end its lines
    lines = enumerate((line.removesuffix("\n") for line in text), 1)
    while batch := list(islice(lines, LOOK_ROWS)):
        rows = [np.concatenate([start, symbols.encode(line)]) for _, line in batch]
        for (number, line), row, nats in zip(batch, rows, _row_nats(model, rows), strict=True):
            bits = float(nats.sum()) / math.log(2)
            yield {
                "line": number,
                "bits_per_character": bits / len(line) if line else None,
                "characters": len(line),
                "unknown": int(np.count_nonzero(row == 0)),
            }


def generate(run: Run, options: TextGeneration) -> Iterator[str]:
    """Write text, piece by piece, beginning with the prompt."""
    symbols = corpora.symbols(run)
    strange = symbols.refuse(options.prompt)
    if strange:
        raise DataError(f"prompt: {strange}")
    model = recipes.held(opened(run), options.weights)
    yield symbols.decode(symbols.encode(options.prompt).tolist())  # as the model read it
    yield from _write(model, symbols, options)


def _write(model: LanguageModel, symbols: Symbols, options: TextGeneration) -> Iterator[str]:
    sampling = Sampling(options.repetition, options.temperature, options.top_k, options.top_p, options.min_p, options.typical)
    device = next(model.parameters()).device
    prompt = symbols.encode(options.prompt)
    prompt = prompt if len(prompt) else _start(symbols)
    generator = torch.Generator(device).manual_seed(options.seed)
    before = prompt.tolist()
    compiled = all(layer.engine.name == "sweep" for layer in model.modules() if isinstance(layer, Recurrent))
    step = model.stepper(options.weights) if compiled or options.weights != "full" else None
    drawn = sample(model, torch.from_numpy(prompt)[None].to(device), sampling, generator, never=(0,), step=step)
    for symbol in islice(drawn, options.length):
        yield symbols.tail(before, int(symbol))
        before.append(int(symbol))


def _nats(model: LanguageModel, ids: NDArray[np.int64], row: int) -> NDArray[np.float64]:
    """Nats of every symbol but the first, read in rows of `row` symbols, each from the initial state."""
    starts = range(0, len(ids) - 1, row)
    rows = [ids[start : start + row + 1] for start in starts]
    batches = [rows[k : k + LOOK_ROWS] for k in range(0, len(rows), LOOK_ROWS)]
    return np.concatenate([nats for batch in batches for nats in _row_nats(model, batch)])


def _row_nats(model: LanguageModel, rows: list[NDArray[np.int64]]) -> list[NDArray[np.float64]]:
    """Nats of every symbol of every row but the first, `WINDOW` steps at a time, the state carried along."""
    device = next(model.parameters()).device
    lengths = torch.tensor([len(row) - 1 for row in rows])
    padded = torch.zeros(len(rows), int(lengths.max()) + 1, dtype=torch.long)
    for k, row in enumerate(rows):
        padded[k, : len(row)] = torch.from_numpy(row)
    state, pieces = model.initial(len(rows)), list[Tensor]()
    for t in range(0, int(lengths.max()), WINDOW):
        x, y = padded[:, t : t + WINDOW], padded[:, t + 1 : t + 1 + WINDOW]
        left = (lengths - t).clamp(0, y.shape[1])
        nats, state = model.nats(x[:, : y.shape[1]].to(device), y.to(device), state, left.to(device))
        pieces.append(nats.cpu())
    whole = torch.cat(pieces, dim=1).double().numpy() if pieces else np.zeros((len(rows), 0))
    return [whole[k, :length] for k, length in enumerate(lengths.tolist())]


def _bits_per(symbols: Symbols, text: str, count: int) -> float:
    """From nats per symbol, of which the text has `count`, to bits per character, or per word where symbols are words."""
    return count / (len(text) if _measured_in(symbols) == "character" else count) / math.log(2)


def _measured_in(symbols: Symbols) -> str:
    return "word" if symbols.unit == "word" else "character"


def _start(symbols: Symbols) -> NDArray[np.int64]:
    """The end of a line, which is how a line begins; the first symbol where no line was ever ended."""
    newline = symbols.encode("\n")
    return newline if newline.all() else np.ones(1, np.int64)


def _options(run: Run) -> Text:
    assert isinstance(run.options, Text)
    return run.options


def _model(options: Text, symbols: Symbols) -> LanguageModel:
    if options.model == "transformer":
        layers: nn.Module = recipes.transformer(options, options.embedding)
    else:
        layers = recipes.stack(options, options.embedding, output_dropout=options.dropout)
    model = LanguageModel(
        len(symbols),
        options.embedding,
        layers,
        options.hidden,
        tied=options.tied,
        embedding_dropout=options.embedding_dropout,
        word_dropout=options.word_dropout,
    )
    return model.to(recipes.device(options))


def opened(run: Run) -> LanguageModel:
    """The network with its best weights, for use."""
    model = _model(_options(run), corpora.symbols(run))
    run.fill(model)
    return model.eval()
