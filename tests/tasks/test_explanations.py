from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import recurra
from recurra.errors import UsageError
from recurra.tasks import labelling
from recurra.tasks.explanations import explain, integrated_gradients

SMALL: dict[str, Any] = {"hidden": 12, "embedding": 6, "dropout": 0.0, "lr": 0.02, "steps": 60, "check": 60}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The label is whether there is an x in it."""
    path, draw = tmp_path_factory.mktemp("data") / "words.csv", np.random.default_rng(0)
    rows = []
    for k in range(300):
        letters = draw.choice(list("abcd"), 6)
        letters[draw.integers(6)] = "x" if k % 2 else "a"
        rows.append(f"{''.join(letters)},{'yes' if k % 2 else 'no'}\n")
    path.write_text("text,label\n" + "".join(rows))
    return path


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    options = recurra.Classify(**SMALL, pooling="attention", unit="character")
    return options.fit(data, out=tmp_path_factory.mktemp("runs") / "run", show=False)


def test_of_a_straight_line_shares_are_exact() -> None:
    weights = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
    found = integrated_gradients(lambda x: (x * weights).sum((1, 2)) + 7, torch.full((2, 2), 2.0))
    np.testing.assert_allclose(found.shares, 2 * weights, rtol=1e-6)
    assert found.change == pytest.approx(5)
    assert found.missed == pytest.approx(0, abs=1e-5)


def test_shares_of_a_product_are_symmetric_and_complete() -> None:
    found = integrated_gradients(
        lambda x: x[:, 0, 0] * x[:, 1, 0] + torch.tanh(x[:, 2, 0]), torch.tensor([[3.0], [3.0], [2.0]])
    )
    np.testing.assert_allclose(found.shares[:, 0], [4.5, 4.5, np.tanh(2)], rtol=1e-3)
    assert abs(found.missed) <= 0.01 * found.change


def test_steps_add_up_to_the_log_odds(run: recurra.Run) -> None:
    whole = labelling.opened(run)
    assert whole.symbols is not None
    [found, other] = explain(run, ["abxd", "", "abcd"])
    assert (found.label, other.label) == ("yes", "no")
    x = torch.from_numpy(whole.symbols.encode("abxd"))[None]
    nothing, said = (whole.model.told(each * whole.model.vectors(x))[0][0] / whole.model.temperature for each in (0.0, 1.0))
    change = (said[1] - said[0] - nothing[1] + nothing[0]).item()
    assert found.change == pytest.approx(change, rel=1e-4)
    assert found.attributions.sum() == pytest.approx(change, rel=0.02)
    assert found.missed == pytest.approx(change - found.attributions.sum(), abs=1e-4)
    assert found.attributions.argmax() == found.pieces.index("x")


def test_weights_are_those_of_pooling(run: recurra.Run) -> None:
    [found] = explain(run, ["abxd"])
    assert found.weights is not None
    assert found.weights.sum() == pytest.approx(1)
    assert len(found.weights) == len(found.pieces) == 4


def test_unknown_pieces_are_shown_as_they_are_written(run: recurra.Run) -> None:
    assert explain(run, ["a!x"])[0].pieces == ("a", "!", "x")


def test_a_front_and_a_number(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    (tmp_path / "a.jsonl").write_text(
        "".join(f'{{"x": {[round(float(v), 3) for v in draw.normal(k, 1, 7)]}, "y": {k}}}\n' for k in range(30))
    )
    options = recurra.Classify(
        **SMALL | {"steps": 4, "check": 4}, output="number", convolution=3, stride=3, pooling="attention"
    )
    made = options.fit(tmp_path / "a.jsonl", out=tmp_path / "run", show=False)
    [found] = explain(made, [np.ones((7, 1), np.float32)])
    assert found.pieces == ()
    assert found.attributions.shape == (7,)
    assert np.isnan(found.probability)
    assert found.weights is not None
    assert found.weights.shape == (7,)
    assert found.attributions.sum() == pytest.approx(found.change - found.missed)


def test_another_task(trained: recurra.Run) -> None:
    with pytest.raises(UsageError, match="a run of the task text; wanted one of the task classify"):
        explain(trained, ["ab"])
