"""Every regulariser, in every task: it does something, looks are free of it, a resumed run has the bits of the unbroken one."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from recurra.cells import CandidateDropout, LayerNormLSTM, Zoneout
from recurra.errors import UsageError
from recurra.layers import FAMILY, Dropout, Recurrent
from recurra.tasks import forecast, recipes, text
from recurra.tasks.options import Forecast, TaskOptions, Text, TextGeneration
from recurra.train import Average, Clip
from tests.conftest import sentences
from tests.tolerance import close

SMALL: Mapping[str, Any] = {"hidden": 8, "layers": 2, "steps": 3, "check": 2, "engine": "fold", "device": "cpu", "window": 12}
KINDS: list[dict[str, Any]] = [
    {"variational": True},
    {"input_dropout": 0.3},
    {"recurrent_dropout": 0.3},
    {"recurrent_dropout": 0.3, "variational": True},
    {"weight_drop": 0.3},
    {"zoneout": 0.3},
    {"norm": "layer"},
    {"norm": "batch"},
    {"norm": "batch-inside"},
    {"highway": True},
    {"activation_penalty": 1.0},
    {"slowness_penalty": 1.0},
    {"max_norm": 0.5},
    {"max_norm": 0.5, "accumulate": 2},
    {"chrono": 30},
    {"adaptive_clip": 0.001},
    {"optimizer": "nt-asgd"},
    {"norm": "layer", "recurrent_dropout": 0.2, "zoneout": 0.2, "weight_drop": 0.2, "highway": True, "slowness_penalty": 1.0},
]
WORDS: list[dict[str, Any]] = [{"embedding_dropout": 0.3}, {"word_dropout": 0.3}, {"tied": True, "embedding_dropout": 0.3}]
WORDS += [{"forcing": 0.5, "variational": True}, {"forcing": 0.0, "forcing_decay": "constant", "accumulate": 2}]
CASES = [*(("text", kind) for kind in [*KINDS, *WORDS]), *(("forecast", kind) for kind in KINDS)]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[TaskOptions, recipes.Setup]]:
    """Options and what they train, by the name of a task."""
    book = tmp_path_factory.mktemp("data") / "book.txt"
    book.write_text(sentences(40), "utf-8")

    def made(task: str, **options: Any) -> tuple[TaskOptions, recipes.Setup]:
        if task == "text":
            of_text = Text(**{**SMALL, "embedding": 8, **options})
            return of_text, text.setup(of_text, book)
        of_series = Forecast(**{**SMALL, "window": 24, "segment": 6, **options})
        return of_series, forecast.setup(of_series, None)

    return made


@pytest.fixture(autouse=True)
def _short_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "SAMPLE", TextGeneration.parse(["length=2"]))


@pytest.fixture(scope="module")
def plain(make: Any) -> dict[str, torch.Tensor]:
    """What the weights become where nothing is chosen."""
    found = {}
    for task in ("text", "forecast"):
        options, setup = make(task)
        list(recipes.train(options, setup, None))
        found[task] = weights(setup.model)
    return found


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


@pytest.mark.parametrize(("task", "kind"), CASES, ids=str)
def test_it_works_is_off_in_looks_and_resumes_exactly(
    task: str, kind: dict[str, Any], make: Any, plain: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    options, whole = make(task, **kind)
    reports = list(recipes.train(options, whole, None))
    assert reports[-1].skipped == 0
    whole.model.eval()
    with torch.no_grad():
        assert whole.look().value == whole.look().value
    mine = weights(whole.model)
    assert mine.shape != plain[task].shape or not mine.equal(plain[task])
    _, first = make(task, **kind)
    run = recipes.train(options, first, tmp_path)
    assert next(run).step == 2
    run.close()  # type: ignore[attr-defined]
    torch.rand(5)
    _, again = make(task, **kind)
    [last] = recipes.train(options, again, tmp_path)
    assert weights(again.model).equal(mine)
    assert (last.value, last.loss) == (reports[-1].value, reports[-1].loss)


def test_what_options_make() -> None:
    options = Text(norm="layer", recurrent_dropout=0.2, zoneout=0.1, weight_drop=0.3, variational=True, engine="fold", layers=3)
    assert recipes.cell(options) == Zoneout(CandidateDropout(LayerNormLSTM(), 0.2, "sequence"), 0.1)
    stack = recipes.stack(options, 8, output_dropout=0.4)
    assert [layer.weight_drop for layer in stack.layers if isinstance(layer, Recurrent)] == [0.3] * 3
    dropped = {name: (kind.share, kind.over) for name, kind in stack.named_modules() if isinstance(kind, Dropout)}
    assert dropped == {
        "dropout": (options.dropout, "sequence"),
        "input_dropout": (0.0, "sequence"),
        "output_dropout": (0.4, "sequence"),
    }
    average = recipes.average(Text(optimizer="nt-asgd"), stack)
    assert isinstance(average, Average)
    assert (average.decay, average.patience, average.begun) == (1.0, 5, False)
    assert recipes.clip(Text(clip=2.0, clip_value=0.5, adaptive_clip=0.1)) == Clip(2.0, 0.5, 0.1)


REFUSED = {
    "norm=layer": {"lstm-projected", "mlstm", "qrnn"},
    "norm=batch": {"mlstm", "qrnn"},
    "norm=batch-inside": {"mlstm", "qrnn"},
    "recurrent_dropout=0.2": {"elman", "irnn", "lru", "mlstm", "orthogonal", "qrnn"},
    "zoneout=0.2": {"lstm-projected", "mlstm"},
    "weight_drop=0.2": {"mlstm", "qrnn"},
    "chrono=9": {"elman", "irnn", "lru", "mlstm", "orthogonal"},
    "highway=true": set[str](),
}
"""Members of the family that cannot be changed so, the best known ones at least."""


@pytest.mark.parametrize("word", REFUSED)
def test_every_member_of_the_family_is_changed_or_refused_in_one_line(word: str) -> None:
    refused = dict[str, str]()
    for name, member in FAMILY.items():
        engine = ["engine=fold"] if member.cell is not None else []
        options = Text.parse([f"cell={name}", "hidden=8", "layers=2", *engine, word])
        try:
            stack = recipes.stack(options, 4)
        except UsageError as error:
            refused[name] = str(error)
            continue
        y, _ = stack(torch.randn(32, 3, 4), lengths=torch.tensor([3] * 30 + [2, 0]))
        y.square().sum().backward()
        assert all(weight.grad is None or weight.grad.isfinite().all() for weight in stack.parameters()), name
        x = torch.randn(2, 1, 4)
        close(stack.eval().step(x[:, 0], stack.initial(2))[0], stack(x)[0][:, 0])
    for name, message in refused.items():
        assert re.fullmatch(rf"({word}: )?(cell={name}|chrono)[^\n]*; wanted [^\n]*", message)
    assert REFUSED[word] <= set(refused)
    assert not {"lstm", "gru", "slstm", "mingru"} & set(refused)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["residual=true", "highway=true"], "residual=true and highway=true: both lead a layer's input past it; choose one"),
        (["optimizer=nt-asgd", "average=0.9"], "average=0.9 and optimizer=nt-asgd: both average the weights; choose one"),
        (["zoneout=1"], "zoneout=1: wanted number >= 0 < 1"),
        (["norm=both"], "norm=both: wanted none|layer|batch|batch-inside"),
    ],
)
def test_options_that_cannot_be(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Text.parse(words)
    assert str(caught.value) == message


def test_a_cell_that_has_no_candidate_is_named() -> None:
    with pytest.raises(UsageError, match=r"^cell=elman: Elman\(nonlinearity='tanh'\) has no candidate to drop; wanted"):
        recipes.cell(Text(cell="elman", recurrent_dropout=0.2))
    with pytest.raises(UsageError, match=r"^zoneout=0\.2: cell=mlstm cannot; wanted zoneout=0\.0, or another cell$"):
        recipes.stack(Text(cell="mlstm", zoneout=0.2), 4)


@pytest.mark.parametrize("word", ["activation_penalty", "slowness_penalty", "max_norm"])
def test_a_network_without_recurrent_layers_has_nothing_to_regularise(tmp_path: Path, word: str) -> None:
    options = Forecast(**{**SMALL, "model": "linear", word: 1.0})
    with pytest.raises(UsageError, match="the model has no recurrent layers"):
        options.fit(out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
