"""Commands (SCAN), word forms (SIGMORPHON 2016, German) and strings reversed: exact matches beside baselines.

Run: scripts/quality sequences   (needs RECURRA_DATA; an hour on two cores)
Some of it: python -m benchmarks.quality.sequences scan-simple, or a group (scan, inflection, reversing)
"""

import gzip
import random
import string
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.quality.trainings import GREEDY, Made, Training, head, measure_all, naive, ran_on, row
from recurra.data import read_sides
from recurra.metrics import SequenceTotals, exact_by_length
from recurra.tasks.runs import Run

__all__ = ["TRAININGS", "by_length", "inflection", "main", "reversing", "scan", "section", "the_lemma"]

NAME = "sequences"
FIGURE = "exact match"
BLANK = "\N{OPEN BOX}"  # stands for a blank in a word, as blanks are between its letters
LEARNT, FURTHEST = 20, 60  # letters of the strings that reversing is learnt on, and of those that it is measured on
STRINGS = {"train": (20_000, LEARNT), "dev": (1_000, LEARNT), "test": (3_000, FURTHEST)}
WIDTH = 10  # lengths in a row of the table
COMMANDS = "unit=word embedding=64 hidden=128 dropout=0.1 smoothing=0 batch=64 lr=0.003 epochs=15 held_out=0.04"
FORMS = (
    "unit=word shared=true copying=true tied=true embedding=128 hidden=256 dropout=0.4 smoothing=0 batch=64 lr=0.003 epochs=40 "
    "average=0.995"
)
REVERSED = "unit=character embedding=32 hidden=128 dropout=0.1 smoothing=0 batch=64 lr=0.003 epochs=10"
KINDS = ("none", "general", "additive", "local-predictive", "monotonic")


def scan(split: str) -> Made:
    """One split of SCAN as it is; it brings no part for looks, which is taken from what is learnt."""

    def made(data: Path, folder: Path) -> Path:
        for part in ("train", "test"):
            name = f"tasks_{part}_{split}.txt.gz"
            (folder / f"{part}.txt.gz").symlink_to((data / "scan" / name).resolve())
        return folder

    return made


def inflection(language: str) -> Made:
    """Letters of the lemma and its features as one word each, and the letters of the form."""

    def made(data: Path, folder: Path) -> Path:
        for part in ("train", "dev", "test"):
            path = data / "sigmorphon2016_inflection" / f"{language}-task1-{part}.gz"
            with gzip.open(path, "rt", encoding="utf-8") as lines, (folder / f"{part}.tsv").open("w", encoding="utf-8") as out:
                for line in lines:
                    lemma, features, form = line.rstrip("\n").split("\t")
                    out.write(f"{_spelt(lemma)} {features.replace(',', ' ')}\t{_spelt(form)}\n")
        return folder

    return made


def _spelt(word: str) -> str:
    return " ".join(word.replace(" ", BLANK))


def reversing(_: Path, folder: Path) -> Path:
    """Random strings of as many of each length, and the same strings backwards."""
    for part, (count, longest) in STRINGS.items():
        own = random.Random(part)
        strings = ["".join(own.choices(string.ascii_lowercase, k=1 + k % longest)) for k in range(count)]
        (folder / f"{part}.tsv").write_text("".join(f"{text}\t{text[::-1]}\n" for text in strings))
    return folder


def by_length(run: Run, source: Path) -> dict[str, Any]:
    """Exact matches among the strings of each length, as a beam writes them."""
    test = read_sides(source / "test.tsv")
    with tempfile.TemporaryDirectory() as folder:
        asked_for = Path(folder) / "strings.txt"
        asked_for.write_text("".join(f"{text}\n" for text in test.sources))
        written = [found["target"] for found in run.predict(asked_for)]
    rows = exact_by_length(written, test.targets, lengths=[len(text) for text in test.sources], width=WIDTH)
    return {"by length": [each._asdict() for each in rows]}


def the_lemma(_: Run, source: Path) -> dict[str, Any]:
    """What saying the lemma itself would reach."""
    test = read_sides(source / "test.tsv")
    totals = SequenceTotals()
    totals.add([" ".join(sign for sign in text.split() if "=" not in sign) for text in test.sources], test.targets)
    return {"naive": {"the lemma itself": totals.figures()[FIGURE]}}


TRAININGS: dict[str, Training] = {
    "scan-simple": Training(scan("simple"), COMMANDS, elsewhere={FIGURE: {"LSTM, as published (arXiv:1711.00350)": 0.998}}),
    "scan-length": Training(
        scan("length"), COMMANDS, elsewhere={FIGURE: {"GRU with attention, as published (arXiv:1711.00350)": 0.208}}
    ),
    "scan-jump": Training(
        scan("addprim_jump"), COMMANDS, elsewhere={FIGURE: {"their best, as published (arXiv:1711.00350)": 0.012}}
    ),
    "inflection-german": Training(
        inflection("german"), FORMS, the_lemma, {FIGURE: {"five GRUs with attention together, the task's best": 0.958}}
    ),
    **{f"reversing-{kind}": Training(reversing, f"{REVERSED} attention={kind}", by_length) for kind in KINDS},
}
"""By name; what stands before the first hyphen is a group."""
TOLD = {
    "scan-simple": "SCAN, a random part held out",
    "scan-length": "SCAN, longer actions than any learnt",
    "scan-jump": "SCAN, jump learnt by itself only",
    "inflection-german": "German word forms",
}


def main() -> None:
    """Train and measure what is named, or all; the figures of others stay as they were."""
    measure_all(NAME, "Commands, word forms, strings reversed", TRAININGS)


def section(result: Mapping[str, Any]) -> str:
    """The part of docs/quality.md."""
    trainings = result["trainings"]
    lines = [
        f"## {result['title']}",
        "",
        f"{ran_on(result)} Share of the test part's targets that are written without any error, by a beam of 5 and greedily; "
        "intervals are Wilson's, 95 %. Minutes are those of the updates, one seed.",
        "",
        *head("data", "exact match", "95 % interval", "greedily", "naive", "", "elsewhere", "updates", "minutes"),
        *(_matched(TOLD[name], trainings[name]) for name in TOLD if name in trainings),
        "",
    ]
    kinds = {kind: trainings[f"reversing-{kind}"] for kind in KINDS if f"reversing-{kind}" in trainings}
    if kinds:
        [first, *_] = kinds.values()
        lines += [
            "### Strings reversed",
            "",
            f"Random strings of 26 letters, learnt on lengths of 1 to {LEARNT}, written by a beam of 5: exact matches by "
            "length and attention. By chance or by copying only the shortest match.",
            "",
            *head("length", *("none: one fixed vector" if kind == "none" else kind for kind in kinds)),
        ]
        for number, length in enumerate(first["by length"]):
            shares = (f"{found['by length'][number]['share']:.3f}" for found in kinds.values())
            lines.append(row(f"{length['shortest']} to {length['longest']}", *shares))
        lines.append(row("all", *(f"{found['figures'][FIGURE]['value']:.3f}" for found in kinds.values())))
        lines.append(row("minutes", *(f"{found['minutes']:.1f}" for found in kinds.values())))
        lines.append("")
    lines += ["Options:", "", *(f"- {name}: `{found['options']}`" for name, found in trainings.items()), ""]
    return "\n".join(lines)


def _matched(told: str, found: Mapping[str, Any]) -> str:
    metric = found["figures"][FIGURE]
    beside = naive(metric) | found.get("naive", {})
    best = max(beside, key=beside.__getitem__)
    low, high = metric["interval"]
    return row(
        told,
        f"**{metric['value']:.4f}**",
        f"{low:.4f} to {high:.4f}",
        f"{metric['baselines'][GREEDY]:.4f}",
        f"{beside[best]:.4f}",
        best,
        "; ".join(f"{who} {value}" for who, value in found["elsewhere"].get(FIGURE, {}).items()),
        f"{found['updates']:,}",
        f"{found['minutes']:.1f}",
    )


if __name__ == "__main__":
    main()
