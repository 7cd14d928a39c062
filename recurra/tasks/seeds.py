"""Best of several seeds: trainings one after the other, each in a run folder of its own below the run's."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from recurra import store
from recurra.errors import NumericError, Stopped
from recurra.tasks.watch import watch
from recurra.train import Report
from recurra.train.guard import StopFlag, locked, stop_flag

if TYPE_CHECKING:
    from recurra.tasks.runs import Run

__all__ = ["ENCODER", "Spread", "best_look", "train_seeds"]

ENCODER = "encoder.safetensors"
"""Holds the weights that an encoder starts from, in runs that have such."""
KEPT = ("weights.safetensors", "log.jsonl")
MADE = {"evaluation.json", "seeds.json"}


class Spread(NamedTuple):
    """The best held-out score of each seed, lower is better; None of a training that diverged before its first look."""

    scores: Mapping[int, float | None]

    @property
    def found(self) -> list[float]:
        """The scores there are."""
        return [score for score in self.scores.values() if score is not None]

    @property
    def best(self) -> int:
        """The seed of the best score."""
        return min(self.scores, key=lambda seed: math.inf if (score := self.scores[seed]) is None else score)

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the scores; None of fewer than two."""
        return stdev(self.found) if len(self.found) > 1 else None

    def as_json(self) -> dict[str, Any]:
        """One object, with mean, standard deviation and ends of the scores."""
        found = self.found
        ends = {"mean": fmean(found), "lowest": min(found), "highest": max(found)} if found else {}
        told = [{"seed": seed, "score": score, "folder": f"seeds/{seed}"} for seed, score in self.scores.items()]
        return {"seeds": told, "best": self.best, "deviation": self.deviation, **ends}

    def __str__(self) -> str:
        """The sentence that stands under a training."""
        if not self.found:
            return f"none of {len(self.scores)} seeds came to a score"
        spread = "" if self.deviation is None else f", standard deviation {self.deviation:.4f}"
        lost = len(self.scores) - len(self.found)
        return (
            f"held-out score of {len(self.found)} seeds: mean {fmean(self.found):.4f}{spread}, "
            f"{min(self.found):.4f} to {max(self.found):.4f}; seed {self.best} is kept. "
            f"{f'{lost} diverged. ' if lost else ''}Of another training expect the mean, not the best."
        )


def train_seeds(run: "Run", console: Console) -> Spread:
    """Train with `seeds` seeds from `seed` on, go on where that was stopped, and give the run the best one's weights and log.

    Each seed has an ordinary run folder, ``seeds/SEED``; ``seeds.json`` holds what is done.

    Raises:
        Stopped: between two updates of any of them; naming the run, which goes on.
        NumericError: where all diverged.
    """
    first, count = run.options.seed, run.options.seeds
    seeds = [(first + k) % 2**32 for k in range(count)]
    with locked(run.folder), stop_flag() as flag:  # a signal is heard between trainings too
        store.sweep(run.folder)
        store.sweep(run.folder / "seeds")
        path = run.folder / "seeds.json"
        before = store.read_json(path)["seeds"] if path.exists() else []
        scores: dict[int, float | None] = {entry["seed"]: entry["score"] for entry in before}
        failed: NumericError | None = None
        for number, seed in enumerate(seeds, 1):
            if seed in scores:
                continue
            console.print(f"seed {seed}, training {number} of {count}", style="bold", highlight=False)
            part = _part(run, seed)
            try:
                watch(_until(flag, part.reports()), console)
            except Stopped as stopped:
                where = str(stopped).partition(";")[0]
                raise Stopped(f"seed {seed}: {where}; go on with: recurra resume {run.folder}") from None
            except NumericError as error:
                failed = error
                console.print(f"seed {seed}: {error}", style="yellow", highlight=False)
            scores[seed] = best_look(part.folder)
            store.write_json(path, Spread(scores).as_json())
        spread = Spread(scores)
        if not spread.found:
            raise failed or NumericError(f"{path}: {spread}; lower lr or clip")
        for name in KEPT:
            store.write_bytes(run.folder / name, (run.folder / "seeds" / str(spread.best) / name).read_bytes())
    console.print(f"\n{spread}\n", highlight=False)
    return spread


def best_look(folder: Path) -> float | None:
    """The best value of all looks in a run's log; None where there is none."""
    log = folder / "log.jsonl"
    lines = [json.loads(line) for line in log.read_bytes().splitlines()] if log.exists() else []
    return min((value for line in lines if (value := line.get("value")) is not None), default=None)


def _until(flag: StopFlag, reports: Iterator[Report]) -> Iterator[Report]:
    for report in reports:
        yield report
        if flag:
            raise Stopped(f"stopped at step {report.step} of {report.steps}")


def _part(run: "Run", seed: int) -> "Run":
    """The run folder of one seed: made once, as the run's own but for the seed."""
    folder = run.folder / "seeds" / str(seed)
    if not (folder / "run.json").exists():
        facts = run.facts | {"options": run.facts["options"] | {"seed": seed, "seeds": 1}}
        there = (path for kind in ("*.json", ENCODER) for path in run.folder.glob(kind))
        given = [path for path in there if path.name not in MADE and not path.name.startswith(".")]

        def fill(temporary: Path) -> None:
            for path in given:
                store.write_bytes(temporary / path.name, path.read_bytes())
            store.write_json(temporary / "run.json", facts)

        store.publish(folder, fill)
    return type(run)(folder)
