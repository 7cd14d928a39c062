"""The run folder: one training, whole.

=======================  ==============================================================================
``run.json``             task, options, where the data lay and its fingerprint, versions
``vocabulary.json``      and whatever else a task must know of its data, such as ``series.json`` or ``labels.json``
``data.parquet``         a data frame that was given in the place of a file
``encoder.safetensors``  with ``encoder=RUN``: the weights of that run, from which the encoder starts; with ``vectors=``, those
``weights.safetensors``  the best weights so far
``log.jsonl``            a line for each look at the held-out part
``evaluation.json``      the figures at the end, beside their baselines
``curve.svg``            the learning curve (drawn by the command line)
``samples/``             of tasks whose samples are to be heard or seen: those of each look
``music/``               what ``recurra generate`` wrote where no --out was given; ``drawings/`` of the task `write`
``report/``              what ``recurra report`` made of the run
``seeds/``               with ``seeds=N``: a run folder for each training, and beside it ``seeds.json``
``checkpoints/``         the newest three, each with a manifest and SHA-256
=======================  ==============================================================================
"""

import platform
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Self, final

import torch
from rich.markup import escape
from torch import nn

from recurra import __version__, store
from recurra.engine.precision import Kind
from recurra.errors import DataError, ModelFileError, UsageError
from recurra.tasks.console import terminal
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.options import TASKS, EvaluationOptions, Options, TaskOptions
from recurra.tasks.recipes import Setup, train
from recurra.tasks.seeds import train_seeds
from recurra.tasks.watch import show_evaluation, watch
from recurra.train import Report

__all__ = ["Run", "load", "origin"]

FORMAT = 1


@final
class Run:
    """A run folder: what `evaluate`, `predict`, `generate` and `resume` take.

    Example:
        >>> run = recurra.load("runs/text-1")                       # doctest: +SKIP
        >>> print("".join(run.generate(prompt="The ", length=80)))  # doctest: +SKIP
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "run.json").is_file():
            raise ModelFileError(f"{folder}: not a run folder, it has no run.json; recurra train makes one")
        self.folder = folder
        self.facts: dict[str, Any] = store.read_json(folder / "run.json")
        try:
            if self.facts["format"] > FORMAT:
                raise ModelFileError(
                    f"{folder}: run format {self.facts['format']}, this recurra reads up to {FORMAT}; upgrade it"
                )
            self.source, self.fingerprint = str(self.facts["data"]["source"]), str(self.facts["data"]["fingerprint"])
            self.options: TaskOptions = TASKS[self.facts["task"]](**self.facts["options"])
        except (KeyError, TypeError, UsageError) as error:
            raise ModelFileError(f"{folder / 'run.json'}: not what recurra writes ({error!r})") from None
        self._page: Any = import_module(f"recurra.tasks.{self.options.task}")

    @classmethod
    def create(cls, folder: Path | None, options: TaskOptions, data: Mapping[str, Any], files: Mapping[str, Any]) -> Self:
        """Make a run folder, whole or not at all; `files` lie beside ``run.json``: bytes as they are, all else as JSON."""
        folder = folder or _free(options.task)
        if folder.name in ("", ".."):
            raise UsageError(f"{folder}: a run makes its own folder; name one that is not there yet, such as --out runs/first")
        if (folder / "run.json").exists():
            raise UsageError(f"{folder}: holds a run already; recurra resume {folder} goes on with it, or choose another --out")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder}: is there already and is not empty; choose another --out")
        facts = {
            "format": FORMAT,
            "task": options.task,
            "options": options.model_dump(),
            "data": data,
            "made_with": {"recurra": __version__, "torch": torch.__version__, "python": platform.python_version()},
        }

        def fill(temporary: Path) -> None:
            for name, value in {"run.json": facts, **files}.items():
                write = store.write_bytes if isinstance(value, bytes) else store.write_json
                write(temporary / name, value)

        store.publish(folder, fill)
        return cls(folder)

    @property
    def data(self) -> Path | None:
        """The file or folder that the run learnt from; None where that was embedded."""
        return None if self.facts["data"]["embedded"] else Path(self.source)

    def read(self, name: str) -> Any:
        """One of the run's JSON files."""
        return store.read_json(self.folder / name)

    def fill(self, model: nn.Module) -> None:
        """Load the best weights so far into a model of the run's options."""
        path = self.folder / "weights.safetensors"
        if not path.exists():
            raise ModelFileError(f"{path}: not there yet; recurra resume {self.folder} trains on")
        try:
            model.load_state_dict(store.read_tensors(path))
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise ModelFileError(f"{path}: not the weights of {self.folder / 'run.json'} ({reason})") from None

    def check_data(self, fingerprint: str) -> None:
        """Refuse to go on with data that have changed."""
        if fingerprint != self.fingerprint:
            raise DataError(f"{self.source}: changed since this run began; bring the old data back, or train anew")

    def setup(self) -> Setup:
        """What the run trains, from the data that it learns from: model, with the weights of the start, update and batches."""
        made: Setup = self._page.setup_of(self)
        return made

    def reports(self) -> Generator[Report, None, None]:
        """Train, or go on from the newest checkpoint; a report for each look at what is not learnt from."""
        yield from train(self.options, self.setup(), self.folder)

    def train(self, *, show: bool = True) -> Self:
        """Train to the end, from the newest checkpoint if there is one; then measure, and keep the figures."""
        console = terminal(quiet=not show)
        for note in self.facts["data"].get("notes", ()):
            console.print(escape(note), highlight=False)
        if self.options.seeds > 1:
            train_seeds(self, console)
        else:
            watch(self.reports(), console)
        evaluation = self.evaluate()
        store.write_json(self.folder / "evaluation.json", evaluation.as_json())
        show_evaluation(evaluation, console)
        return self

    def evaluate(self, data: Any = None, *, weights: Kind = "full") -> Evaluation:
        """Every figure with interval and baselines, on the held-out part or on `data`.

        `weights` rounds the matrices of recurrent layers to what a stepper holds in fewer bytes, ``"bfloat16"`` or ``"int8"``,
        and says beside each figure what that costs.
        """
        chosen = EvaluationOptions(weights=weights)
        result: Evaluation = self._page.evaluate(self, self.options.given(data), chosen)
        return result

    def predict(self, data: Any = None, **options: Any) -> Iterator[Mapping[str, Any]]:
        """What the task predicts for each item of `data`, one mapping for each; None takes what the run learnt from.

        Options as ``recurra predict RUN --help`` lists them.
        """
        chosen = self.prediction(**options)
        items: Iterator[Mapping[str, Any]] = self._verb("predict")(self, self.options.given(data), chosen)
        return items

    def generate(self, **options: Any) -> Any:
        """Something new: text, piece by piece as it is made; a `recurra.data.Piece` of music; a list of `recurra.data.Drawing`.

        Options as ``recurra generate RUN --help`` lists them.
        """
        return self._verb("generate")(self, self.generation(**options))

    def stream(self, **options: Any) -> Any:
        """The run fed one observation at a time, where its task has that: see :class:`recurra.tasks.streaming.Stream`."""
        return self._verb("stream")(self, **options)

    def chat(self, **options: Any) -> Any:
        """A conversation with the run, where its task has that: see :class:`recurra.tasks.talking.Talk`.

        Options as ``recurra chat RUN --help`` lists them.
        """
        return self._verb("chat")(self, self.conversation(**options))

    @property
    def reads_sources(self) -> bool:
        """Whether the run reads one sequence and writes another."""
        return hasattr(self._page, "examples")

    def examples(self) -> list[str]:
        """Some of the sources that the run was measured on."""
        found: list[str] = self._verb("examples")(self)
        return found

    def placed(self, count: int = 4) -> list[Any]:
        """Where each symbol lies that the run writes of some of what it was measured on: `recurra.tasks.placed.Placed`."""
        found: list[Any] = self._verb("placed", "transcribe")(self, count)
        return found

    def attention(self, sources: Sequence[str]) -> list[Any]:
        """Where the run looks in each source while it writes: see :func:`recurra.tasks.attention.attention`."""
        looked: list[Any] = import_module("recurra.tasks.attention").attention(self, sources)
        return looked

    @property
    def prediction(self) -> type[Options]:
        """The class of the options of `predict`."""
        kind: type[Options] = self._verb("Prediction", "predict")
        return kind

    @property
    def generation(self) -> type[Options]:
        """The class of the options of `generate`."""
        kind: type[Options] = self._verb("Generation", "generate")
        return kind

    @property
    def conversation(self) -> type[Options]:
        """The class of the options of `chat`."""
        kind: type[Options] = self._verb("Conversation", "chat")
        return kind

    def _verb(self, name: str, verb: str = "") -> Any:
        if not hasattr(self._page, name):
            raise UsageError(f"{self.folder}: the task {self.options.task} does not {verb or name}")
        return getattr(self._page, name)


def load(folder: str | Path) -> Run:
    """Open a run folder."""
    return Run(Path(folder))


def origin(data: Path | None, name: str, fingerprint: str, **more: Any) -> dict[str, Any]:
    """What ``run.json`` keeps of the data: where they lie, or the name of those that need no file, and what tells a change."""
    where = name if data is None else str(data.absolute())
    return {"source": where, "embedded": data is None, "fingerprint": fingerprint, **more}


def _free(task: str) -> Path:
    return next(path for k in range(1, sys.maxsize) if not (path := Path("runs") / f"{task}-{k}").exists())
