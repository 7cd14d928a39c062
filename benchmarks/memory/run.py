"""One training on a memory task, measured at the end on sequences never seen: the last weights, not the best look's."""

import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from benchmarks.memory.network import Network
from benchmarks.memory.options import MemoryOptions
from benchmarks.memory.task import Batch, Task, wilson
from recurra.metrics import Mean
from recurra.tasks import recipes
from recurra.train import Batches, Look, Loss, Report, Training, flow

__all__ = ["MadeBatches", "measure", "run"]

LEARN, LOOK, TEST = range(3)  # streams of random numbers that have nothing in common


@final
@dataclass(frozen=True)
class MadeBatches:
    """The batch of every step: a function of the seed and the step, so that a run can be resumed anywhere."""

    task: Task
    options: MemoryOptions

    def __getitem__(self, step: int) -> Batch:
        draw = np.random.default_rng((LEARN, self.options.seed, step))
        grown = min(1.0, 0.05 + step / self.options.curriculum) if self.options.curriculum else 1.0
        return self.task.batch(draw, self.options.batch, math.ceil(self.task.length * grown))


@torch.no_grad()
def measure(model: Network, task: Task, batches: Iterable[Batch]) -> Mean:
    """The mean score over the rows of some batches."""
    device = next(model.parameters()).device
    model.eval()
    scores = []
    for batch in batches:
        answers = model(batch.x.to(device))
        scores.append(task.scores(answers, batch.targets.to(device)).cpu().numpy())
    model.train()
    return Mean(tuple(float(some.sum()) for some in scores), tuple(map(len, scores)))


def travel(model: Network, update: Callable[[Any, Any], Loss], batches: Batches) -> dict[str, Any]:
    """The norm of the last step's gradient k = 0, 1, ... steps back, as a share of that at k = 0, in the first layer."""
    [first, *_] = flow.measure(model, update, batches, warm=0, count=1, spectra=False).layers
    shares = [norm / first.travel.mean[0] for norm in first.travel.mean]
    return {"shares": shares, "factor": first.travel.factor, "horizon": first.travel.horizon}


def run(task: Task, options: MemoryOptions, tell: Callable[[Report], None] = lambda _: None) -> dict[str, Any]:
    """Train and measure: the figure with its interval beside chance, the time and the updates it took, the learning curve."""
    torch.manual_seed(options.seed)
    model, batches, reports = Network(task, options).to(recipes.device(options)), MadeBatches(task, options), list[Report]()
    device = next(model.parameters()).device

    def update(batch: Batch, _: Any) -> Loss:
        answers = model(batch.x.to(device))
        return Loss(task.loss(answers, batch.targets.to(device)), len(batch.x))

    def look() -> Look:
        score = measure(model, task, task.held_out(np.random.default_rng((LOOK, options.seed)), whole=False)).value
        return Look(-score if task.best else score, {task.figure: score})

    before = travel(model, update, batches) if options.travel else None
    with Training(
        model,
        recipes.update(options, model, update),
        batches,
        optimizer=recipes.make_optimizer(options, model),
        steps=options.steps,
        schedule=recipes.schedule(options, options.steps),
        clip=recipes.clip(options),
        folder=_folder(options),
        accumulate=options.accumulate,
        precision=recipes.precision(options),
        average=recipes.average(options, model),
    ) as training:
        for report in training.steps(look, recipes.check_every(options, options.steps)):
            reports.append(report)
            tell(report)
            if options.minutes and report.seconds > 60 * options.minutes:
                break
        with training.average.applied() if training.average else nullcontext():
            mean = measure(model, task, task.held_out(np.random.default_rng((TEST, options.seed)), whole=True))
    sure = wilson(round(sum(mean.sums)), mean.count) if task.best else mean.interval()
    return {
        "figure": task.figure,
        "value": mean.value,
        "interval": sure,
        "chance": task.chance,
        "length": task.length,
        "cell": options.cell,
        "seed": options.seed,
        "updates": training.step,
        "seconds": training.seconds,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "options": options.changed(),
        **({} if before is None else {"travel": {"before": before, "after": travel(model, update, batches)}}),
        "curve": {
            "updates": [report.step for report in reports],
            "seconds": [report.seconds for report in reports],
            "loss": [report.loss for report in reports],
            task.figure: [report.metrics[task.figure] for report in reports],
        },
    }


def _folder(options: MemoryOptions) -> Path | None:
    if not options.folder:
        return None
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
