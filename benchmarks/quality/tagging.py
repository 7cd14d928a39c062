"""Named entities in CoNLL-2003 and WNUT-17 without vectors: F1 beside looking them up, with and without CRF and characters.

Run: scripts/quality tagging   (needs RECURRA_DATA; hours on two cores)
Some of it: python -m benchmarks.quality.tagging conll-crf-cnn-0, or a group (conll, conll-crf, wnut)
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.quality.trainings import Made, Training, head, measure_all, naive, ran_on, row
from recurra.metrics import few_mean
from recurra.tasks.runs import Run

__all__ = ["TRAININGS", "data_set", "labels", "main", "section"]

NAME = "tagging"
FIGURE = "F1"
OUTPUTS = ("crf", "softmax")
CHARACTERS = ("none", "cnn", "lstm")
SEEDS = (0, 1, 2)
PLAIN = "conll-softmax-none"
"""With what the others are compared, seed by seed."""
ELSEWHERE = {
    "conll-crf-cnn": {"BiLSTM-CNN-CRF with random vectors, as published (arXiv:1603.01354)": 0.8076},
    "conll-crf-lstm": {"BiLSTM-CRF with GloVe and characters, as published (arXiv:1603.01360)": 0.9094},
}
TOLD = {"none": "no characters", "cnn": "convolution", "lstm": "LSTM"}
WNUT = "hidden=200 dropout=0.3 lr=0.005 epochs=12"


def data_set(name: str) -> Made:
    """The folder of a data set, as it is."""

    def made(data: Path, _: Path) -> Path:
        return data / name

    return made


def labels(run: Run, _: Path) -> dict[str, Any]:
    """Each label's precision and recall."""
    return {"labels": run.read("evaluation.json")["tables"]["labels"]}


TRAININGS: dict[str, Training] = {
    **{
        f"conll-{output}-{characters}-{seed}": Training(
            data_set("conll2003_ner"),
            f"output={output} characters={characters} seed={seed}",
            labels,
            elsewhere={FIGURE: ELSEWHERE.get(f"conll-{output}-{characters}", {})},
            task="tag",
        )
        for seed in SEEDS
        for output in OUTPUTS
        for characters in CHARACTERS
    },
    **{
        f"wnut-{output}-{seed}": Training(data_set("wnut17_ner"), f"{WNUT} output={output} seed={seed}", labels, task="tag")
        for seed in SEEDS
        for output in OUTPUTS
    },
}
"""By name; what stands before the last hyphen is a row of the table, before it a group."""


def main() -> None:
    """Train and measure what is named, or all; the figures of others stay as they were."""
    measure_all(NAME, "Named entities", TRAININGS)


def section(result: Mapping[str, Any]) -> str:
    """The part of docs/quality.md."""
    trainings = result["trainings"]
    rows: dict[str, dict[int, Any]] = {}
    for name, found in trainings.items():
        kind, _, seed = name.rpartition("-")
        rows.setdefault(kind, {})[int(seed)] = found
    lines = [
        f"## {result['title']}",
        "",
        f"{ran_on(result)} Strict F1 of entities, as conlleval counts, no vectors.",
        "",
    ]
    conll = {kind: found for kind, found in rows.items() if kind.startswith("conll")}
    if conll:
        lines += [
            "### CoNLL-2003, English",
            "",
            "Learnt from eng.train, looks on eng.testa, measured on eng.testb. The mean of the seeds with Student's 95 % "
            "interval; of a single seed, the interval of its sentences resampled. Gains are over softmax without characters, "
            "seed by seed.",
            "",
            *head("output", "characters", "seeds", "F1", "95 % interval", "gain", "elsewhere", "minutes"),
            *(_kind(kind, found, conll.get(PLAIN, {})) for kind, found in conll.items()),
            "",
            *_looked_up(conll),
            *_labels(conll),
        ]
    wnut = {kind: found for kind, found in rows.items() if kind.startswith("wnut")}
    if wnut:
        lines += [
            "### WNUT-17",
            "",
            "Messages whose entities were hardly ever seen before; the parts are the task's own.",
            "",
            *head("output", "seeds", "F1", "95 % interval", "minutes"),
            *(row(kind.removeprefix("wnut-"), len(found), *_mean(found), _minutes(found)) for kind, found in wnut.items()),
            "",
            *_looked_up(wnut),
        ]
    lines += ["Options beside the defaults:", ""]
    lines += [f"- {kind}: `{_words(found)}`" for kind, found in rows.items()]
    return "\n".join([*lines, ""])


def _kind(kind: str, found: Mapping[int, Any], plain: Mapping[int, Any]) -> str:
    _, output, characters = kind.split("-")
    both = [seed for seed in found if seed in plain]
    gain = ""
    if kind != PLAIN and both:
        mean, low, high = few_mean([_f1(found[seed]) - _f1(plain[seed]) for seed in both])
        gain = f"{mean:+.4f} ({low:+.4f} to {high:+.4f})" if low <= high else f"{mean:+.4f}"
    [first, *_] = found.values()
    elsewhere = "; ".join(f"{who} {value}" for who, value in first["elsewhere"].get(FIGURE, {}).items())
    return row(output, TOLD[characters], len(found), *_mean(found), gain, elsewhere, _minutes(found))


def _mean(found: Mapping[int, Any]) -> tuple[str, str]:
    mean, low, high = few_mean([_f1(one) for one in found.values()])
    if len(found) == 1:
        [one] = found.values()
        low, high = one["figures"][FIGURE]["interval"]
    return f"**{mean:.4f}**", f"{low:.4f} to {high:.4f}"


def _looked_up(rows: Mapping[str, Mapping[int, Any]]) -> Iterator[str]:
    """What needs no network, of whatever training: it is the same for all."""
    [first, *_] = [one for found in rows.values() for one in found.values()]
    yield f"Naive: {'; '.join(f'{who} {value:.4f}' for who, value in naive(first['figures'][FIGURE]).items())}."
    yield ""


def _labels(rows: Mapping[str, Mapping[int, Any]]) -> Iterator[str]:
    """Each label of the last row's first seed."""
    *_, (kind, found) = rows.items()
    seed, one = next(iter(found.items()))
    yield f"Each label, `{kind}`, seed {seed}:"
    yield ""
    yield from head("label", "true", "precision", "recall", "F1")
    for line in one["labels"]:
        yield row(line["label"], line["true"], *(f"{line[name]:.4f}" for name in ("precision", "recall", "F1")))
    yield ""


def _f1(found: Mapping[str, Any]) -> float:
    value: float = found["figures"][FIGURE]["value"]
    return value


def _minutes(found: Mapping[int, Any]) -> str:
    return f"{few_mean([one['minutes'] for one in found.values()]).mean:.1f}"


def _words(found: Mapping[int, Any]) -> str:
    [first, *_] = found.values()
    return " ".join(word for word in first["options"].split() if not word.startswith("seed="))


if __name__ == "__main__":
    main()
