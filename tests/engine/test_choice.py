import pytest

from recurra.cells import CELLS, LSTM, Cell, ProjectedLSTM
from recurra.engine import ENGINES, Fold, Sweep, TorchKernels, choose
from recurra.errors import SlowWarning, UsageError
from recurra.layers import Conv2d, Dense, Recurrent
from tests.engine.cells import Mixing
from tests.laws.cases import Mixed


@pytest.fixture(autouse=True)
def _unforced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECURRA_ENGINE", raising=False)


def test_engines_go_by_their_names() -> None:
    assert list(ENGINES) == ["sweep", "torch", "fold"]
    assert all(engine.name == name for name, engine in ENGINES.items())


@pytest.mark.parametrize("cell", [*CELLS.values(), ProjectedLSTM(), Mixed()], ids=str)
def test_torch_first_where_it_is_best(cell: Cell) -> None:
    best = TorchKernels if isinstance(cell, LSTM | ProjectedLSTM) else Sweep
    assert isinstance(choose(cell, Dense(3, 5, projected_size=2)), best)


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
    assert choose(LSTM(), Dense(3, 5)) is ENGINES["torch"]


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
