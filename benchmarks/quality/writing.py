"""Drawing with a pen: kanji, sheep, and numbers joined from pen digits, which are written on request and read back.

Run: scripts/quality writing   (needs RECURRA_DATA; an hour on two cores)
One of it: python -m benchmarks.quality.writing kanji
"""

import csv
import gzip
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import recurra
from benchmarks.quality.classification import single
from benchmarks.quality.reading import OFFICIAL
from benchmarks.quality.trainings import Training, head, measure_all, naive, ran_on, row
from recurra.data import read_drawings
from recurra.metrics import wilson
from recurra.report import keep_drawings
from recurra.tasks.runs import Run

__all__ = ["TRAININGS", "main", "numbers", "read_back", "section"]

NAME = "writing"
FIGURE = "nats per point"
LEARNT, MEASURED, MOST = 8_000, 500, 4  # numbers joined to learn from and to measure on, and digits of one at most
APART = 130  # from one digit to the next, where each is 100 wide
READ = "hidden=128 channels=32 batch=64 tokens=60000 epochs=12 distortion=1"
"""The task `read` that reads back, in words."""


def numbers(data: Path, folder: Path) -> Path:
    """Numbers of one to four pen digits side by side, those to measure on of other writers than those learnt from."""
    with gzip.open(data / "pendigits" / "pendigits.csv.gz", "rt", encoding="utf-8") as lines:
        rows = list(csv.reader(lines))[1:]
    draw = np.random.default_rng(0)
    for part, some, count in (("train", rows[:OFFICIAL], LEARNT), ("test", rows[OFFICIAL:], MEASURED)):
        with (folder / f"{part}.jsonl").open("w") as file:
            file.writelines(json.dumps(each) + "\n" for each in _joined(some, count, draw))
    return folder


def _joined(rows: list[list[str]], count: int, draw: np.random.Generator) -> Iterator[dict[str, Any]]:
    for _ in range(count):
        chosen = [rows[k] for k in draw.integers(0, len(rows), draw.integers(1, MOST + 1))]
        digits = [np.array(each[:-1], np.float64).reshape(-1, 2) + np.array([APART * k, 0]) for k, each in enumerate(chosen)]
        yield {"strokes": [digit.tolist() for digit in digits], "text": "".join(each[-1].strip() for each in chosen)}


def read_back(run: Run, source: Path) -> dict[str, Any]:
    """How many numbers are read as what was asked for: those that the run writes, and beside them those of people."""
    with tempfile.TemporaryDirectory() as scratch:
        reader = recurra.Read.parse(READ.split()).fit(source, out=Path(scratch) / "reader", show=False)
        texts = [one.text for one in read_drawings(source).test]
        written = [one for k, text in enumerate(texts) for one in run.generate(text=text, seed=k)]
        flipped = [one._replace(moves=one.moves * np.array([1, -1, 1], np.float32)) for one in written]  # as people's are
        told = keep_drawings(flipped, Path(scratch) / "written.jsonl")
        ours, theirs = (
            np.array([each["text"] for each in reader.predict(file)]) == np.array(texts)
            for file in (told, source / "test.jsonl")
        )
    return {"read back": {"written": _share(ours), "of people": _share(theirs), "count": len(texts), "options": READ}}


def _share(right: NDArray[np.bool_]) -> list[float]:
    return [float(right.mean()), *wilson(int(right.sum()), len(right))]


SKETCHES = "hidden=512 layers=1 batch=64 tokens=20000 lr=0.002"
TRAININGS: dict[str, Training] = {
    "kanji": Training(single("sketch_strokes", "kanji.npz", "short_kanji.npz"), f"{SKETCHES} epochs=20", task="write"),
    "sheep": Training(single("sketch_strokes", "sheep.npz", "aaron_sheep.npz"), f"{SKETCHES} epochs=8", task="write"),
    "numbers": Training(numbers, "upwards=true hidden=256 epochs=12", read_back, task="write"),
}
TOLD = {"kanji": "kanji, drawn freely", "sheep": "sheep, drawn freely", "numbers": "numbers of pen digits, told their text"}


def main() -> None:
    """Train and measure what is named, or all; the figures of others stay as they were."""
    measure_all(NAME, "Handwriting and sketches", TRAININGS)


def section(result: Mapping[str, Any]) -> str:
    """The part of docs/quality.md."""
    trainings = result["trainings"]
    lines = [
        f"## {result['title']}",
        "",
        f"{ran_on(result)} Nats of a point, its move in units of the deviation of all moves; *naive* is a Gaussian that knows "
        "whether the pen was lifted. Minutes are those of the updates, one seed.",
        "",
        *head("data", FIGURE, "95 % interval", "naive", "", "updates", "minutes"),
        *(_told(name, found) for name, found in trainings.items()),
        "",
    ]
    for found in trainings.values():
        if "read back" in found:
            back = found["read back"]
            ours, theirs = ("{:.1%} ({:.1%} to {:.1%})".format(*back[who]) for who in ("written", "of people"))
            lines += [
                f"Of {back['count']:,} numbers that were asked for, the task `read` (`{back['options']}`) reads {ours} as what "
                f"they should say; of those that people wrote {theirs}.",
                "",
            ]
    return "\n".join([*lines, "Options:", "", *(f"- {name}: `{found['options']}`" for name, found in trainings.items()), ""])


def _told(name: str, found: Mapping[str, Any]) -> str:
    metric = found["figures"][FIGURE]
    best, value = next(iter(naive(metric).items()))
    low, high = metric["interval"]
    told = f"**{metric['value']:.3f}**", f"{low:.3f} to {high:.3f}", f"{value:.3f}", best
    return row(TOLD[name], *told, f"{found['updates']:,}", f"{found['minutes']:.1f}")


if __name__ == "__main__":
    main()
