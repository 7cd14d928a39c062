"""Scheduled sampling in the task `text`, and whatever else reads the batches of a run."""

from pathlib import Path
from typing import Any

import pytest
import torch

import recurra
from recurra.tasks import recipes, text
from recurra.tasks.costs import costs
from recurra.tasks.options import Text, TextGeneration
from recurra.train import InverseSigmoidDecay, forced
from recurra.train.flow import measure
from tests.conftest import sentences
from tests.tasks.stopping import stop_after

SIZES = {"hidden": 8, "embedding": 8, "layers": 1, "window": 12, "batch": 4, "steps": 4, "check": 2}
SMALL: dict[str, Any] = SIZES | {"engine": "fold", "dropout": 0.2, "forcing": 0.25, "forcing_decay": "inverse-sigmoid"}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "book.txt"
    path.write_text(sentences(40), "utf-8")
    return path


@pytest.fixture(autouse=True)
def _short_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "SAMPLE", TextGeneration.parse(["length=2"]))


def weights(options: Text, book: Path) -> torch.Tensor:
    setup = text.setup(options, book)
    list(recipes.train(options, setup, None))
    return torch.cat([weight.detach().flatten() for weight in setup.model.parameters()])


def heard(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The shares that updates read with from now on."""
    shares = list[float]()

    def spy(core: Any, symbols: Any, share: float, **how: Any) -> Any:
        shares.append(share)
        return forced(core, symbols, share, **how)

    monkeypatch.setattr(text, "forced", spy)
    return shares


def test_every_update_reads_with_the_share_of_its_step(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares, decay = heard(monkeypatch), InverseSigmoidDecay(4, 0.25)
    weights(Text(**SMALL | {"accumulate": 2}), book)
    assert shares == [decay.share(k) for k in (0, 0, 1, 1, 2, 2, 3, 3)]


def test_steps_may_come_from_epochs(book: Path) -> None:
    options = Text(**SMALL | {"steps": 0, "epochs": 3, "forcing_decay": "linear"})
    setup = text.setup(options, book)
    total = recipes.steps(options, setup.per_epoch)
    assert [setup.batches[k].share for k in (0, total - 1, total)] == [1.0, 0.25, 0.25]
    assert total > 10


def test_true_symbols_alone_are_what_there_was_before(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Text(**SMALL | {"forcing": 1.0})
    found, sampled = weights(plain, book), weights(Text(**SMALL), book)
    monkeypatch.setattr(text, "forced", lambda core, symbols, _, state: core(symbols, state))
    assert weights(plain, book).equal(found)
    assert not sampled.equal(found)


def test_a_stopped_run_goes_on_exactly(book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Text(**SMALL).fit(book, out=tmp_path / "whole", show=False)
    with monkeypatch.context() as patch:
        stop_after(1, 4, patch)
        with pytest.raises(recurra.errors.Stopped):
            Text(**SMALL).fit(book, out=tmp_path / "parts", show=False)
    torch.rand(7)
    parts = recurra.load(tmp_path / "parts").train(show=False)
    files = [(run.folder / "weights.safetensors").read_bytes() for run in (whole, parts)]
    assert files[0] == files[1]
    logs = [[line.split('"items')[0] for line in (run.folder / "log.jsonl").read_text().splitlines()] for run in (whole, parts)]
    assert logs[0] == logs[1]


def test_who_else_reads_the_batches(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recurra.tasks.costs.LENGTHS", (12, 24))
    options = Text(**SMALL | {"forcing_decay": "constant", "steps": 20})
    setup = text.setup(options, book)
    cost = costs(setup)
    assert cost.step
    assert cost.memory
    flow = measure(setup.model, setup.update, setup.batches, setup.carry)
    [layer] = flow.layers
    assert (layer.steps, len(layer.travel.mean), flow.missing) == (12, 12, ())
    again = measure(setup.model, setup.update, setup.batches, setup.carry)
    assert again == flow
    test = options.find_lr(book)
    assert len(test.rates) == 20
