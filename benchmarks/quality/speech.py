"""Spoken digits, one by one and joined, speakers that were never heard, yes and no: what is wrong, and what streaming costs.

Run: scripts/quality speech   (needs RECURRA_DATA; an hour on two cores)
Some of it: python -m benchmarks.quality.speech yesno, or a group (digits, digits-without)
"""

import random
import tarfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.quality.trainings import Made, Training, head, measure_all, naive, ran_on, row
from recurra.data import find_recordings, read_sound
from recurra.tasks.runs import Run

__all__ = [
    "SPEAKERS",
    "TRAININGS",
    "alone",
    "digits",
    "joined",
    "labelled",
    "main",
    "official",
    "section",
    "streamed",
    "without",
    "yes_no",
]

NAME = "speech"
FIGURES = ("word error rate", "accuracy")
"""The first of them that a training has is told."""
RATE = 8000
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
STRINGS = {"train": 1500, "test": 200}  # joined from the recordings of each part
FEWEST, MOST = 3, 7  # digits of a string
PAUSE = 0.2  # seconds between two digits at most
CHUNK = 0.1  # seconds that are heard at a time
HEARD = 60  # seconds that tell what streaming costs
DIGITS = "unit=word stride=8 bidirectional=true hidden=128 layers=1 dropout=0.3 epochs=30 speeds=true"
LABELS = "output=label normalise=whole-level front=resnet bidirectional=true hidden=128 layers=1 dropout=0.4 masks=2 epochs=16"
STRUNG = "unit=word stride=8 hidden=128 layers=1 dropout=0.3 epochs=30 speeds=true"
YES_NO = "unit=word cell=lstm stride=8 hidden=64 layers=1 batch=4 epochs=100 lr=0.003 held_out=0.2 speeds=true"


class Digit(NamedTuple):
    """One recording: what is said, who says it, and the file."""

    word: str
    speaker: str
    path: Path


def digits(data: Path, folder: Path, part: str) -> list[Digit]:
    """The recordings of one part of the set, unpacked into a folder."""
    with tarfile.open(data / "fsdd" / f"{part}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    found = sorted((folder / part).glob("*.wav"))
    named = [(path.stem.split("_"), path) for path in found]
    return [Digit(WORDS[int(digit)], speaker, path) for (digit, speaker, _), path in named]


def table(path: Path, rows: Iterator[Digit] | list[Digit]) -> None:
    """Paths and texts, as the task reads them."""
    lines = [f"{each.path.relative_to(path.parent)}\t{each.word}\t{each.speaker}\n" for each in rows]
    path.write_text("".join(["path\ttext\tspeaker\n", *lines]))


def official(data: Path, folder: Path) -> Path:
    """The split that the set comes with: the first five recordings of each digit and speaker are measured on."""
    for part in ("train", "test"):
        table(folder / f"{part}.tsv", digits(data, folder, part))
    return folder


def without(speaker: str) -> Made:
    """All recordings of one speaker to measure on, those of the others to learn from."""

    def made(data: Path, folder: Path) -> Path:
        every = [each for part in ("train", "test") for each in digits(data, folder, part)]
        table(folder / "train.tsv", [each for each in every if each.speaker != speaker])
        table(folder / "test.tsv", [each for each in every if each.speaker == speaker])
        return folder

    return made


def joined(data: Path, folder: Path) -> Path:
    """Strings of digits of one speaker each, joined from single recordings with pauses; those of a part from that part."""
    import soundfile

    for part, count in STRINGS.items():
        draw, every = random.Random(part), digits(data, folder, part)
        of = {speaker: [each for each in every if each.speaker == speaker] for speaker in SPEAKERS}
        lines = ["path\ttext\tspeaker\n"]
        for k in range(count):
            speaker = SPEAKERS[k % len(SPEAKERS)]
            said = draw.choices(of[speaker], k=draw.randint(FEWEST, MOST))
            parts = [np.zeros(round(PAUSE * RATE * draw.random()), np.float32)]
            for each in said:
                parts += [read_sound(each.path, RATE).samples, np.zeros(round(PAUSE * RATE * draw.random()), np.float32)]
            soundfile.write(folder / f"{part}-{k}.wav", np.concatenate(parts), RATE, subtype="PCM_16")
            lines.append(f"{part}-{k}.wav\t{' '.join(each.word for each in said)}\t{speaker}\n")
        (folder / f"{part}.tsv").write_text("".join(lines))
    return folder


def yes_no(data: Path, folder: Path) -> Path:
    """Kaldi's split: of the sorted names the first 31 are learnt from, the last 29 measured on."""
    rows = sorted((data / "yesno" / "transcripts.tsv").read_text().splitlines())
    for part, some in (("train", rows[:31]), ("test", rows[31:])):
        (folder / f"{part}.tsv").write_text("path\ttext\n" + "".join(f"{each}\n" for each in some))
    (folder / "waves_yesno.tar.gz").symlink_to((data / "yesno" / "waves_yesno.tar.gz").resolve())
    return folder


def streamed(run: Run, source: Path) -> dict[str, Any]:
    """What hearing the test part piece by piece costs on one core: time by time of sound, and how long each piece takes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        took, heard, same = list[float](), 0.0, list[bool]()
        found = find_recordings(source / "test.tsv")
        for place in found.places:
            samples = read_sound(place.file, RATE).samples
            listener, size = run.stream(beam=1), round(CHUNK * RATE)
            for begin in range(0, len(samples), size):
                start = time.perf_counter()
                listener.feed(samples[begin : begin + size])
                took.append(time.perf_counter() - start)
            [whole] = run.predict(place.file, beam=1)
            same.append(listener.finish() == whole["text"])
            heard += len(samples) / RATE
            if heard >= HEARD:
                break
    finally:
        torch.set_num_threads(threads)
    middle, late = np.quantile(took, (0.5, 0.99))
    facts = {"real-time factor": sum(took) / heard, "median seconds": middle, "99 % seconds": late, "seconds heard": heard}
    return {"streaming": {name: float(value) for name, value in facts.items()} | {"same as whole": all(same)}}


alone = {f"digits-without-{speaker}": Training(without(speaker), DIGITS, task="transcribe") for speaker in SPEAKERS}
"""One training for each speaker, who is measured on and never learnt from."""
labelled = {f"labels-without-{speaker}": Training(without(speaker), LABELS, task="transcribe") for speaker in SPEAKERS}
"""The same, of what tells one label of each recording."""
TRAININGS: dict[str, Training] = {
    "digits-official": Training(official, DIGITS, task="transcribe"),
    **alone,
    **labelled,
    "digits-joined": Training(joined, STRUNG, streamed, task="transcribe"),
    "yesno": Training(yes_no, YES_NO, task="transcribe"),
}
"""By name; what stands before a hyphen is a group."""
TOLD = {
    "digits-official": "spoken digits, the official split",
    **{f"digits-without-{speaker}": f"spoken digits, {speaker} never heard" for speaker in SPEAKERS},
    **{f"labels-without-{speaker}": f"a label for each, {speaker} never heard" for speaker in SPEAKERS},
    "digits-joined": "digits joined to strings",
    "yesno": "yes and no, eight words a recording",
}


def main() -> None:
    """Train and measure what is named, or all; the figures of others stay as they were."""
    measure_all(NAME, "Speech", TRAININGS)


def section(result: Mapping[str, Any]) -> str:
    """The part of docs/quality.md."""
    trainings = result["trainings"]
    lines = [
        f"## {result['title']}",
        "",
        f"{ran_on(result)} Of text the word error rate of the test part, by a beam of 16, which of single digits is the share "
        "that is wrong; of labels (`output=label`) the accuracy. Intervals are of 95 %; error rates resample recordings, "
        "accuracies are after Wilson. Minutes are those of the updates, one seed.",
        "",
        *head("data", "figure", "recurra", "95 % interval", "naive", "", "updates", "minutes"),
        *(_measured(TOLD[name], trainings[name]) for name in TOLD if name in trainings),
    ]
    for told, group in (("spoken digits", alone), ("a label for each", labelled)):
        apart = [_figure(trainings[name]) for name in group if name in trainings]
        if len(apart) == len(SPEAKERS):
            mean, best = np.mean([(each["value"], _best(each)[1]) for _, each in apart], 0)
            means = f"**{mean:.4f}**", "", f"{best:.4f}"
            lines.append(row(f"{told}, mean over the speakers never heard", apart[0][0], *means, *[""] * 3))
    lines.append("")
    for name, found in trainings.items():
        if "streaming" in found:
            cost = found["streaming"]
            lines += [
                f"Streaming ({TOLD[name]}, pieces of {CHUNK} s, one core, greedily): {cost['real-time factor']:.4f} seconds of "
                f"computing for a second of sound; a piece takes {1000 * cost['median seconds']:.1f} ms in the median, "
                f"{1000 * cost['99 % seconds']:.1f} ms at the 99th percentile. What is written is "
                f"{'always' if cost['same as whole'] else 'not always'} that of the whole recording.",
                "",
            ]
    lines += ["Options:", "", *(f"- {name}: `{found['options']}`" for name, found in trainings.items()), ""]
    return "\n".join(lines)


def _measured(told: str, found: Mapping[str, Any]) -> str:
    name, metric = _figure(found)
    best = _best(metric)
    low, high = metric["interval"]
    return row(
        told,
        name,
        f"**{metric['value']:.4f}**",
        f"{low:.4f} to {high:.4f}",
        f"{best[1]:.4f}",
        best[0],
        f"{found['updates']:,}",
        f"{found['minutes']:.1f}",
    )


def _figure(found: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    name = next(name for name in FIGURES if name in found["figures"])
    return name, found["figures"][name]


def _best(metric: Mapping[str, Any]) -> tuple[str, float]:
    """What is best of all that needs no network."""
    [best, *_] = naive(metric).items()
    return best


if __name__ == "__main__":
    main()
