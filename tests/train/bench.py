"""A small training that tests take apart."""

import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recurra.layers import LSTM, Stack
from recurra.models import LanguageModel
from recurra.train import Cosine, Look, Loss, Report, Training, optimizer

STEPS, EVERY, V = 12, 5, 6
TIMES = {"seconds", "seconds_left", "items_per_second", "notes"}


class Windows:
    """Batches of random symbols, a function of the step."""

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        ids = torch.randint(V, (3, 5), generator=torch.Generator().manual_seed(step))
        return ids[:, :-1], ids[:, 1:]


class Bench:
    """A small language model with dropout, and a training of it that carries its state."""

    def __init__(self, folder: Path | None = None, *, name: str = "adamw", **options: Any) -> None:
        torch.manual_seed(0)
        self.model = LanguageModel(V, 3, Stack(*LSTM(3, 4, layers=2).layers, dropout=0.3, output_dropout=0.3), 4, tied=True)
        self.carries: list[Any] = []
        self.training = Training(
            self.model,
            options.pop("update", self.update),
            options.pop("batches", Windows()),
            optimizer=optimizer(name, self.model, lr=0.05, weight_decay=0.01),
            **{"steps": STEPS, "schedule": Cosine(STEPS, 3), "carry": self.model.initial(3), "folder": folder, **options},
        )

    def update(self, batch: tuple[Tensor, Tensor], carry: Any) -> Loss:
        self.carries.append(carry)
        logits, state = self.model(batch[0], carry)
        return Loss(nn.functional.cross_entropy(logits.flatten(0, 1), batch[1].flatten()), batch[1].numel(), state)

    def look(self) -> Look:
        x, y = Windows()[1000]
        nats, _ = self.model.nats(x, y, None)
        value = nats.mean().item()
        return Look(value, {"nats": value}, f"step {self.training.step}")

    def run(self, *, until: int | None = None) -> list[Report]:
        """Train to the end, or be stopped after so many updates of this life."""
        with self.training as training:
            return list(training.steps(self.look if until is None else self.stopped(until), EVERY))

    def stopped(self, until: int) -> Callable[[], Look]:
        """The look of a run that gets a signal in its update number `until`."""
        update, due = self.training.update, iter([None])

        def with_signal(batch: Any, carry: Any) -> Loss:
            if self.training.step == until - 1 and next(due, 0) is None:
                signal.raise_signal(signal.SIGTERM)
            return update(batch, carry)

        self.training.update = with_signal
        return self.look

    @property
    def weights(self) -> Tensor:
        return torch.cat([weight.detach().flatten() for weight in self.model.parameters()])


def log(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def nothing_else(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} <= {".lock", "checkpoints", "weights.safetensors", "log.jsonl"}


def same(bench: Bench, folder: Path, whole: tuple[Bench, Path]) -> None:
    unbroken, there = whole
    assert bench.weights.equal(unbroken.weights)
    assert log(folder) == log(there)
    assert (folder / "weights.safetensors").read_bytes() == (there / "weights.safetensors").read_bytes()
    assert bench.training.scores == unbroken.training.scores
    nothing_else(folder)


class Broken:
    """The bench, but the loss of some steps is not finite."""

    def __init__(self, bad: set[int], value: float = math.nan, folder: Path | None = None, **options: Any) -> None:
        self.bad, self.value = bad, value
        self.bench = Bench(folder, update=self.update, **options)
        self.weights: list[Tensor] = []

    def update(self, batch: Any, carry: Any) -> Loss:
        self.weights.append(self.bench.weights.clone())
        loss = self.bench.update(batch, carry)
        return loss._replace(mean=loss.mean * self.value) if self.bench.training.step in self.bad else loss
