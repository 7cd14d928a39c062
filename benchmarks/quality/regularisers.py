"""What zoneout, norms and dropped weights gain on tinyshakespeare and on MNIST by rows: three seeds, the same updates.

Run: scripts/quality regularisers   (needs RECURRA_DATA; an hour)
One of the two: python -m benchmarks.quality.regularisers mnist-rows
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import recurra
from benchmarks.machine import RESULTS, describe, write_result
from benchmarks.memory.options import MemoryOptions
from benchmarks.memory.run import run
from benchmarks.memory.tasks import make
from benchmarks.quality.trainings import head, ran_on, row
from recurra.metrics import few_mean

__all__ = ["SETS", "VARIANTS", "main", "section"]

NAME = "regularisers"
SEEDS = (0, 1, 2)
BASE = "none of them"
VARIANTS: dict[str, tuple[str, ...]] = {
    BASE: (),
    "zoneout": ("zoneout=0.1",),
    "layer norm": ("norm=layer",),
    "batch norm": ("norm=batch",),
    "batch norm inside": ("norm=batch-inside",),
    "weight drop": ("weight_drop=0.3",),
}
"""What is added to the options of a set, by name; the first is what all others are compared with."""


class Set(NamedTuple):
    """What is learnt: the figure (lower is better), the options, and how one training with them is measured."""

    figure: str
    options: str
    measure: Callable[[list[str]], tuple[float, float]]
    left_out: tuple[str, ...] = ()  # of the variants


def _text(words: list[str]) -> tuple[float, float]:
    """Bits per character of the held-out part, the state carried; and the seconds of training."""
    data = Path(os.environ.get("RECURRA_DATA", "../shared/data")) / "tinyshakespeare" / "input.txt"
    with tempfile.TemporaryDirectory() as folder:
        trained = recurra.Text.parse(words).fit(data, out=Path(folder) / "run", show=False)
        *_, last = (trained.folder / "log.jsonl").read_text().splitlines()
        return trained.evaluate().figures[0].value, json.loads(last)["seconds"]


def _rows(words: list[str]) -> tuple[float, float]:
    """The share of the test images that are read wrongly, in percent; and the seconds of training."""
    options = MemoryOptions.parse(words)
    found = run(make("mnist-rows", options), options)
    return 100 * (1 - found["value"]), found["seconds"]


SETS: dict[str, Set] = {
    "tinyshakespeare": Set(
        "bits per character",
        "hidden=256 layers=2 batch=32 window=128 dropout=0.2 steps=1000 check=500",
        _text,
        ("batch norm inside",),  # its statistics are those of the n-th step, which a carried state has not
    ),
    "mnist-rows": Set(
        "errors in percent",
        "cell=lstm hidden=128 layers=2 batch=100 steps=2000 lr=0.004 dropout=0.2 schedule=onecycle check=500",
        _rows,
    ),
}
"""By name."""


def main() -> None:
    """Train and measure what is not there yet of the sets named, or of both."""
    for name in sys.argv[1:] or SETS:
        for seed in SEEDS:
            for variant, added in VARIANTS.items():
                words = [*SETS[name].options.split(), *added, f"seed={seed}"]
                if variant not in SETS[name].left_out and words not in [each["options"] for each in _kept()]:
                    value, seconds = SETS[name].measure(words)
                    print(f"{name}, {variant}, seed {seed}: {value:.4f} {SETS[name].figure}, {seconds:.0f} s", flush=True)
                    _keep({"set": name, "variant": variant, "seed": seed, "options": words, "value": value, "seconds": seconds})


def _kept() -> list[dict[str, Any]]:
    """The trainings that were measured."""
    path = RESULTS / f"{NAME}.json"
    found: list[dict[str, Any]] = json.loads(path.read_text())["gains"] if path.exists() else []
    return found


def _keep(new: dict[str, Any]) -> None:
    """Put a training in the place of that of the same set, variant and seed."""
    names = ("set", "seed", "variant")
    others = [each for each in _kept() if any(each[name] != new[name] for name in names)]
    order = [(name, seed, variant) for name in SETS for seed in SEEDS for variant in VARIANTS]
    trainings = sorted([*others, new], key=lambda each: order.index(tuple(each[name] for name in names)))
    facts = {"title": "What regularisers gain", "command": f"scripts/quality {NAME}", "machine": describe()}
    write_result(NAME, facts | {"gains": trainings})


def section(result: Mapping[str, Any]) -> str:
    """The part of docs/quality.md."""
    lines = [
        f"## {result['title']}",
        "",
        f"{ran_on(result)} Every variant has the same updates and data, and the seeds 0, 1, 2, or as many of them as the table "
        "says; gains are over the same seed without it, with Student's 95 % interval. Lower is better.",
        "",
    ]
    for name, chosen in SETS.items():
        trainings = [each for each in result["gains"] if each["set"] == name]
        if trainings:
            lines += [f"### {name}, {chosen.figure}", ""]
            lines += head("", "added", "seeds", "mean", "gain", "95 % interval", "", "seconds")
            said = "".join(f" {variant.capitalize()} is left out." for variant in chosen.left_out)
            lines += [*_table(trainings), "", f"All with `{chosen.options}`.{said}", ""]
    return "\n".join(lines)


def _table(trainings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for variant, added in VARIANTS.items():
        own, plain = ({each["seed"]: each for each in trainings if each["variant"] == name} for name in (variant, BASE))
        if not own:
            continue
        mean, seconds = (few_mean([each[name] for each in own.values()]).mean for name in ("value", "seconds"))
        cells = [variant, f"`{' '.join(added)}`" if added else "", str(len(own)), f"{mean:.4f}", "", "", ""]
        both = [seed for seed in own if seed in plain]
        if variant != BASE and len(both) > 1:
            gain = few_mean([plain[seed]["value"] - own[seed]["value"] for seed in both])
            verdict = "better" if gain.low > 0 else "worse" if gain.high < 0 else "no difference to be sure of"
            cells[4:] = [f"{gain.mean:+.4f}", f"{gain.low:+.4f} to {gain.high:+.4f}", verdict]
        yield row(*cells, f"{seconds:.0f}")


if __name__ == "__main__":
    main()
