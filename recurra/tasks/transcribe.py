"""The task `transcribe`: recordings in, what is said in them out; whole, or while it is said."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from recurra.data import TranscribedParts
from recurra.data.lines import STANDARD_INPUT
from recurra.data.recordings import find_recordings
from recurra.data.resampling import Resampler
from recurra.errors import DataError, UsageError
from recurra.tasks import hearing, told, transcripts
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.listening import Stream
from recurra.tasks.options import EvaluationOptions, Transcribe, TranscribePrediction
from recurra.tasks.placed import Placed, find_places
from recurra.tasks.recipes import Setup
from recurra.tasks.runs import Run

__all__ = ["Listener", "Prediction", "begin", "evaluate", "placed", "predict", "setup", "setup_of", "stream"]

Prediction = TranscribePrediction

CHUNK = 0.25  # seconds of what is typed that are heard at a time where nobody says it


def begin(options: Transcribe, data: Path | None, out: Path | None) -> Run:
    """Hear the recordings, learn the vocabulary, and make the run folder."""
    options, parts = hearing.read(options, data)
    return told.by(options).begin(options, parts, hearing.kind(options, parts.learnt), data, out)


def setup(options: Transcribe, data: Path | None) -> Setup:
    """What there is to train, for whoever needs no run: hears the data, makes no folder."""
    options, parts = hearing.read(options, data)
    return told.by(options).setup(options, parts, hearing.kind(options, parts.learnt))


def setup_of(run: Run) -> Setup:
    """What a run trains, from the data that it learns from."""
    parts = _parts(run)
    return told.by(_options(run)).setup_of(run, parts, hearing.kind(_options(run), parts.learnt))


def evaluate(run: Run, data: Path | None, chosen: EvaluationOptions) -> Evaluation:
    """Errors in characters and words, or in labels, beside the most frequent one and that of the recording most alike."""
    options, parts = _options(run), _parts(run)
    asked, notes = (parts.test, []) if data is None else hearing.told(options, data)
    return told.by(options).evaluate(run, parts.learnt, asked, hearing.kind(options), chosen, notes)


def placed(run: Run, count: int) -> list[Placed]:
    """Where in some of the recordings that the run was measured on each symbol is heard that it writes."""
    options = _options(run)
    return find_places(run, hearing.kind(options), _parts(run).test, count, "seconds", options.rate)


def predict(run: Run, data: Path | None, how: TranscribePrediction) -> Iterator[Mapping[str, Any]]:
    """What is said in a file of sound, or in all of a table, an archive, a folder; ``-`` hears raw samples as they come."""
    if data is None:
        raise UsageError(
            f"{run.folder}: predict wants sound: recurra predict {run.folder} FILE, a folder, or - for raw samples"
        )
    options = _options(run)
    kind = hearing.kind(options)
    if options.output == "label" and (data == STANDARD_INPUT or how.chunk):
        raise UsageError(f"{run.folder}: a label is told of whole recordings; wanted a file or folder, without chunk")
    if data == STANDARD_INPUT:
        return _told(run, how, [({"file": "-"}, hearing.typed(options.rate, how.chunk or CHUNK))])
    found = find_recordings(data, options.audio, options.text, encoding=options.encoding)
    if how.chunk:
        return _told(run, how, hearing.in_pieces(options, found, how.chunk))
    return told.by(options).predict(run, kind, hearing.whole(options, found), how)


def stream(run: Run, rate: int = 0, **how: Any) -> "Listener":
    """The run, to be fed samples; `rate` is how many a second there will be, 0 the run's own."""
    options = _options(run)
    if options.output == "label":
        raise UsageError(f"{run.folder}: a label is told of whole recordings; wanted run.predict, or a run with output=text")
    inner = Stream(transcripts.opened(run, hearing.kind(options)), TranscribePrediction(**how))
    return Listener(inner, rate or options.rate, options.rate)


@final
class Listener:
    """A run of the task `transcribe`, fed sound piece by piece; ``run.stream()`` makes one.

    Pieces of any size say in the end what the whole says.

    Example:
        >>> import recurra
        >>> listener = recurra.load("runs/digits").stream(beam=1)  # doctest: +SKIP
        >>> for piece in microphone:                               # doctest: +SKIP
        ...     print(listener.feed(piece))
        >>> print(listener.finish())                               # doctest: +SKIP
    """

    def __init__(self, inner: Stream, rate: int, wanted: int) -> None:
        self._inner, self._resampler = inner, Resampler(rate, wanted)
        self._state = self._resampler.initial()

    def feed(self, samples: NDArray[Any]) -> str:
        """Hear the next samples (N,), between -1 and 1, and give back the text as it now seems."""
        piece = np.asarray(samples, np.float32)
        if piece.ndim != 1 or not np.isfinite(piece).all():
            raise DataError(f"samples are {piece.shape}; wanted (N,), finite numbers, one channel")
        made, self._state = self._resampler(piece, self._state)
        return self._inner.feed(made[:, None])

    def finish(self) -> str:
        """The text, as nothing follows."""
        return self._inner.feed(self._resampler.last(self._state)[:, None])

    @property
    def certain(self) -> str:
        """How the text begins, whatever follows."""
        return self._inner.certain


def _told(
    run: Run, how: TranscribePrediction, sounds: Iterable[tuple[Mapping[str, Any], Iterator[NDArray[np.float32]]]]
) -> Iterator[Mapping[str, Any]]:
    """A row for each piece: what was said so far as it now seems, and how much of that is certain."""
    options = _options(run)
    opened = transcripts.opened(run, hearing.kind(options))
    for about, samples in sounds:
        inner, heard = Stream(opened, how), 0
        for piece in samples:
            text = inner.feed(piece[:, None])
            heard += len(piece)
            yield {**about, "seconds": round(heard / options.rate, 3), "text": text, "certain": inner.certain}


def _parts(run: Run) -> TranscribedParts:
    _, parts = hearing.read(_options(run), run.data)
    run.check_data(parts.fingerprint)
    return parts


def _options(run: Run) -> Transcribe:
    assert isinstance(run.options, Transcribe)
    return run.options
