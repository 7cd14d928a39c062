from typing import Any

import pytest
import torch

from recurra.cells import GRU, LSTM, Cell, ProjectedLSTM
from recurra.engine import ENGINES, Fold, Sweep, TorchKernels, choice, choose
from recurra.errors import SlowWarning, UsageError
from recurra.layers import Conv2d, Dense, Recurrent
from tests.engine.cells import PLAIN, Mixing
from tests.laws.cases import Mixed
from tests.tolerance import close


@pytest.fixture(autouse=True)
def _unforced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECURRA_ENGINE", raising=False)


def test_engines_go_by_their_names() -> None:
    assert list(ENGINES) == ["sweep", "torch", "fold"]
    assert all(engine.name == name for name, engine in ENGINES.items())


@pytest.mark.parametrize("cell", [*PLAIN.values(), ProjectedLSTM(), Mixed()], ids=str)
def test_the_sweep_first_but_for_an_lstm(cell: Cell) -> None:
    assert choose(cell, Dense(3, 5, projected_size=2)).name == ("torch" if isinstance(cell, LSTM) else "sweep")


@pytest.mark.parametrize(
    ("cell", "steps", "ragged", "dtype", "best"),
    [
        (LSTM(), 40, False, torch.float32, "torch"),
        (LSTM(), 40, True, torch.float32, "sweep"),
        (LSTM(), 40, False, torch.float64, "sweep"),
        (LSTM(), 8, True, torch.float64, "torch"),
        (GRU(), 40, False, torch.float32, "sweep"),
        (GRU(), 8, False, torch.float32, "torch"),
        (ProjectedLSTM(), 40, False, torch.float32, "sweep"),
    ],
    ids=str,
)
def test_the_faster_one_for_the_job(
    cell: Cell, steps: int, ragged: bool, dtype: torch.dtype, best: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    for kind in (Sweep, TorchKernels):

        def run(self: Any, *job: Any, run: Any = kind.run) -> Any:
            ran.append(self.name)
            return run(self, *job)

        monkeypatch.setattr(kind, "run", run)
    layer = Recurrent(cell, Dense(3, 5, projected_size=2)).to(dtype)
    layer(torch.zeros(2, steps, 3, dtype=dtype), lengths=torch.tensor([steps, 3]) if ragged else None)
    assert ran == [best]


def test_what_torchs_kernel_cannot_run_is_swept() -> None:
    layer, resets = Recurrent(LSTM(), Dense(3, 5)), torch.zeros(2, 40, dtype=torch.bool)
    resets[0, 7] = True
    x = torch.randn(2, 40, 3)
    y, _ = layer(x, resets=resets)
    close(y[:1, 7:], layer(x[:1, 7:])[0])


def test_the_fold_for_all_else() -> None:
    assert isinstance(choose(LSTM(), Conv2d(3, 5)), Fold)
    with pytest.warns(
        SlowWarning, match=r"Mixing\(\) runs by the engine fold, not compiled: step uses aten._softmax.* line \d+"
    ):
        assert isinstance(choose(Mixing(), Dense(3, 5)), Fold)


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_can_be_forced(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRA_ENGINE", name)
    assert choose(LSTM(), Dense(3, 5)) is ENGINES[name]
    assert repr(Recurrent(LSTM(), Dense(3, 5))).endswith(f"engine={name})")


def test_an_empty_name_forces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRA_ENGINE", "")
    assert isinstance(choose(LSTM(), Dense(3, 5)), choice.Either)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("trch", "RECURRA_ENGINE=trch: no such engine; did you mean torch?"),
        ("gpu", "RECURRA_ENGINE=gpu: no such engine; choose from fold, sweep, torch"),
    ],
)
def test_an_unknown_engine(name: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRA_ENGINE", name)
    with pytest.raises(UsageError) as caught:
        choose(LSTM(), Dense(3, 5))
    assert str(caught.value) == says


def test_an_engine_without_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRA_ENGINE", "torch")
    with pytest.raises(UsageError) as caught:
        choose(LSTM(), Conv2d(3, 5))
    assert str(caught.value) == "RECURRA_ENGINE=torch: it does not run LSTM() wired by Conv2d; unset it"


def test_the_layer_refuses_an_engine_without_its_cell() -> None:
    with pytest.raises(UsageError) as caught:
        Recurrent(Mixed(), Dense(3, 5), engine=TorchKernels())
    assert str(caught.value) == "engine torch does not run Mixed(leak=0.2) wired by Dense"


def test_an_engine_given_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRA_ENGINE", "torch")
    assert isinstance(Recurrent(LSTM(), Dense(3, 5), engine=Fold()).engine, Fold)
