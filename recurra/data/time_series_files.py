"""Series with a label each: the .ts files of the UCR and UEA archives, arrays of numpy, nested lists of numbers."""

import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.corpus import as_written
from recurra.data.counts import told_count
from recurra.data.labels import Labelled, note
from recurra.errors import DataError

__all__ = ["label_text", "nested", "read_arrays", "read_ts", "series", "values"]

Floats = NDArray[np.float32]
ABSENT = {"", "?", "na", "nan", "n/a", "null", "none"}  # stand for a number that is not there, in small letters
LARGEST = float(np.finfo(np.float32).max)
INPUTS, LABELS, LENGTHS = ("x", "inputs", "data"), ("y", "labels", "label"), ("lengths", "length")


def read_ts(path: Path, encoding: str = "utf-8") -> Labelled:
    """The series of a ``.ts`` file: ``1,2,3:4,5,6:class``, a channel after the other and the class, or the number, at the end.

    Of the header, ``@timeStamps``, ``@classLabel`` and ``@targetLabel`` are read. ``?`` is a number that is not there.
    Source: Bagnall et al. 2018, arXiv:1811.00075.

    Raises:
        DataError: a file without ``@data``, with time stamps, ragged channels, or what is no number, with its line.
    """
    lines = as_written(path, encoding).splitlines()
    header: dict[str, list[str]] = {}
    start = next((k for k, line in enumerate(lines, 1) if line.strip().lower() == "@data"), None)
    for word, *rest in (line.split() for line in lines[:start] if line.startswith("@")):
        header[word.lower()] = rest
    if start is None:
        raise DataError(f"{path}: no line @data; wanted the header of a .ts file, and the series below it")
    if [word.lower() for word in header.get("@timestamps", [])[:1]] == ["true"]:
        raise DataError(f"{path}: its series have time stamps; wanted values alone, at even steps: leave the stamps out")
    said, *classes = header.get("@classlabel") or header.get("@targetlabel") or ["false"]
    labelled = said.lower() == "true"
    inputs, labels, rows = list[Floats](), list[str](), list[int]()
    for number, line in enumerate(lines[start:], start + 1):
        if not line.strip() or line.startswith(("#", "%")):
            continue
        place = f"{path}, line {number}"
        cells = line.strip().split(":")
        label = cells.pop().strip() if labelled else ""
        if classes and label not in {*classes, "?", ""}:
            raise DataError(f"{place}: class {label[:40]!r}; wanted one of the {len(classes)} that @classLabel names")
        channels = [values(f"{place}, channel {k}", cell.split(",") if cell.strip() else []) for k, cell in enumerate(cells, 1)]
        inputs.append(_together(place, channels))
        labels.append("" if label == "?" else label)
        rows.append(number)
        if inputs[-1].shape[1] != inputs[0].shape[1]:
            counts = f"{told_count(inputs[-1].shape[1], 'channel')}, {inputs[0].shape[1]} in line {rows[0]}"
            raise DataError(f"{place}: {counts}; wanted as many in every line")
    return series(Labelled(str(path), inputs, labels, rows), _names(inputs))


def read_arrays(path: Path) -> dict[str, Labelled]:
    """The series of a ``.npz`` file, by the part that they are of; all are to learn from where no part is named.

    ``x`` (N, T) or (N, T, C), ``y`` (N,), and ``lengths`` (N,) where series end before T; for files that bring their split
    ``x_train``, ``y_train``, ``x_test`` and so on, with ``val`` for looks during training. Objects are not read.

    Raises:
        DataError: a file without ``x``, arrays of other shapes, or no such file.
    """
    try:
        with path.open("rb") as raw, np.lib.npyio.NpzFile(raw, allow_pickle=False) as archive:
            arrays = {name.lower(): archive[name] for name in archive.files}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file or folder") from None
    except ValueError as error:
        raise DataError(f"{path}: {_line(error)}; wanted arrays of numbers, and labels of text or numbers") from None
    except (OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise DataError(f"{path}: cannot be read as .npz ({_line(error)}); wanted what numpy.savez writes") from None
    found = {}
    for part, endings in {"train": ("", "_train"), "validation": ("_val", "_valid", "_dev"), "test": ("_test",)}.items():
        taken = [
            next((arrays[name + end] for name in names for end in endings if name + end in arrays), None)
            for names in (INPUTS, LABELS, LENGTHS)
        ]
        if taken[0] is not None:
            found[part] = _of_arrays(path, *taken)
    if "train" not in found:
        raise DataError(
            f"{path}: there are {', '.join(sorted(arrays)) or 'no arrays'}; wanted x (N, T) or (N, T, C), and y (N,)"
        )
    return found


def _of_arrays(path: Path, x: Any, y: Any, lengths: Any) -> Labelled:
    if x.ndim not in {2, 3} or x.dtype.kind not in "biuf":
        raise DataError(f"{path}: x is {x.dtype} of shape {x.shape}; wanted numbers (N, T) or (N, T, C)")
    wrong = np.argwhere(np.abs(x.astype(np.float64)) > LARGEST)
    if len(wrong):
        place = f"{path}, series {wrong[0][0] + 1}, step {wrong[0][1] + 1}"
        raise DataError(f"{place}: no finite number in single precision; wanted one, or NaN where it is missing")
    x = x.astype(np.float32)[..., None] if x.ndim == 2 else x.astype(np.float32)
    count, longest, _ = x.shape
    for name, side in (("y", y), ("lengths", lengths)):
        if side is not None and side.shape not in {(count,), (count, 1)}:
            raise DataError(f"{path}: {name} has shape {side.shape}; wanted ({count},), as many as x has series")
    if lengths is not None and (lengths.dtype.kind not in "iu" or lengths.min() < 0 or lengths.max() > longest):
        raise DataError(f"{path}: lengths; wanted whole numbers from 0 to {longest}, the length of x")
    ends = [longest] * count if lengths is None else lengths.ravel().tolist()
    labels = [""] * count if y is None else [label_text(str(path), value) for value in y.ravel().tolist()]
    read = Labelled(str(path), [x[k, :end] for k, end in enumerate(ends)], labels, list(range(1, count + 1)), "series")
    return series(read, _names(read.inputs))


def nested(place: str, value: Any) -> tuple[Floats, tuple[str, ...]]:
    """A series from a list of numbers, a list of lists (T, C), or an object with a list for each channel; with names."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            if not isinstance(part, list):
                raise DataError(f"{place}, channel {name}: {str(part)[:40]!r}; wanted a list of numbers")
        channels = [values(f"{place}, channel {name}", part) for name, part in value.items()]
        return _together(place, channels), tuple(map(str, value))
    if not isinstance(value, list):
        raise DataError(f"{place}: {str(value)[:40]!r}; wanted a list of numbers, or of lists of numbers")
    if not any(isinstance(step, list) for step in value):
        return values(place, value)[:, None], ("value",)
    widths = [len(step) if isinstance(step, list) else 0 for step in value]
    odd = next((k for k, width in enumerate(widths) if width != widths[0] or not width), None)
    if odd is not None:
        came = told_count(widths[odd], "number")
        raise DataError(f"{place}: step {odd + 1} has {came}, step 1 has {widths[0]}; wanted as many in each")
    flat = values(place, [number for step in value for number in step])
    steps = flat.reshape(len(value), -1)
    return steps, _names([steps])


def values(place: str, found: Sequence[Any]) -> Floats:
    """(T,) numbers, NaN where there is none; `DataError` with the place of what is no number, or no finite one."""
    try:
        numbers = np.array(found, np.float64)
        if numbers.ndim == 1 and (np.abs(numbers) <= LARGEST).all():
            return numbers.astype(np.float32)
    except (ValueError, TypeError, OverflowError):
        pass
    return np.array([_number(f"{place}, step {k}", value) for k, value in enumerate(found, 1)], np.float32)


def _number(place: str, value: Any) -> float:
    if value is None or (isinstance(value, str) and value.strip().lower() in ABSENT):
        return math.nan
    try:
        number = float(value)
    except (ValueError, TypeError):
        raise DataError(f"{place}: {str(value)[:40]!r} is no number; wanted one, or ? where it is missing") from None
    except OverflowError:  # a whole number beyond double precision
        number = math.inf
    if abs(number) > LARGEST:
        raise DataError(f"{place}: {str(value)[:40]} is too large; wanted a finite number in single precision")
    return number


def series(read: Labelled, channels: tuple[str, ...]) -> Labelled:
    """The same without gaps: a number that is not there is the last one before it, at the start the first one behind it.

    Steps at the end at which no channel has a number are none: so series of unequal length are often written.
    """
    cut, gaps, void = list[int](), list[int](), list[int]()
    inputs = []
    for place, written in enumerate(read.inputs):
        there = ~np.isnan(written)
        end = len(written) if there.all() else int(np.append(0, np.flatnonzero(there.any(1)) + 1)[-1])
        there = there[:end]
        if end < len(written):
            cut.append(place)
        if not there.all():
            gaps.append(place)
        if end and not there.any(0).all():
            void.append(place)
        inputs.append(np.ascontiguousarray(written[:end] if there.all() else _carried(written[:end], there)))
    whole = replace(read, inputs=inputs, channels=channels)
    notes = note(whole, "with no number at the last steps", cut, "these steps are left out")
    notes += note(whole, "with missing numbers", gaps, "each is the last known before it")
    notes += note(whole, "with a channel without any number", void, "its numbers are 0")
    return replace(whole, notes=(*read.notes, *notes))


def _carried(values: Floats, there: NDArray[np.bool_]) -> Floats:
    last = np.maximum.accumulate(np.where(there, np.arange(len(values))[:, None], -1), axis=0)
    last = np.where(last < 0, there.argmax(0), last)
    return np.nan_to_num(np.take_along_axis(values, last, 0), nan=0.0)


def _together(place: str, channels: Sequence[Floats]) -> Floats:
    lengths = [len(channel) for channel in channels]
    if len(set(lengths)) > 1:
        odd = next(k for k, length in enumerate(lengths) if length != lengths[0])
        came = told_count(lengths[odd], "step")
        raise DataError(f"{place}: channel {odd + 1} has {came}, channel 1 has {lengths[0]}; wanted as many in each")
    if not channels:
        raise DataError(f"{place}: no channel; wanted numbers between commas")
    return np.stack(channels, axis=1)


def _names(inputs: Sequence[Floats]) -> tuple[str, ...]:
    count = inputs[0].shape[1] if inputs else 0
    return ("value",) if count == 1 else tuple(f"channel_{k}" for k in range(1, count + 1))


def label_text(place: str, value: Any) -> str:
    """A label as it is written: whole numbers without a point, nothing for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value).strip()
    raise DataError(f"{place}: the label is {str(value)[:40]!r}; wanted one word or number")


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:120]
