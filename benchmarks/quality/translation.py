"""Multi30k, English and German: BLEU and chrF beside baselines, kinds of attention at one budget, and what two habits gain.

Run: scripts/quality translation   (needs RECURRA_DATA; hours on two cores)
Some of it: python -m benchmarks.quality.translation en-de, or a group (table, gains), or one of a group (table-additive)
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.quality.trainings import GREEDY, Training, head, measure_all, naive, ran_on, row
from recurra.metrics import FewMean, TranslationTotals, few_mean

__all__ = ["TRAININGS", "main", "multi30k", "section"]

NAME = "translation"
PARTS = {"train": "train", "val": "val", "test": "test_2016_flickr"}
FIGURES = ("BLEU", "chrF", "nats per symbol")
RATES = "target symbols per second"
SUBWORDS = "unit=subword shared=true tied=true"
WHOLE = f"{SUBWORDS} vocabulary=6000 embedding=256 hidden=512 dropout=0.4 epochs=14"
BUDGET = f"{SUBWORDS} vocabulary=4000 embedding=128 hidden=256 epochs=8"
SHORT = f"{SUBWORDS} vocabulary=4000 embedding=128 hidden=192 epochs=6"
KINDS = {
    "none": "attention=none",
    "additive": "attention=additive",
    "scaled-dot": "attention=scaled-dot",
    "general": "attention=general",
    "multi-head": "attention=multi-head",
    "transformer": "model=transformer layers=2 heads=4 lr=0.001 warmup=400",
}
"""What the table compares, in words added to the options of all."""
TOLD = {"none": "none: one fixed vector", "transformer": "Transformer, two layers on each side"}
PLAIN = "plain"
HABITS = {
    PLAIN: "",
    "forcing": "forcing=0.75",
    "curriculum": "curriculum=length",
}
"""What is added, by name; the first is what all others are compared with, seed by seed."""
HABITS_TOLD = {
    PLAIN: "neither",
    "forcing": "scheduled sampling",
    "curriculum": "short targets first",
}
SEEDS = (0, 1, 2)


def multi30k(data: Path, folder: Path) -> Path:
    """The raw text of 2016: links to its files, so that the usual test part is the only one there."""
    for part, stem in PARTS.items():
        for side in ("en", "de"):
            (folder / f"{part}.{side}.gz").symlink_to((data / "multi30k" / f"{stem}.{side}.gz").resolve())
    return folder


TRAININGS: dict[str, Training] = {
    "en-de": Training(
        multi30k,
        f"source=en target=de {WHOLE}",
        elsewhere={"BLEU": {"GRU with attention, as published, lower-cased (arXiv:1702.01287)": 33.7}},
    ),
    "de-en": Training(multi30k, f"source=de target=en {WHOLE}"),
    **{f"table-{kind}": Training(multi30k, f"source=en target=de {BUDGET} {words}") for kind, words in KINDS.items()},
    **{
        f"gains-{habit}-{seed}": Training(multi30k, " ".join(f"source=en target=de {SHORT} {words} seed={seed}".split()))
        for seed in SEEDS
        for habit, words in HABITS.items()
    },
}
"""By name; what stands before the first hyphen of table and gains is a group."""


def main() -> None:
    """Train and measure what is named, or all; the figures of others stay as they were."""
    measure_all(NAME, "Translation", TRAININGS, signatures=TranslationTotals().signatures)


def section(result: Mapping[str, Any]) -> str:
    """The part of docs/quality.md."""
    trainings = result["trainings"]
    signatures = "; ".join(f"{name} `{signature}`" for name, signature in result["signatures"].items())
    lines = [
        f"## {result['title']}",
        "",
        f"{ran_on(result)} Multi30k as it is written, cased: 29,000 pairs learnt from, measured on the 1,000 of "
        "test_2016_flickr, written by a beam of 5 and greedily; naive are the best two that need no network. Minutes are "
        f"those of the updates. {signatures}.",
        "",
    ]
    whole = [name for name in ("en-de", "de-en") if name in trainings]
    if whole:
        lines += [
            *head("direction", "figure", "recurra", "95 % interval", "greedily", "naive", "elsewhere", "updates", "minutes"),
            *(line for name in whole for line in _direction(name, trainings[name])),
            "",
        ]
    table = {kind: trainings[f"table-{kind}"] for kind in KINDS if f"table-{kind}" in trainings}
    if table:
        lines += [
            "### Kinds of attention",
            "",
            "English to German, all with the same updates of the same batches, one seed.",
            "",
            *head("attention", "BLEU", "95 % interval", "greedily", "chrF", "nats per symbol", "weights", "minutes"),
            *(_kind(kind, found) for kind, found in table.items()),
            "",
        ]
    gains = {habit: [trainings.get(f"gains-{habit}-{seed}") for seed in SEEDS] for habit in HABITS}
    if any(any(found) for found in gains.values()):
        lines += [
            "### Scheduled sampling and curriculum",
            "",
            "English to German, BLEU of a beam of 5; gains are over the same seed without, with Student's 95 % interval.",
            "",
            *head("", "added", "seeds", "mean", "gain", "95 % interval", "", "minutes"),
            *_gains(gains),
            "",
        ]
    if RATES in result:
        rates, options = result[RATES], result[RATES]["options"]
        lines += [
            "### Speed of training",
            "",
            f"Target symbols learnt from a second (`scripts/quality {NAME}_speed`), in turn and in one process, on "
            f"{rates['machine']['threads']} thread(s): recurra {rates['recurra']:,.0f}, an encoder-decoder written in plain "
            f"PyTorch {rates['plain']:,.0f}. Medians; {rates['recurra_weights']:,} and {rates['plain_weights']:,} weights, the "
            f"same batches; `{' '.join(f'{key}={value}' for key, value in options.items())}`.",
            "",
        ]
    lines += ["Options:", ""]
    lines += [f"- {name}: `{found['options']}`" for name, found in trainings.items() if not name.startswith("gains-")]
    if any(any(found) for found in gains.values()):
        lines.append(f"- gains: `source=en target=de {SHORT}`, with what is added, and `seed=` {', '.join(map(str, SEEDS))}")
    return "\n".join([*lines, ""])


def _direction(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    for figure in FIGURES:
        metric = found["figures"][figure]
        greedily = metric["baselines"].get(GREEDY)
        yield row(
            name,
            figure,
            f"**{metric['value']:.4g}**",
            _interval(metric),
            "" if greedily is None else f"{greedily:.4g}",
            "; ".join(f"{who} {value:.3g}" for who, value in list(naive(metric).items())[:2]),
            "; ".join(f"{who} {value}" for who, value in found["elsewhere"].get(figure, {}).items()),
            f"{found['updates']:,}",
            f"{found['minutes']:.1f}",
        )


def _kind(kind: str, found: Mapping[str, Any]) -> str:
    bleu, chrf, nats = (found["figures"][figure] for figure in FIGURES)
    return row(
        TOLD.get(kind, kind),
        f"**{bleu['value']:.2f}**",
        _interval(bleu),
        f"{bleu['baselines'][GREEDY]:.2f}",
        f"{chrf['value']:.2f}",
        f"{nats['value']:.4f}",
        f"{found['weights']:,}",
        f"{found['minutes']:.1f}",
    )


def _gains(gains: Mapping[str, list[Any]]) -> Iterator[str]:
    plain = gains[PLAIN]
    for habit, every in gains.items():
        found = [one for one in every if one]
        if not found:
            continue
        mean = few_mean([_bleu(one) for one in found]).mean
        both = [(one, other) for one, other in zip(every, plain, strict=True) if one and other]
        gained = ["", "", ""]
        if habit != PLAIN and both:
            gained = _gained(few_mean([_bleu(one) - _bleu(other) for one, other in both]))
        minutes = few_mean([one["minutes"] for one in found]).mean
        added = f"`{HABITS[habit]}`" if HABITS[habit] else ""
        yield row(HABITS_TOLD[habit], added, len(found), f"{mean:.2f}", *gained, f"{minutes:.1f}")


def _gained(gain: FewMean) -> list[str]:
    if math.isnan(gain.low):
        return [f"{gain.mean:+.2f}", "", "one seed says nothing"]
    verdict = "better" if gain.low > 0 else "worse" if gain.high < 0 else "no difference to be sure of"
    return [f"{gain.mean:+.2f}", f"{gain.low:+.2f} to {gain.high:+.2f}", verdict]


def _bleu(found: Mapping[str, Any]) -> float:
    value: float = found["figures"]["BLEU"]["value"]
    return value


def _interval(metric: Mapping[str, Any]) -> str:
    low, high = metric["interval"]
    return "" if low is None else f"{low:.4g} to {high:.4g}"


if __name__ == "__main__":
    main()
