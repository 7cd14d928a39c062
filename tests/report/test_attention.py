import json
from pathlib import Path

import numpy as np
import pytest
import torch

import recurra
from recurra.errors import UsageError
from recurra.report import draw_report
from recurra.tasks import sequences
from recurra.tasks.attention import attention

OPTIONS = {"unit": "character", "hidden": 16, "embedding": 8, "steps": 4, "check": 4, "layers": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "pairs.tsv"
    path.write_text("".join(f"{'ab' * (k % 5 + 1)}{k}\t{k}\n" for k in range(100)))
    return path


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    return recurra.Translate(**OPTIONS).fit(data, out=tmp_path_factory.mktemp("runs") / "run", show=False)


@pytest.mark.parametrize("options", [{}, {"attention": "multi-head"}, {"model": "transformer"}, {"feeding": True}], ids=str)
def test_weights_are_those_of_what_was_written(options: dict[str, str], data: Path, tmp_path: Path) -> None:
    made = recurra.Translate(**OPTIONS | options).fit(data, out=tmp_path / "run", show=False)
    [first, second] = attention(made, ["ab7", "", "abab"])
    assert first.source == ("a", "b", "7")
    assert second.source == ("a", "b", "a", "b")
    for looked in (first, second):
        assert looked.target[-1] == ""
        assert looked.weights.shape == (len(looked.target), len(looked.source))
        np.testing.assert_allclose(looked.weights.sum(1), 1, rtol=1e-5)


def test_each_row_belongs_to_its_symbol(run: recurra.Run) -> None:
    [looked] = attention(run, ["abab3"])
    _, model, vocabulary = sequences.opened(run)
    memory, state = model.read(torch.from_numpy(vocabulary.source.encode("abab3"))[None])
    x = torch.tensor([vocabulary.boundary])
    for t, piece in enumerate(looked.target):
        weights = model.decoder.weights(x[:, None], state, memory)[0, 0].detach().numpy()
        np.testing.assert_allclose(looked.weights[t], weights, rtol=1e-4, atol=1e-6)
        _, state = model.decoder.step(x, state, memory)
        x = torch.from_numpy(vocabulary.target.encode(piece))


def test_a_run_that_looks_at_nothing(data: Path, tmp_path: Path) -> None:
    made = recurra.Translate(**OPTIONS, attention="none").fit(data, out=tmp_path / "run", show=False)
    with pytest.raises(UsageError, match="attention=none"):
        attention(made, ["ab"])
    report = draw_report(made)
    assert any("no maps of attention" in line for line in report.figures["missing"])


def test_the_report_draws_maps(run: recurra.Run, tmp_path: Path) -> None:
    draw_report(run, tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report").glob("attention-*.png")) == [
        f"attention-{k}.png" for k in range(1, 5)
    ]
    drawn = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [layer["name"] for layer in drawn["flow"]["layers"]] == ["encoder 1 forwards", "decoder 1", "encoder 1 backwards"]
    again = draw_report(run, tmp_path / "report", sentences=["ab" * 50])
    assert [path.name for path in (tmp_path / "report").glob("attention-*.svg")] == ["attention-1.svg"]
    page = again.page.read_text()
    assert "Where it looked" in page
    assert "Only the first 60 symbols" in page


def test_other_tasks_have_no_sentences(trained: recurra.Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the task text has no attention"):
        draw_report(trained, tmp_path / "report", sentences=["ab"])
