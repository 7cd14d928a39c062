"""Training as a value: everything that a run is at one step, and the loop that takes it to the next."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self, final

import torch
from torch import Tensor, nn

from recurra import __version__, store
from recurra import state as states
from recurra.errors import CheckpointError, NumericError, Stopped, UsageError
from recurra.train import checkpoints
from recurra.train.averaging import Average
from recurra.train.clipping import Clip
from recurra.train.guard import StopFlag, locked, stop_flag
from recurra.train.memory import freed_memory_kept
from recurra.train.schedules import Constant, Schedule

__all__ = ["Batches", "Look", "Loss", "Report", "Training"]

PATIENCE_WITH_NAN = 5


class Batches(Protocol):
    """The batch of every step: a function of the step, so that a resumed run reads on where it was."""

    def __getitem__(self, step: int) -> Any:
        """The batch of `step`, counted from 0."""


class Loss(NamedTuple):
    """What an update found: the mean to go down, over how many items, and the state to carry to the next batch."""

    mean: Tensor
    items: int
    carry: Any = ()


class Look(NamedTuple):
    """What a look at the held-out part found: the value to be judged by (lower is better), its names, a fresh sample.

    What is to be seen or heard of the sample is in files, by name.
    """

    value: float
    metrics: Mapping[str, float]
    sample: str = ""
    files: Mapping[str, bytes] = MappingProxyType({})


class Report(NamedTuple):
    """What happened since the last report.

    `value` is what the look was judged by: infinite where that was not finite, and NaN where nobody looked.
    """

    step: int
    steps: int
    loss: float
    metrics: Mapping[str, float]
    best: bool
    lr: float
    norm: float
    clipped: float
    skipped: int
    items_per_second: float  # in updates alone
    seconds: float  # spent in updates since the run began
    seconds_left: float  # with looks
    sample: str
    notes: tuple[str, ...]
    value: float = math.nan
    files: Mapping[str, bytes] = MappingProxyType({})


class Tally(NamedTuple):
    """Sums since the last report."""

    loss: float = 0.0
    items: int = 0
    norm: float = 0.0
    clipped: int = 0
    applied: int = 0
    skipped: int = 0
    seconds: float = 0.0
    lr: float = 0.0  # of the last step


@final
class Training:
    """A model in training: weights, optimiser, step, carried state, random state, held-out scores.

    Args:
        model: what is trained.
        update: ``update(batch, carry) -> Loss``: the loss of one batch, from the state that the one before left.
        batches: ``batches[step]`` is the batch of a step.
        optimizer: any of `torch.optim` that needs no closure; its learning rates are multiplied by the schedule.
        steps: how many updates the run has.
        schedule: factor of the learning rate.
        clip: bounds of the gradient.
        patience: stop after so many looks without a better score; 0 never.
        carry: the state before the first batch; it is cut from its history after every update (truncated
            backpropagation through time).
        folder: where checkpoints, the log and the best weights go; None keeps nothing.
        accumulate: N, how many batches make an update. Its gradient is their mean, weighted by items; the carried state runs
            on through them; step k reads ``batches[k * N]`` to ``batches[k * N + N - 1]``.
        precision: ``"bfloat16"`` runs the update under `torch.autocast`; weights, optimiser, carried state and looks stay
            as they are.
        average: decay of the moving average of the weights, 0 for none, or an `Average` of the model. Looks, the best weights,
            and without looks the last ones, are those of the average; the model keeps its own.

    A step whose loss or gradient is not finite is not applied, nor what it did to running statistics; five in a row raise
    NumericError. Inside ``with``, the folder is locked, its newest sound checkpoint is restored, and Ctrl-C or SIGTERM ends the
    loop between two updates with `Stopped`. Leaving, however it happens, saves.

    Example:
        >>> model = nn.Linear(1, 1)
        >>> update = lambda x, carry: Loss((model(x) - 2 * x).square().mean(), len(x))
        >>> batches = [torch.randn(8, 1) for _ in range(50)]
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with Training(model, update, batches, optimizer=sgd, steps=50) as training:
        ...     steps = [report.step for report in training.steps(every=25)]
        >>> steps, round(model.weight.item())
        ([25, 50], 2)
    """

    def __init__(
        self,
        model: nn.Module,
        update: Callable[[Any, Any], Loss],
        batches: Batches,
        *,
        optimizer: torch.optim.Optimizer,
        steps: int,
        schedule: Schedule | None = None,
        clip: Clip | None = None,
        patience: int = 0,
        carry: Any = (),
        folder: str | Path | None = None,
        accumulate: int = 1,
        precision: Literal["float32", "bfloat16"] = "float32",
        average: float | Average = 0.0,
    ) -> None:
        if accumulate < 1 or not (isinstance(average, Average) or 0 <= average < 1):
            raise UsageError(f"accumulate={accumulate}, average={average}: wanted 1 batch or more, a decay >= 0 and below 1")
        self.model, self.update, self.batches, self.optimizer = model, update, batches, optimizer
        self.total, self.schedule, self.clip, self.patience = steps, schedule or Constant(), clip or Clip(), patience
        self.carry, self.folder = carry, None if folder is None else Path(folder)
        self.accumulate, self.precision = accumulate, precision
        self.average = average if isinstance(average, Average) else Average(model, average) if average else None
        self.step, self.reported, self.in_a_row, self.seconds = 0, 0, 0, 0.0
        self.scores: list[float] = []
        self.best: dict[str, Tensor] = {}
        self.tally = Tally()
        self.rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._stop, self._between, self._saved, self._notes = StopFlag(), True, -1, list[str]()

    def __enter__(self) -> Self:
        self._context = ExitStack()
        try:
            if self.folder is not None:
                self._context.enter_context(locked(self.folder))
                self._restore(self.folder)
            self._stop = self._context.enter_context(stop_flag())
            self._context.enter_context(freed_memory_kept())
        except BaseException:
            self._context.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if self._between and not isinstance(error, NumericError):
                self.save()
        finally:
            self._context.close()

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or `patience` looks in a row brought nothing better."""
        return self.step >= self.total or bool(self.patience and self.looks_since_best >= self.patience)

    @property
    def looks_since_best(self) -> int:
        """How many looks ago the best score was."""
        return len(self.scores) - 1 - self.scores.index(min(self.scores)) if self.scores else 0

    def steps(self, validate: Callable[[], Look] | None = None, every: int = 100) -> Iterator[Report]:
        """Train; after every `every` steps and after the last, look at the held-out part, save, and yield a report."""
        if every < 1:
            raise UsageError(f"every is {every}; wanted at least 1 update between two looks")
        self.model.train()
        begun, first = time.monotonic(), self.step
        while not self.finished or self._due(every):
            if self._due(every):  # also the first thing of a run that was stopped in the middle of a look
                yield self._report(validate, lambda: (time.monotonic() - begun) / max(1, self.step - first))
            elif self._stop:
                where = f"; go on with: recurra resume {self.folder}" if self.folder else ""
                raise Stopped(f"stopped at step {self.step} of {self.total}{where}")
            else:
                self._advance()

    def save(self) -> None:
        """Write a checkpoint of this step."""
        if self.folder is None or self._saved == self.step:
            return
        folder = self.folder / "checkpoints"
        folder.mkdir(exist_ok=True)
        checkpoints.save(folder, self.step, checkpoints.Checkpoint(self._tensors(), self._facts()))
        self._saved = self.step

    def _due(self, every: int) -> bool:
        return self.step > self.reported and (self.step % every == 0 or self.step >= self.total)

    def _advance(self) -> None:
        self._between = False
        begun = time.monotonic()
        factor = self.schedule.factor(self.step, self.scores)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()]  # running statistics, if there are any
        total, items, carry = self._gradient()
        norm, clipped = self.clip(self.model.parameters())
        self.step += 1
        if math.isfinite(total) and math.isfinite(norm):
            self.optimizer.step()
            if self.average:
                self.average.update()
            self.carry, self.in_a_row = carry, 0
            t = self.tally
            self.tally = t._replace(
                loss=t.loss + total,
                items=t.items + items,
                norm=t.norm + norm,
                clipped=t.clipped + clipped,
                applied=t.applied + 1,
            )
        else:
            for buffer, before in buffers:
                buffer.copy_(before)
            self.in_a_row += 1
            self.tally = self.tally._replace(skipped=self.tally.skipped + 1)
            if self.in_a_row == PATIENCE_WITH_NAN:
                mean = total / max(1, items)
                raise NumericError(
                    f"step {self.step}: loss {mean}, gradient norm {norm}, not finite {PATIENCE_WITH_NAN} times in a row; "
                    f"nothing of it was applied; lower lr (now {self.rates[0] * factor:g}) or clip"
                )
        self.seconds += time.monotonic() - begun
        self.tally = self.tally._replace(seconds=self.tally.seconds + time.monotonic() - begun, lr=self.rates[0] * factor)
        self._between = True

    def _gradient(self) -> tuple[float, int, Any]:
        """Lay the gradient of the next update into the weights: sum of its losses, items, and the state that they leave."""
        total, items, carry = 0.0, 0, self.carry
        self.model.zero_grad()
        for k in range(self.accumulate):
            batch = self.batches[self.step * self.accumulate + k]
            with torch.autocast(self._device.type, torch.bfloat16) if self.precision == "bfloat16" else nullcontext():
                loss = self.update(batch, carry)
            if not states.named(self.carry) and states.named(loss.carry):
                raise UsageError(
                    "the update carries a state, but Training was given none to begin with; wanted carry=model.initial(B)"
                )
            scaled = loss.mean if self.accumulate == 1 else loss.mean * loss.items
            scaled.backward()  # type: ignore[no-untyped-call]
            carry = states.detach(loss.carry)
            if self.precision == "bfloat16":
                carry = states.map(lambda after, before: after.to(before.dtype), carry, self.carry)
            total, items = total + loss.mean.item() * loss.items, items + loss.items
        if self.accumulate > 1:
            for weight in self.model.parameters():
                if weight.grad is not None:
                    weight.grad /= max(1, items)
        return total, items, carry

    def _report(self, validate: Callable[[], Look] | None, pace: Callable[[], float]) -> Report:
        look = self._look(validate) if validate else Look(math.nan, {})
        self._between = False
        self.reported = self.step
        better = validate is not None and look.value < min(self.scores, default=math.inf)
        if validate is not None:
            self.scores.append(look.value)
            if self.average:
                self.average.look(self.scores)
        if better or validate is None:
            with self._averaged():
                self.best = {name: weight.detach().clone() for name, weight in self.model.state_dict().items()}
        done, self.tally = self.tally, Tally()
        applied = max(1, done.applied)
        report = Report(
            step=self.step,
            steps=self.total,
            loss=done.loss / done.items if done.items else math.nan,
            metrics=look.metrics,
            best=better,
            lr=done.lr,
            norm=done.norm / applied,
            clipped=done.clipped / applied,
            skipped=done.skipped,
            items_per_second=done.items / done.seconds,
            seconds=self.seconds,
            seconds_left=(self.total - self.step) * pace(),
            sample=look.sample,
            notes=tuple(self._notes),
            files=look.files,
            value=math.inf if look.value == sys.float_info.max else look.value,
        )
        self._notes.clear()
        if self.folder is not None:
            if self.best and (better or validate is None):
                store.write_tensors(self.folder / "weights.safetensors", self.best)
            store.append_line(self.folder / "log.jsonl", _plain(report))
            self.save()
        self._between = True
        return report

    def _look(self, validate: Callable[[], Look]) -> Look:
        training, device = self.model.training, self._device
        self.model.eval()
        try:
            with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad(), self._averaged():
                look = validate()
        finally:
            self.model.train(training)
        return look if math.isfinite(look.value) else look._replace(value=sys.float_info.max)

    def _averaged(self) -> AbstractContextManager[None]:
        return self.average.applied() if self.average else nullcontext()

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"model.{name}": weight for name, weight in self.model.state_dict().items()}
        tensors |= {f"best.{name}": weight for name, weight in self.best.items()}
        if self.average:
            tensors |= {f"average.{name}": weight for name, weight in self.average.weights.items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{slot}": torch.as_tensor(value) for slot, value in slots.items()}
        tensors |= {f"carry.{name}": part for name, part in states.named(self.carry).items()}
        if self._device.type == "cuda":
            tensors["random_cuda"] = torch.cuda.get_rng_state(self._device)
        return tensors | {"random": torch.get_rng_state()}

    def _facts(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "reported": self.reported,
            "scores": self.scores,
            "tally": self.tally._asdict(),
            "in_a_row": self.in_a_row,
            "seconds": self.seconds,
            "averaged": self.average.count if self.average else 0,
            "made_with": surroundings(self._device),
        }

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _restore(self, folder: Path) -> None:
        for place in (folder, folder / "checkpoints"):
            store.sweep(place)
        found, self._notes = checkpoints.newest(folder / "checkpoints")
        log = folder / "log.jsonl"
        if found is None and self._notes:
            damage = self._notes[0].split(";")[0]
            raise CheckpointError(f"{damage}; no checkpoint is sound: remove {folder / 'checkpoints'} to start anew")
        if found is None:
            log.unlink(missing_ok=True)
            return
        try:
            self._take(found)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(f"{folder / 'checkpoints'}: not those of the model in {folder} ({reason})") from None
        if self.best:
            store.write_tensors(folder / "weights.safetensors", self.best)
        store.keep_lines(log, lambda line: line["step"] <= self.step)

    def _take(self, found: checkpoints.Checkpoint) -> None:
        tensors, facts = found
        self.model.load_state_dict(_below("model.", tensors))
        self.best = _below("best.", tensors)
        if self.average:
            saved = _below("average.", tensors)
            for name, weight in self.average.weights.items():
                weight.copy_(saved[name])
            self.average.count = facts["averaged"]
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in _below("optimizer.", tensors).items():
            index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = value
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": slots})
        carried = states.rebuild(self.carry, _below("carry.", tensors))
        self.carry = states.map(lambda saved, like: saved.to(like.device), carried, self.carry)
        torch.set_rng_state(tensors["random"])
        if "random_cuda" in tensors and self._device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random_cuda"], self._device)
        self.step, self.reported, self.scores = facts["step"], facts["reported"], list(facts["scores"])
        if self.average:
            self.average.look(self.scores)
        self.tally = Tally(**facts["tally"])
        self.in_a_row, self.seconds, self._saved = facts["in_a_row"], facts["seconds"], facts["step"]
        for name, now in surroundings(self._device).items():
            before = facts["made_with"].get(name)
            if before != now:
                self._notes.append(f"{name} was {before} and is now {now}: the run goes on, but not bit for bit")


def surroundings(device: torch.device) -> dict[str, Any]:
    """What the bits of a run depend on beside its options."""
    return {
        "recurra": __version__,
        "torch": torch.__version__,
        "device": str(device),
        "engine": os.environ.get("RECURRA_ENGINE", "auto"),
        "threads": torch.get_num_threads(),
        "processor": torch.backends.cpu.get_cpu_capability(),
    }


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _plain(report: Report) -> dict[str, Any]:
    line = report._asdict() | {"notes": list(report.notes)}
    del line["files"]
    finite = {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in line.items()}
    return finite | {"metrics": {name: value if math.isfinite(value) else None for name, value in report.metrics.items()}}
