"""Comparison of variants: the same data, budget and seeds for each, and what each reaches and costs, beside naive methods."""

import json
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from recurra import store
from recurra.errors import DataError, NumericError, RecurraError, Stopped, UsageError, near_miss
from recurra.layers.family import member
from recurra.tasks.compared import OVER, Compared, Trained, Variant, plain
from recurra.tasks.console import terminal
from recurra.tasks.costs import Costs, costs, pace
from recurra.tasks.options import TASKS, TaskOptions
from recurra.tasks.options.comparison import Variants, variants
from recurra.tasks.runs import Run
from recurra.train.guard import StopFlag, locked, stop_flag

__all__ = ["compare"]


def compare(task: str, data: Any, words: Iterable[str], *, out: str | Path | None = None, show: bool = True) -> Compared:
    """Train every variant of some options with the same data, budget and seeds, and measure each.

    Options with several values vary, all combinations of them; ``seeds=N`` trains each N times. With a budget the updates that
    fit into it are counted first: every variant is timed for a moment, and all its trainings have that many updates, so that
    schedules end where they should. On a machine that has become slow since, a training ends at its first look after one and a
    half budgets, and that is told; else no clock decides anything inside it. Looks at the held-out part are not counted.
    Everything is in the folder: calling this again with the same arguments goes on, and more seeds add to those that are there.

    ======================  ================================================================================
    ``compare.json``        what is compared, on what data
    ``state.json``          what could not be trained, and why
    ``trainings/N/``        ``costs.json`` of the variant N, with its number of updates where there is a budget
    ``trainings/N/SEED/``   an ordinary run folder, measured
    ``comparison.json``     the table, with every training and every difference
    ======================  ================================================================================

    Args:
        task: its name.
        data: what the task reads; None takes its embedded default.
        words: ``name=value``, as on the command line: ``cell=lstm,gru``, ``hidden=256``, ``seeds=3``, ``budget=5m``.
        out: the folder, by default ``runs/compare-TASK``.
        show: print a line for each training.

    Raises:
        UsageError: words that cannot be (see :func:`recurra.tasks.options.comparison.variants`), or a folder that holds
            something else.
        DataError: data that cannot be used, or have changed since the comparison began.
        NumericError: where no training came to its end.
        Stopped: between two updates.
    """
    if task not in TASKS:
        raise UsageError(f"{task}: no such task; {near_miss(task, TASKS)}")
    kind, folder = TASKS[task], Path("runs") / f"compare-{task}" if out is None else Path(out)
    return _Comparison(kind, kind.given(data), variants(kind, words), folder, terminal(quiet=not show)).run()


class _Comparison:
    """A comparison in its folder."""

    def __init__(self, kind: type[TaskOptions], data: Any, what: Variants, folder: Path, console: Console) -> None:
        self.kind, self.data, self.what, self.folder, self.console = kind, data, what, folder, console
        self.flag, self.page = StopFlag(), import_module(f"recurra.tasks.{kind.task}")
        self.options = {name: kind.parse([*what.fixed, *words]) for name, words in what.words.items()}
        base = next(iter(self.options.values()))
        self.seeds = tuple((base.seed + k) % 2**32 for k in range(base.seeds))
        for options in self.options.values():
            member(options.cell)

    def run(self) -> Compared:
        self._begin()
        with locked(self.folder):
            for place in (self.folder, *self.folder.glob("trainings"), *self.folder.glob("trainings/*")):
                store.sweep(place)
            self.state = store.read_json(self.folder / "state.json")
            with stop_flag() as self.flag:  # a signal is heard between trainings too
                for name in self.what.words:
                    self._prepare(name)
                for seed in self.seeds:
                    for name in self.what.words:
                        self._train_one(name, seed)
            return self._finish()

    def _begin(self) -> None:
        """Make the folder, or see that it is of this comparison; data and options are tried before there is one."""
        facts = {
            "task": self.kind.task,
            "data": str(self.data.absolute()) if isinstance(self.data, Path) else "frame" if self.data is not None else None,
            "fixed": sorted(word for word in self.what.fixed if not word.startswith("seeds=")),
            "variants": {name: list(words) for name, words in self.what.words.items()},
            "budget": self.what.budget.seconds,
        }
        path = self.folder / "compare.json"
        if path.exists():
            before = store.read_json(path)
            if before != facts:
                differs = next(name for name in facts if before.get(name) != facts[name])
                raise UsageError(
                    f"{self.folder}: holds another comparison, its {differs} differ; "
                    "give the same words, or choose another --out"
                )
            self.state = store.read_json(self.folder / "state.json")
            if not all(self._done(name, seed) for name in self.options for seed in self.seeds):
                self._try_all()
            return
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise UsageError(f"{self.folder}: is there already and is no comparison; choose another --out")
        self._try_all()

        def fill(temporary: Path) -> None:
            store.write_json(temporary / "compare.json", facts)
            store.write_json(temporary / "state.json", {"fingerprint": None, "failed": {}})

        store.publish(self.folder, fill)

    def _try_all(self) -> None:
        """Raise what the first variant raises, where no other can be set up."""
        first: Exception | None = None
        for options in self.options.values():
            try:
                self.page.setup(options, self.data)
                return
            except (UsageError, DataError) as error:
                first = first or error
        assert first is not None
        raise first

    def _prepare(self, name: str) -> None:
        """Measure what a variant costs, and count the updates that its budget has room for."""
        path = self._folder(name) / "costs.json"
        if path.exists() or name in self.state["failed"]:
            return
        with self._watched(f"{name}: costs", name):
            with _refusals():
                setup = self.page.setup(self.options[name], self.data)
            told, seconds = costs(setup), self.what.budget.seconds
            updates = max(1, round(seconds / pace(self.options[name], setup, seconds))) if seconds else None
            path.parent.mkdir(parents=True, exist_ok=True)
            store.write_json(path, {**plain(told), "updates": updates})

    def _train_one(self, name: str, seed: int) -> None:
        """Train one variant with one seed to its end, from its checkpoint if it has one, and measure it."""
        folder, key = self._folder(name) / str(seed), f"{name}/{seed}"
        if self._done(name, seed):
            return
        number, many = self.seeds.index(seed) * len(self.options) + list(self.options).index(name) + 1, len(self.seeds)
        said = f"training {number} of {many * len(self.options)}: {name}, seed {seed}"
        with self._watched(said, key) as status:
            run = self._run(folder, name, seed)
            with closing(run.reports()) as reports:
                for report in reports:
                    status(f"{said}: step {report.step} of {report.steps}")
                    if self._cut(report.step, report.steps, report.seconds):
                        break
            status(f"{said}: measuring")
            store.write_json(folder / "evaluation.json", run.evaluate().as_json())
            _, _, training = self._told(folder)
            if not math.isfinite(training.value):
                (folder / "evaluation.json").unlink()
                raise NumericError("what it tells is not finite")
            self._say(f"{said}: {training.value:.5g} after {training.updates:,} updates, {training.seconds:.4g} s", "")

    def _folder(self, name: str) -> Path:
        return self.folder / "trainings" / name.replace(" ", ",")

    def _done(self, name: str, seed: int) -> bool:
        """Whether there is nothing left to do with it."""
        measured = self._folder(name) / str(seed) / "evaluation.json"
        return measured.exists() or bool({name, f"{name}/{seed}"} & self.state["failed"].keys())

    def _run(self, folder: Path, name: str, seed: int) -> Run:
        """The run folder of a training, made once; on the data that all others have."""
        run: Run
        fresh = not (folder / "run.json").exists()
        if fresh:
            updates = store.read_json(folder.parent / "costs.json")["updates"]
            changed = {"seed": seed, "seeds": 1} | ({"steps": updates} if updates else {})
            with _refusals():
                run = self.page.begin(self.options[name].model_copy(update=changed), self.data, folder)
        else:
            run = Run(folder)
        if self.state["fingerprint"] is None:
            self._keep(fingerprint=run.fingerprint)
        if self.state["fingerprint"] != run.fingerprint:
            if fresh:
                shutil.rmtree(folder)
            raise DataError(
                f"{run.source}: changed since this comparison began; bring the old data back, or choose another --out"
            )
        return run

    @contextmanager
    def _watched(self, said: str, key: str) -> Iterator[Any]:
        """Turn what ends one training, but not the comparison, into a line and an entry of the state."""
        if self.flag:
            raise Stopped(f"stopped before {said}; the same command goes on")
        try:
            with self.console.status(escape(said)) as status:
                yield lambda text: status.update(escape(text))
        except Stopped as stopped:
            where = str(stopped).partition(";")[0]
            raise Stopped(f"{said}: {where}; the same command goes on") from None
        except (_RefusedError, NumericError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            reason = " ".join(str(error).split()) or "more memory than there is"
            self._keep(failed=self.state["failed"] | {key: reason})
            self._say(f"{said}: {reason}", "yellow")

    def _keep(self, **changed: Any) -> None:
        self.state = {**self.state, **changed}
        store.write_json(self.folder / "state.json", self.state)

    def _say(self, text: str, style: str) -> None:
        self.console.print(text, style=style, highlight=False, markup=False)

    def _told(self, folder: Path) -> tuple[str, Mapping[str, float], Trained]:
        """The figure that counts, what naive methods reach, and the training, of a run that was measured."""
        metrics = store.read_json(folder / "evaluation.json")["metrics"]
        name = getattr(self.page, "JUDGED", next(iter(metrics)))
        value, (low, high) = metrics[name]["value"], map(_or_nan, metrics[name]["interval"])
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_bytes().splitlines()]
        ends = [0.0, *(line["seconds"] for line in lines)]
        items = sum(line["items_per_second"] * (end - begun) for line, begun, end in zip(lines, ends, ends[1:], strict=False))
        baselines = {who: each for who, each in metrics[name]["baselines"].items() if each is not None}
        step, seconds, cut = lines[-1]["step"], ends[-1], self._cut(*(lines[-1][name] for name in ("step", "steps", "seconds")))
        return name, baselines, Trained(_or_nan(value), (low, high), step, seconds, items / seconds, cut)

    def _cut(self, step: int, steps: int, seconds: float) -> bool:
        """Whether a training ends here, before its last update, for its budget is long over."""
        return step < steps and 0 < OVER * self.what.budget.seconds < seconds

    def _finish(self) -> Compared:
        figure, baselines, rows = "", dict[str, float](), list[Variant]()
        for name, words in self.what.words.items():
            folder, trainings, failed = self._folder(name), dict[int, Trained](), dict[str, str]()
            for seed in self.seeds:
                if (folder / str(seed) / "evaluation.json").exists():
                    figure, others, trainings[seed] = self._told(folder / str(seed))
                    baselines = baselines or dict(others)
                elif f"{name}/{seed}" in self.state["failed"]:
                    failed[str(seed)] = self.state["failed"][f"{name}/{seed}"]
            if name in self.state["failed"]:
                failed["all"] = self.state["failed"][name]
            options = dict(word.split("=", 1) for word in words)
            rows.append(Variant(name, options, trainings, _costs(folder / "costs.json"), failed))
        found = Compared(self.folder, self.kind.task, figure, self.seeds, self.what.budget.seconds, baselines, tuple(rows))
        if not any(row.trainings for row in rows):
            key, reason = next(iter(self.state["failed"].items()))
            raise NumericError(f"{self.folder}: no training came to its end; {key}: {reason}")
        store.write_json(self.folder / "comparison.json", found.as_json())
        return found


class _RefusedError(RecurraError):
    """Options that the data or the machine do not admit."""


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (DataError, UsageError) as error:
        raise _RefusedError(str(error)) from None


def _costs(path: Path) -> Costs | None:
    if not path.exists():
        return None
    kept = store.read_json(path)
    memory = {int(length): size for length, size in kept["memory"].items()}
    return Costs(kept["parameters"], kept["step"], kept["how"], memory, kept["without"])


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
