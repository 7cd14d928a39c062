"""Digits by pen and as images, and printed lines: accuracy and error rates beside what looks most alike.

Run: scripts/quality reading   (needs RECURRA_DATA; an hour on two cores)
Some of it: python -m benchmarks.quality.reading pendigits-lstm, or a group (pendigits, mnist, lines)
"""

import gzip
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.quality.trainings import Training, head, measure_all, naive, ran_on, row

__all__ = ["TRAININGS", "main", "mnist", "pages", "pendigits", "section"]

NAME = "reading"
OFFICIAL = 7_494  # of the rows of pendigits are learnt from: those of 30 writers; the others are of 14 other ones
DIGITS = "output=label hidden=160 channels=32 batch=64 tokens=100000 distortion=1.5 dropout=0.4 epochs=30 held_out=0.06"
IMAGES = "output=label height=28 hidden=128 batch=128 tokens=100000 distortion=0.5 epochs=6 channels=24 held_out=0.02"
LINES = "test=avicanon_007 height=32 hidden=128 batch=8 tokens=8000 distortion=0.5 epochs=40 channels=24 held_out=0.08"


def pendigits(data: Path, folder: Path) -> Path:
    """The official parts, which the one file holds one after the other."""
    with gzip.open(data / "pendigits" / "pendigits.csv.gz", "rt", encoding="utf-8") as lines:
        header, *rows = lines.read().splitlines()
    for part, some in (("train", rows[:OFFICIAL]), ("test", rows[OFFICIAL:])):
        (folder / f"{part}.csv").write_text("\n".join([header, *some]) + "\n")
    return folder


def mnist(data: Path, _: Path) -> Path:
    """The files as they are."""
    return data / "mnist"


def pages(data: Path, folder: Path) -> Path:
    """Four pages of an early print."""
    for path in sorted((data / "ocr_lines").glob("avicanon_*")):
        shutil.copyfile(path, folder / path.name)
    return folder


TRAININGS: dict[str, Training] = {
    "pendigits-lstm": Training(
        pendigits, DIGITS, elsewhere={"accuracy": {"nearest neighbour, as UCI says": 0.978}}, task="read"
    ),
    "pendigits-gru": Training(pendigits, f"{DIGITS} cell=gru", task="read"),
    "pendigits-transformer": Training(pendigits, f"{DIGITS} model=transformer layers=2", task="read"),
    "mnist-lstm": Training(mnist, IMAGES, task="read"),
    "lines-lstm": Training(pages, LINES, task="read"),
    "lines-streaming": Training(pages, f"{LINES} bidirectional=false", task="read"),
}
"""By name; what stands before the first hyphen is a group."""
TOLD = {
    "pendigits-lstm": "pen digits of other writers, LSTM",
    "pendigits-gru": "the same, GRU",
    "pendigits-transformer": "the same, Transformer",
    "mnist-lstm": "MNIST images, residual network and LSTM",
    "lines-lstm": "lines of an early print, a page held out",
    "lines-streaming": "the same, layers of one direction",
}
FIGURES = {"accuracy": ["pendigits", "mnist"], "character error rate": ["lines"], "word error rate": ["lines"]}


def main() -> None:
    """Train and measure what is named, or all; the figures of others stay as they were."""
    measure_all(NAME, "Reading digits and lines", TRAININGS)


def section(result: Mapping[str, Any]) -> str:
    """The part of docs/quality.md."""
    trainings = result["trainings"]
    lines = [
        f"## {result['title']}",
        "",
        f"{ran_on(result)} Accuracy and its interval are of the official test parts (Wilson, 95 %), error rates of one printed "
        "page, by a beam of 16 without a language model (bootstrap over lines). *Naive* is the best that needs no network. "
        "Minutes are those of the updates, one seed.",
        "",
        *head("data", "figure", "recurra", "95 % interval", "naive", "", "elsewhere", "updates", "minutes"),
    ]
    for name, found in trainings.items():
        for figure, groups in FIGURES.items():
            if name.partition("-")[0] in groups:
                lines.append(_told(TOLD[name], figure, found))
    return "\n".join(
        [*lines, "", "Options:", "", *(f"- {name}: `{found['options']}`" for name, found in trainings.items()), ""]
    )


def _told(told: str, figure: str, found: Mapping[str, Any]) -> str:
    metric = found["figures"][figure]
    best, value = next(iter(naive(metric).items()))
    low, high = metric["interval"]
    return row(
        told,
        figure,
        f"**{metric['value']:.4f}**",
        f"{low:.4f} to {high:.4f}",
        f"{value:.4f}",
        best,
        "; ".join(f"{who} {value}" for who, value in found["elsewhere"].get(figure, {}).items()),
        f"{found['updates']:,}",
        f"{found['minutes']:.1f}",
    )


if __name__ == "__main__":
    main()
