"""Labels of sentences, reviews, names, series, DNA and skeletons: accuracy beside what needs no network.

Run: scripts/quality classification   (needs RECURRA_DATA; hours on two cores)
One of it: python -m benchmarks.quality.classification text-sst2-0, or a group (text, text-sst2, reviews, series, dna ...)
"""

import csv
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import recurra
from benchmarks.quality.trainings import Made, Training, head, measure_all, naive, ran_on, row
from recurra.data import read_labelled
from recurra.metrics import few_mean

__all__ = [
    "FOLDS",
    "SUBJECTS",
    "TRAININGS",
    "dna",
    "linked",
    "main",
    "names",
    "pretrained",
    "section",
    "series",
    "single",
    "skeletons",
]

NAME = "classification"
FIGURE = "accuracy"
SEEDS = (0, 1, 2)
FOLDS = range(10)  # of DNA
SUBJECTS = range(1, 11)  # of the skeletons
SEEN = 3  # the joint in the middle of a body, relative to which a skeleton is given
SENTENCES = "unit=word average=0.99 epochs=5"
REVIEWS = "unit=word vocabulary=20000 embedding=128 hidden=128 dropout=0.5 longest=400 tokens=16000 epochs=4 held_out=0.08"
PRETRAINED = "longest=400 tokens=16000 dropout=0.4 epochs=3 lr=0.002 held_out=0.08"
LANGUAGE = "unit=word vocabulary=20000 embedding=128 hidden=256 layers=1 cell=gru epochs=4 batch=32 held_out=0.02"
SERIES = "hidden=128 dropout=0.3 epochs=150 batch=16 lr=0.003"
BASES = "unit=character embedding=32 hidden=128 convolution=7 dropout=0.4 word_dropout=0.4 epochs=40 batch=64 lr=0.003"
BODIES = "hidden=128 dropout=0.4 epochs=60 batch=16 lr=0.003"
PUBLISHED = {
    "ArrowHead": 0.91,
    "GunPoint": 1.0,
}
"""Accuracy of LSTM-FCN on the archive's own split (arXiv:1709.05206), recalled, not looked up."""
SETS = (
    *("ACSF1", "ArrowHead", "BasicMotions", "GunPoint", "ItalyPowerDemand", "JapaneseVowels", "OSULeaf"),
    "PickupGestureWiimoteZ",
)


def linked(where: str, files: Mapping[str, str]) -> Made:
    """Links to files of a data set, under the names by which parts are known."""

    def made(data: Path, folder: Path) -> Path:
        for name, file in files.items():
            (folder / name).symlink_to((data / where / file).resolve())
        return folder

    return made


def single(where: str, name: str, file: str) -> Made:
    """A link to one file of a data set, under a name that says what is in it."""

    def made(data: Path, folder: Path) -> Path:
        return linked(where, {name: file})(data, folder) / name

    return made


def names(data: Path, _: Path) -> Path:
    """A file for each language."""
    return data / "names_by_language" / "names"


def series(name: str) -> Made:
    """One set of the archive, in its own parts."""

    def made(data: Path, folder: Path) -> Path:
        for path in sorted((data / "ucr_small").glob(f"{name}_*")):
            (folder / path.name).symlink_to(path.resolve())
        return folder

    return made


def dna(fold: int) -> Made:
    """Splice junctions in ten parts, one to measure on; equal sequences stand in the same part."""

    def made(data: Path, folder: Path) -> Path:
        with (data / "dna_splice" / "splice.csv").open(newline="", encoding="utf-8") as lines:
            rows = [(each["label"].strip(), each["sequence"].strip()) for each in csv.DictReader(lines)]
        places = {bases: k for k, bases in enumerate(sorted({bases for _, bases in rows}))}
        part = np.random.default_rng(0).permutation(len(places)) % len(FOLDS)
        for name, held_out in (("train", False), ("test", True)):
            _table(folder / f"{name}.csv", [each for each in rows if (part[places[each[1]]] == fold) == held_out])
        return folder

    return made


def _table(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    path.write_text("".join(["label,text\n", *(f"{label},{text}\n" for label, text in rows)]))


def skeletons(subject: int) -> Made:
    """Actions of ten people, one of whom is measured on and never learnt from."""

    def made(data: Path, folder: Path) -> Path:
        parts = defaultdict[str, list[tuple[str, NDArray[np.float32]]]](list)
        for who, label, frames in _actions(data / "utkinect_skeleton"):
            parts["test" if who == subject else "train"].append((label, frames))
        arrays: dict[str, Any] = {}
        for part, rows in parts.items():
            lengths = np.array([len(frames) for _, frames in rows])
            x = np.zeros((len(rows), lengths.max(), rows[0][1].shape[1]), np.float32)
            for k, (_, frames) in enumerate(rows):
                x[k, : len(frames)] = frames
            arrays |= {f"x_{part}": x, f"y_{part}": np.array([label for label, _ in rows]), f"lengths_{part}": lengths}
        np.savez(folder / "actions.npz", **arrays)
        return folder / "actions.npz"

    return made


def _actions(folder: Path) -> Iterator[tuple[int, str, NDArray[np.float32]]]:
    """Who does what, and where the joints are in each frame, relative to the middle of the body."""
    with tarfile.open(folder / "joints.tar.xz") as archive:
        joints = {}
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            joints[Path(member.name).stem.removeprefix("joints_")] = np.loadtxt(file)
    recording = ""
    for line in (folder / "actionLabel.txt").read_text().splitlines():
        if re.fullmatch(r"s\d\d_e\d\d", line.strip()):
            recording = line.strip()
        elif ends := re.fullmatch(r"(\w+):\s*(\d+)\s+(\d+)\s*", line):
            rows = joints[recording]
            rows = rows[(int(ends[2]) <= rows[:, 0]) & (rows[:, 0] <= int(ends[3]))]
            bodies = rows[:, 1:].reshape(len(rows), -1, 3)
            bodies = bodies - bodies[:, SEEN : SEEN + 1]
            if len(bodies):
                yield int(recording[1:3]), ends[1], bodies.reshape(len(rows), -1).astype(np.float32)


def pretrained(data: Path, folder: Path) -> Path:
    """The reviews, and beside them a language model of the texts that are learnt from, without their labels."""
    made = linked("imdb", {"train.jsonl.xz": "imdb.train.jsonl.xz", "test.jsonl.xz": "imdb.test.jsonl.xz"})(data, folder)
    texts = read_labelled(folder / "train.jsonl.xz", held_out=0.01).learnt.inputs
    (raw := folder.parent / "reviews.txt").write_text("".join(f"{' '.join(text.split())}\n" for text in texts))
    recurra.Text.parse(LANGUAGE.split()).fit(raw, out=folder.parent / "language")
    return made


STANFORD = {f"{part}.txt{end}": f"stsa.binary.{part}{end}" for part, end in (("train", ".gz"), ("dev", ""), ("test", ""))}
WHERE = "sentence_classification"
TRAININGS: dict[str, Training] = {
    **{
        f"text-sst2-{seed}": Training(
            linked(WHERE, STANFORD),
            f"{SENTENCES} seed={seed}",
            elsewhere={FIGURE: {"plain torch BiLSTM, measured": 0.806}},
            task="classify",
        )
        for seed in SEEDS
    },
    **{
        f"text-mr-{seed}": Training(
            single(WHERE, "reviews.txt.gz", "rt-polarity.all.gz"),
            f"{SENTENCES} encoding=latin-1 held_out=0.1 seed={seed}",
            task="classify",
        )
        for seed in SEEDS
    },
    **{
        f"text-trec-{seed}": Training(
            linked(WHERE, {"train.txt": "TREC.train.all", "test.txt": "TREC.test.all"}),
            f"{SENTENCES} encoding=latin-1 held_out=0.1 seed={seed}",
            task="classify",
        )
        for seed in SEEDS
    },
    "text-names-0": Training(names, "unit=character embedding=64 hidden=256 dropout=0.4 epochs=12 lr=0.003", task="classify"),
    "reviews-plain-0": Training(
        linked("imdb", {"train.jsonl.xz": "imdb.train.jsonl.xz", "test.jsonl.xz": "imdb.test.jsonl.xz"}),
        REVIEWS,
        elsewhere={FIGURE: {"LSTM, recalled": 0.865}},
        task="classify",
    ),
    "reviews-pretrained-0": Training(pretrained, f"encoder={{beside}}/language {PRETRAINED}", task="classify"),
    **{
        f"series-{name}-{seed}": Training(
            series(name),
            f"{SERIES} held_out=0.15 seed={seed}",
            elsewhere={FIGURE: {"LSTM-FCN, recalled": PUBLISHED[name]}} if name in PUBLISHED else {},
            task="classify",
        )
        for name in SETS
        for seed in SEEDS
    },
    **{f"dna-splice-{fold}": Training(dna(fold), f"{BASES} held_out=0.1", task="classify") for fold in FOLDS},
    **{f"skeletons-subject-{who}": Training(skeletons(who), f"{BODIES} held_out=0.1", task="classify") for who in SUBJECTS},
}
"""By name; before the last hyphen stands a row of the table, behind it the seed, the fold, or who was left out."""
TOLD = {
    "text-sst2": "SST-2, sentences only",
    "text-mr": "MR, a tenth held out",
    "text-trec": "TREC, six classes",
    "text-names": "names of 18 languages, a fifth held out",
    "reviews-plain": "IMDB",
    "reviews-pretrained": "IMDB, starting as a language model of its learning part",
    **{f"series-{name}": name for name in SETS},
    "dna-splice": "DNA splice junctions, ten folds",
    "skeletons-subject": "UTKinect actions, each person left out once",
}


def main() -> None:
    """Train and measure what is named, or all; the figures of others stay as they were."""
    measure_all(NAME, "Labels of sequences", TRAININGS)


def section(result: Mapping[str, Any]) -> str:
    """The part of docs/quality.md."""
    rows = defaultdict[str, list[Any]](list)
    for name, found in result["trainings"].items():
        rows[name.rpartition("-")[0]].append(found)
    lines = [
        f"## {result['title']}",
        "",
        f"{ran_on(result)} Accuracy on the test part. Of several trainings (seeds, folds, people) the mean, with Student's "
        "95 % interval; of one, Wilson's. *Naive* is the best that needs no network, on the same data; minutes are those of "
        "the updates of one training.",
        "",
        *head("data", "trainings", FIGURE, "95 % interval", "naive", "", "elsewhere", "minutes"),
        *(_row(TOLD[kind], found) for kind, found in rows.items()),
        "",
        "Options:",
        "",
        *(f"- {kind}: `{re.sub(' seed=[0-9]+', '', found[0]['options'])}`" for kind, found in rows.items()),
        "",
    ]
    return "\n".join(lines)


def _row(told: str, found: list[Any]) -> str:
    metrics = [each["figures"][FIGURE] for each in found]
    values = [metric["value"] for metric in metrics]
    mean, low, high = few_mean(values) if len(values) > 1 else (values[0], *metrics[0]["interval"])
    best, _ = next(iter(naive(metrics[0]).items()))
    beside = float(np.mean([metric["baselines"][best] for metric in metrics]))
    return row(
        told,
        len(found),
        f"**{mean:.4f}**",
        f"{low:.4f} to {high:.4f}",
        f"{beside:.4f}",
        best,
        "; ".join(f"{who} {value}" for who, value in found[0]["elsewhere"].get(FIGURE, {}).items()),
        f"{float(np.mean([each['minutes'] for each in found])):.1f}",
    )


if __name__ == "__main__":
    main()
