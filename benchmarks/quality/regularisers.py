"""What zoneout, norms and dropped weights gain on tinyshakespeare and on MNIST by rows: three seeds, the same updates.

Run: scripts/quality regularisers   (needs RECURRA_DATA; an hour)
One of the two: python -m benchmarks.quality.regularisers mnist-rows
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import recurra
from benchmarks.machine import RESULTS, describe, write_result
from benchmarks.memory.options import MemoryOptions
from benchmarks.memory.run import run
from benchmarks.memory.tasks import make
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
        "hidden=256 layers=2 batch=32 window=128 dropout=0.2 steps=1500 check=500",
        _text,
    ),
    "mnist-rows": Set(
        "errors in percent",
        "cell=lstm hidden=128 layers=2 batch=100 steps=2000 lr=0.004 dropout=0.2 schedule=onecycle check=500",
        _rows,
    ),
}
"""By name."""


def main() -> None:
    """Train and measure the sets named, or both; what is there of the other stays."""
    kept = RESULTS / f"{NAME}.json"
    gains: dict[str, Any] = json.loads(kept.read_text())["gains"] if kept.exists() else {}
    for name in sys.argv[1:] or SETS:
        gains[name] = {"figure": SETS[name].figure, "options": SETS[name].options, "variants": {}}
        for seed in SEEDS:
            for variant, added in VARIANTS.items():
                value, seconds = SETS[name].measure([*SETS[name].options.split(), *added, f"seed={seed}"])
                print(f"{name}, {variant}, seed {seed}: {value:.4f} {SETS[name].figure}, {seconds:.0f} s", flush=True)
                found = gains[name]["variants"].setdefault(variant, {"options": added, "values": [], "seconds": []})
                found["values"].append(value)
                found["seconds"].append(seconds)
        facts = {"title": "What regularisers gain", "command": f"scripts/quality {NAME}", "machine": describe()}
        write_result(NAME, facts | {"gains": {each: gains[each] for each in SETS if each in gains}})


def section(result: Mapping[str, Any]) -> str:
    """The part of docs/quality.md."""
    machine = result["machine"]
    lines = [
        f"## {result['title']}",
        "",
        f"`{result['command']}`: on {machine['cores']} cores of {machine['processor']}, torch {machine['torch']}. "
        "Every variant has the same updates, data and seeds 0, 1, 2; gains are over the same seed without it, with "
        "Student's 95 % interval. Lower is better.",
        "",
    ]
    for name, found in result["gains"].items():
        lines += [f"### {name}, {found['figure']}", "", "| | added | mean | gain | 95 % interval | | seconds |"]
        lines += ["|---|---|---|---|---|---|---|", *_table(found["variants"]), ""]
        lines += [f"All with `{found['options']}`.", ""]
    return "\n".join(lines)


def _table(variants: Mapping[str, Any]) -> Iterator[str]:
    [plain, *_] = variants.values()
    for variant, found in variants.items():
        mean, seconds = few_mean(found["values"]).mean, few_mean(found["seconds"]).mean
        row = [variant, f"`{' '.join(found['options'])}`" if found["options"] else "", f"{mean:.4f}"]
        if found is plain:
            row += ["", "", ""]
        else:
            gain = few_mean([a - b for a, b in zip(plain["values"], found["values"], strict=True)])
            verdict = "better" if gain.low > 0 else "worse" if gain.high < 0 else "no difference to be sure of"
            row += [f"{gain.mean:+.4f}", f"{gain.low:+.4f} to {gain.high:+.4f}", verdict]
        yield f"| {' | '.join([*row, f'{seconds:.0f}'])} |"


if __name__ == "__main__":
    main()
