import pytest
import torch

from recurra.cells import GRU, LSTM, Elman, LayerNormed, Zoneout
from recurra.errors import UsageError
from recurra.layers import Conv2d, Dense, Recurrent, chrono_start

LONGEST, H = 200, 2000


def test_spans_are_uniform_up_to_the_longest_and_the_input_gate_is_the_other_way() -> None:
    torch.manual_seed(0)
    layer = Recurrent(LSTM(), Dense(1, H))
    before = {name: weight.clone() for name, weight in layer.weights.items()}
    chrono_start(layer, LONGEST)
    i, f, g, o = layer.weights["input_bias"].chunk(4)
    assert torch.equal(i, -f)
    assert not torch.cat([g, o]).any()
    spans = f.exp()
    assert spans.min() >= 1
    assert spans.max() <= LONGEST - 1
    assert abs(spans.mean() / (LONGEST / 2) - 1) < 0.05
    assert abs(spans.std() / ((LONGEST - 2) / 12**0.5) - 1) < 0.05
    assert all(torch.equal(weight, before[name]) for name, weight in layer.weights.items() if name != "input_bias")


def test_a_unit_that_reads_nothing_forgets_after_its_span() -> None:
    """With no input the state falls by sigmoid(b) a step: to 1 / e after about its span."""
    layer = Recurrent(GRU(), Dense(1, 50))
    chrono_start(layer, LONGEST)
    update = layer.weights["input_bias"][50:100]
    a_step = torch.sigmoid(update)
    assert (-1 / a_step.log() - update.exp()).abs().max() < 0.55  # 1 / log(1 + 1 / s) is s + 1/2


def test_norms_have_the_bias_where_a_cell_is_normed() -> None:
    layer = Recurrent(LayerNormed(LSTM()), Dense(1, 5))
    before = layer.weights["input_bias"].clone()
    chrono_start(layer, LONGEST)
    assert torch.equal(layer.weights["norm_input_forget_bias"], -layer.weights["norm_input_input_bias"])
    assert torch.equal(layer.weights["input_bias"], before)


def test_over_images_and_in_wrapped_cells() -> None:
    layer = Recurrent(Zoneout(GRU(), 0.1), Conv2d(1, 3))
    chrono_start(layer, LONGEST)
    assert (layer.weights["input_bias"][3:6] > 0).all()


def test_what_cannot_be() -> None:
    with pytest.raises(UsageError, match=r"^chrono: Elman\(.*\) has no gate that keeps its state; wanted one with retention, "):
        chrono_start(Recurrent(Elman(), Dense(1, 2)), 10)
    with pytest.raises(UsageError, match=r"^chrono: the longest span is 1; wanted at least 2 steps$"):
        chrono_start(Recurrent(GRU(), Dense(1, 2)), 1)
    with pytest.raises(UsageError, match=r"^chrono: the wiring has no bias; wanted bias=True$"):
        chrono_start(Recurrent(GRU(), Dense(1, 2, bias=False)), 10)
