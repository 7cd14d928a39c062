"""Search for options: many trainings, each with other options, the hopeless ones ended early, the best one kept as a run."""

import json
import math
import re
import shlex
import shutil
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.markup import escape

from recurra import store
from recurra.errors import DataError, NumericError, RecurraError, Stopped, UsageError, near_miss
from recurra.tasks.console import terminal
from recurra.tasks.options import TASKS, TaskOptions, Tuning
from recurra.tasks.options.tuning import Choices, Dimension, Space, space
from recurra.tasks.runs import Run
from recurra.train.guard import StopFlag, locked, stop_flag

__all__ = ["Trial", "Tuned", "tune"]

STARTUP = 10  # trials drawn at random before the sampler learns from them
UNPRUNED = 5  # trials that all run to their end, and looks of a trial before it may be ended
FEWEST = 5  # trials that came to their end, for importances
DIGITS = 3  # that numbers of a range are rounded to, so that they can be typed


class Trial(NamedTuple):
    """One training of the search: its options, its best held-out score, and how it ended.

    `state` is ``"complete"``, ``"pruned"`` (ended early, as no better than the median), or ``"failed"``, and `reason` says why.
    """

    number: int
    options: Mapping[str, Any]
    value: float | None
    looks: int
    state: str
    reason: str


class Tuned(NamedTuple):
    """What a search found; `best` is an ordinary run, `command` trains it again."""

    folder: Path
    trials: tuple[Trial, ...]
    importances: Mapping[str, float]
    best: Run
    command: str

    @property
    def ranked(self) -> list[Trial]:
        """Trials that came to their end, the best first; then the others, by their last score."""
        return sorted(self.trials, key=lambda trial: (trial.state != "complete", _or_infinite(trial.value), trial.number))

    def as_json(self) -> dict[str, Any]:
        """One object: trials, the share of each option in what made trials good, the best run's options as a command."""
        trials = [{**trial._asdict(), "options": dict(trial.options)} for trial in self.trials]
        return {"command": self.command, "importances": dict(self.importances), "trials": trials}


def tune(task: str, data: Any, words: Iterable[str], *, out: str | Path | None = None, show: bool = True) -> Tuned:
    """Search the ranges and choices among `words` for the options of the best held-out score.

    Trials are drawn by a tree-structured Parzen estimator (Bergstra et al. 2011), the first ten at random, all from the seed
    of the options. Five trials run to their end; a later one is ended, after five looks, where it is worse than the median of
    those before it was at the same look. Everything is in the folder: calling this again with the same arguments goes on, a
    trial that was stopped or killed included, and ends as an unbroken search would; more `trials` go on from where fewer ended.

    ==================  =========================================================================
    ``tune.json``       what is searched, in what data
    ``journal.jsonl``   every trial, as optuna keeps it
    ``trials/N/``       the run folder of each trial; all but the best without its weights
    ``trials.json``     the trials as a table, and the importance of each option (PED-ANOVA)
    ``best/``           the best trial's run folder, measured
    ==================  =========================================================================

    Args:
        task: its name.
        data: what the task reads; None takes its embedded default.
        words: ``name=value``, as on the command line: ``hidden=64..512``, ``cell=lstm,gru``, ``layers=2``, ``trials=20``.
        out: the folder, by default ``runs/tune-TASK``.
        show: print a line for each trial.

    Raises:
        UsageError: words that cannot be (see :func:`recurra.tasks.options.tuning.space`), a folder that holds something
            else, or optuna is not there.
        DataError: data that cannot be used, or have changed since the search began.
        NumericError: where no trial came to an end.
        Stopped: between two updates of a trial.
    """
    if task not in TASKS:
        raise UsageError(f"{task}: no such task; {near_miss(task, TASKS)}")
    pairs = list(words)
    own = [word for word in pairs if word.partition("=")[0] in Tuning.model_fields]
    what, trials = space(TASKS[task], [word for word in pairs if word not in own]), Tuning.parse(own).trials
    folder = Path("runs") / f"tune-{task}" if out is None else Path(out)
    return _Search(task, TASKS[task].given(data), what, trials, folder, terminal(quiet=not show)).run()


class _Search:
    """A search in its folder."""

    def __init__(self, task: str, data: Path | None, what: Space, trials: int, folder: Path, console: Console) -> None:
        self.optuna = _optuna()
        self.kind, self.data, self.space, self.trials, self.folder = TASKS[task], data, what, trials, folder
        self.flag = StopFlag()
        self.base, self.console, self.page = self.kind.parse(what.fixed), console, import_module(f"recurra.tasks.{task}")
        if "seeds" in what.searched or self.base.seeds > 1:
            raise UsageError("seeds: each trial trains once; search first, then train the best options with seeds=N")

    def run(self) -> Tuned:
        self._begin()
        with locked(self.folder), _calm(self.optuna):
            for place in (self.folder, self.folder / "trials"):
                store.sweep(place)
            study = self._study()
            with stop_flag() as self.flag:  # a signal is heard between trials too
                while self._ended(study) < self.trials:
                    self._try_one(study)
            return self._finish(study)

    def _begin(self) -> None:
        """Make the folder, or see that it is of this search; data and options are tried before there is one."""
        facts = {
            "task": self.kind.task,
            "data": None if self.data is None else str(self.data.absolute()),
            "fixed": sorted(self.space.fixed),
            "searched": {name: str(found) for name, found in sorted(self.space.searched.items())},
        }
        path = self.folder / "tune.json"
        if path.exists():
            before = store.read_json(path)
            if before != facts:
                differs = next(name for name in facts if before.get(name) != facts[name])
                raise UsageError(
                    f"{self.folder}: holds another search, its {differs} differ; give the same words, or choose another --out"
                )
            return
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise UsageError(f"{self.folder}: is there already and is no search; choose another --out")
        self.page.setup(self._options({name: _low(found) for name, found in self.space.searched.items()}), self.data)
        store.publish(self.folder, lambda temporary: store.write_json(temporary / "tune.json", facts))

    def _options(self, values: Mapping[str, Any]) -> TaskOptions:
        return self.kind.parse([*self.space.fixed, *_words(values)])

    def _study(self) -> Any:
        """The study in the journal; a trial that was running when the process ended is to run again."""
        journal = self.optuna.storages.journal
        backend = journal.JournalFileBackend(str(self.folder / "journal.jsonl"), lock_obj=_Held())
        study = self.optuna.create_study(
            storage=self.optuna.storages.JournalStorage(backend),
            study_name="tune",
            load_if_exists=True,
            pruner=self.optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED, n_warmup_steps=UNPRUNED),
        )
        states = self.optuna.trial.TrialState
        waiting = {trial.user_attrs.get("folder") for trial in study.get_trials(deepcopy=False, states=(states.WAITING,))}
        for trial in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            name = trial.user_attrs.get("folder", f"{trial.number:04}")
            if name not in waiting:
                study.enqueue_trial(trial.params, user_attrs={"folder": name})
            study.tell(trial.number, state=states.FAIL)
        return study

    def _ended(self, study: Any) -> int:
        states = self.optuna.trial.TrialState
        return len(study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED)))

    def _try_one(self, study: Any) -> None:
        number, pruned = self._ended(study), self.optuna.trial.TrialState.PRUNED
        # seeded for each trial: a search that was stopped draws as one that was not
        [seed] = np.random.SeedSequence([self.base.seed, number]).generate_state(1)
        study.sampler = self.optuna.samplers.TPESampler(seed=int(seed), n_startup_trials=STARTUP)
        trial = study.ask({name: self._distribution(found) for name, found in sorted(self.space.searched.items())})
        name = trial.user_attrs.get("folder")
        if name is None:
            name = f"{trial.number:04}"
            trial.set_user_attr("folder", name)
        values = self._values(trial)
        said = f"trial {number + 1} of {self.trials}: {' '.join(_words(values))}"
        try:
            with self.console.status(escape(said)):
                best = self._train(study, trial, values, self.folder / "trials" / name)
        except Stopped as stopped:
            where = str(stopped).partition(";")[0]
            raise Stopped(f"trial {number + 1} of {self.trials}: {where}; the same command goes on") from None
        except (_UnusableError, NumericError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            reason = " ".join(str(error).split())
            trial.set_user_attr("reason", reason)
            study.tell(trial, state=pruned)
            self._thin(name)
            self._say(f"{said}: {reason}", "yellow")
            return
        except self.optuna.TrialPruned:
            study.tell(trial, state=pruned)
            self._thin(name)
            self._say(f"{said}: ended early", "dim")
            return
        before = self._best(study)
        study.tell(trial, best)
        after = self._best(study)
        self._thin(name if after == before else before)
        self._say(f"{said}: {best:.4f}{'' if after == before else ' best'}", "" if after == before else "green")

    def _say(self, text: str, style: str) -> None:
        self.console.print(text, style=style, highlight=False, markup=False)

    def _train(self, study: Any, trial: Any, values: Mapping[str, Any], folder: Path) -> float:
        """Train one trial to its end, or to where the median of the others is better; from its checkpoint if it has one."""
        try:
            run = Run(folder) if (folder / "run.json").exists() else self.page.begin(self._options(values), self.data, folder)
        except (DataError, UsageError) as error:
            raise _UnusableError(str(error)) from None
        if study.user_attrs.get("fingerprint", run.fingerprint) != run.fingerprint:
            raise DataError(f"{run.source}: changed since this search began; bring the old data back, or choose another --out")
        study.set_user_attr("fingerprint", run.fingerprint)
        if self.flag:
            raise Stopped("stopped before its first step")
        best, looks = math.inf, self._looks(run)
        with closing(looks):
            for look, value in enumerate(looks):
                best = min(best, value)
                if math.isfinite(value):
                    trial.report(value, look)
                if trial.should_prune():
                    raise self.optuna.TrialPruned
                if self.flag:
                    raise Stopped(f"stopped after look {look + 1}")
        if not math.isfinite(best):
            raise NumericError("no look at the held-out part was finite")
        return best

    def _looks(self, run: Run) -> Generator[float, None, None]:
        """The value of every look: those in the log, then those to come."""
        log, seen = run.folder / "log.jsonl", set[int]()
        if log.exists() and (run.folder / "checkpoints").exists():
            for line in log.read_bytes().splitlines():
                try:
                    looked = json.loads(line)
                except ValueError:  # cut off by a kill; the look is made again
                    break
                seen.add(looked["step"])
                yield math.inf if looked["value"] is None else looked["value"]
        with closing(run.reports()) as reports:
            for report in reports:
                if report.step not in seen:
                    yield report.value

    def _best(self, study: Any) -> str | None:
        """The folder of the best trial so far."""
        done = study.get_trials(deepcopy=False, states=(self.optuna.trial.TrialState.COMPLETE,))
        return study.best_trial.user_attrs["folder"] if done else None

    def _thin(self, name: str | None) -> None:
        """Remove the weights and checkpoints of a trial that is not the best; its options and log stay."""
        if name is None:
            return
        folder = self.folder / "trials" / name
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        (folder / "weights.safetensors").unlink(missing_ok=True)

    def _values(self, trial: Any) -> dict[str, Any]:
        """The options of a trial, numbers with as many digits as are typed."""
        return {name: _rounded(found, trial.params[name]) for name, found in self.space.searched.items()}

    def _distribution(self, found: Dimension) -> Any:
        kinds = self.optuna.distributions
        if isinstance(found, Choices):
            return kinds.CategoricalDistribution(found.values)
        if found.whole:
            return kinds.IntDistribution(int(found.low), int(found.high), log=found.log)
        return kinds.FloatDistribution(found.low, found.high, log=found.log)

    def _finish(self, study: Any) -> Tuned:
        states = self.optuna.trial.TrialState
        ended = study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED))
        trials = tuple(self._told(number, trial) for number, trial in enumerate(ended))
        name = self._best(study)
        if name is None:
            raise NumericError(f"{self.folder}: no trial came to its end; the last one: {trials[-1].reason}")
        best = self._keep(self.folder / "trials" / name)
        if not (best.folder / "evaluation.json").exists():
            best.train(show=not self.console.quiet)
        words = [*self.space.fixed, *_words(self._values(study.best_trial))]
        command = shlex.join(["recurra", "train", self.kind.task, *_typed(self.data), *words])
        tuned = Tuned(self.folder, trials, self._importances(study), best, command)
        store.write_json(self.folder / "trials.json", tuned.as_json())
        return tuned

    def _told(self, number: int, trial: Any) -> Trial:
        reason = trial.user_attrs.get("reason", "")
        state = "failed" if reason else "complete" if trial.state == self.optuna.trial.TrialState.COMPLETE else "pruned"
        looks = trial.intermediate_values
        return Trial(number + 1, self._values(trial), min(looks.values(), default=None), len(looks), state, reason)

    def _keep(self, found: Path) -> Run:
        """The best trial as the folder `best`; one of an earlier end of this search gives way."""
        target = self.folder / "best"
        if target.exists() and store.read_json(target / "run.json") != store.read_json(found / "run.json"):
            shutil.rmtree(target)
        if not target.exists():
            store.publish(target, lambda temporary: _copy(found, temporary))
        return Run(target)

    def _importances(self, study: Any) -> dict[str, float]:
        """The share of each option in what made the best trials good; nothing where too few came to their end."""
        if len(study.get_trials(deepcopy=False, states=(self.optuna.trial.TrialState.COMPLETE,))) < FEWEST:
            return {}
        module = self.optuna.importance
        found = module.get_param_importances(study, evaluator=module.PedAnovaImportanceEvaluator())
        return {name: float(share) for name, share in found.items()}


class _UnusableError(RecurraError):
    """Options that the data or the machine do not admit."""


class _Held:
    """The journal's lock: the folder's own is held already, and no killed process leaves it behind."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UsageError("tune needs the optuna library; type: pip install 'recurra[tune]'") from None
    return optuna


@contextmanager
def _calm(optuna: Any) -> Iterator[None]:
    """Without optuna's lines on the terminal: what is worth saying is said here."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _low(found: Dimension) -> Any:
    if isinstance(found, Choices):
        return found.values[0]
    return int(found.low) if found.whole else found.low


def _rounded(found: Dimension, value: Any) -> Any:
    if isinstance(found, Choices) or found.whole:
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), found.low), found.high)


def _words(values: Mapping[str, Any]) -> list[str]:
    return [f"{name}={value}" for name, value in values.items()]


def _typed(data: Path | None) -> list[str]:
    """DATA as it is typed: a path that looks like an option has a folder in front."""
    return [] if data is None else [f"./{data}" if re.match(r"\w+=", str(data)) else str(data)]


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else value


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
