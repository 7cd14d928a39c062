"""What measurements of trainings share: one training, which of them are asked for, and where figures stay."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import machine
from recurra.errors import UsageError, near_miss
from recurra.tasks.options import TASKS
from recurra.tasks.runs import Run

__all__ = [
    "GREEDY",
    "Training",
    "asked",
    "data_sets",
    "head",
    "keep",
    "kept",
    "measure",
    "measure_all",
    "naive",
    "ran_on",
    "row",
]

GREEDY = "this run, greedily"
"""What evaluations call it."""
Made = Callable[[Path, Path], Path]
"""From the folder of the data sets and an empty one: what the task reads."""


class Training(NamedTuple):
    """What is read, the options in words, what else is measured of the run, what was measured elsewhere, and the task.

    In the words ``{beside}`` is the folder that holds the one in which lies what is read.
    """

    data: Made
    options: str
    more: Callable[[Run, Path], Mapping[str, Any]] = lambda *_: {}
    elsewhere: Mapping[str, Mapping[str, float]] = {}
    task: str = "translate"


def data_sets() -> Path:
    """The folder of the data sets."""
    data = Path(os.environ.get("RECURRA_DATA", "../shared/data"))
    if not data.exists():
        sys.exit(f"{data}: not there; RECURRA_DATA names the folder of the data sets")
    return data


def asked(words: Sequence[str], names: Iterable[str]) -> list[str]:
    """The names that are said, and those of a group that is said, as table is of table-additive; all, if nothing is said."""
    every = list(names)
    chosen = [name for word in words for name in every if name == word or name.startswith(f"{word}-")]
    for word in words:
        if not any(name == word or name.startswith(f"{word}-") for name in every):
            raise UsageError(f"{word}: no such measurement; {near_miss(word, every)}")
    return list(dict.fromkeys(chosen)) if words else every


def measure_all(name: str, title: str, trainings: Mapping[str, Training], **facts: Any) -> None:
    """Train and measure what the command line names, or all; the figures of others stay as they were."""
    data = data_sets()
    try:
        chosen = asked(sys.argv[1:], trainings)
    except UsageError as error:
        sys.exit(str(error))
    facts |= {"title": title, "command": f"scripts/quality {name}"}
    for each in chosen:
        keep(name, facts, {each: measure(each, trainings[each], data)}, trainings)


def measure(name: str, training: Training, data: Path) -> dict[str, Any]:
    """One training: its figures beside their baselines, and how long its updates took."""
    with tempfile.TemporaryDirectory() as scratch:
        (folder := Path(scratch) / "data").mkdir()
        source = training.data(data, folder)
        options = TASKS[training.task].parse(training.options.format(beside=scratch).split())
        print(f"{name}: {training.options}", flush=True)
        run = options.fit(source, out=Path(scratch) / name)
        *_, last = map(json.loads, (run.folder / "log.jsonl").read_text().splitlines())
        measured = run.read("evaluation.json")
        more = training.more(run, source)
        weights = sum(weight.numel() for weight in run.setup().model.parameters())
    return {
        "options": training.options,
        "updates": last["step"],
        "minutes": last["seconds"] / 60,
        "weights": weights,
        "figures": measured["metrics"],
        **more,
        "elsewhere": training.elsewhere,
        "notes": [*run.facts["data"]["notes"], *measured["notes"]],
        "plan": run.facts["options"],
    }


def kept(name: str) -> dict[str, Any]:
    """What was found before."""
    path = machine.RESULTS / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def keep(name: str, facts: Mapping[str, Any], found: Mapping[str, Any], order: Iterable[str]) -> None:
    """Put what was found, by name, with what is there of others."""
    before = kept(name)
    every = before.get("trainings", {}) | found
    ordered = {one: every[one] for one in order if one in every}
    machine.write_result(name, before | {**facts, "machine": machine.describe(), "trainings": ordered})


def ran_on(result: Mapping[str, Any]) -> str:
    """The command, the machine that it ran on, and, where results say ``beside``, that it was not quiet there."""
    where = result["machine"]
    told = f"`{result['command']}`: on {where['cores']} cores of {where['processor']}, {where['threads']} thread(s), torch "
    beside = " Other work ran beside, so that minutes are upper bounds." if result.get("beside") else ""
    return f"{told}{where['torch']}.{beside}"


def naive(metric: Mapping[str, Any]) -> dict[str, float]:
    """What stands beside a figure, the best first, without what the network itself writes greedily."""
    found = {who: value for who, value in metric["baselines"].items() if who != GREEDY}
    return dict(sorted(found.items(), key=lambda one: one[1], reverse=metric.get("higher_is_better", False)))


def head(*cells: str) -> list[str]:
    """The first two lines of a table."""
    return [row(*cells), "|---" * len(cells) + "|"]


def row(*cells: object) -> str:
    """A line of a table."""
    return f"| {' | '.join(map(str, cells))} |"
