import pytest
import torch

from recurra.engine.precision import rounded, spread
from recurra.errors import NumericError, UsageError
from recurra.layers import MLSTM, QRNN
from recurra.layers.snapshot import round_matrices
from tests.tolerance import close, equal


@pytest.mark.parametrize("kind", ["bfloat16", "int8"])
def test_matrices_are_rounded_as_the_engine_s_are(kind: str) -> None:
    layer, x = MLSTM(3, 8), torch.randn(2, 3)
    one = layer.stepper(kind)  # type: ignore[arg-type]
    twin = MLSTM(3, 8)
    twin.load_state_dict(layer.state_dict())
    with torch.no_grad():
        for weight in (twin.weight, twin.gate_weight):
            numbers, rates = rounded(weight, kind)  # type: ignore[arg-type]
            weight.copy_(spread({"w": numbers}, {} if rates is None else {"w": rates})["w"])
    equal(one(x, one.initial(2)), twin.stepper()(x, twin.initial(2)))
    assert not torch.allclose(one(x, one.initial(2))[0], layer.stepper()(x, layer.initial(2))[0], atol=1e-6)


def test_layers_inside_step_by_their_own_steppers() -> None:
    layer, x = QRNN(3, 8), torch.randn(2, 3)
    one = layer.stepper("int8")
    state = one.initial(2)
    seen = torch.cat([torch.zeros(2, 3), x], dim=1)
    y, after = layer.pooling.stepper("int8")(seen, layer.pooling.initial(2))
    ours, end = one(x, state)
    close(ours, y)
    close(end.c, after.c)
    assert "step" not in vars(layer.pooling)  # the layer itself is left as it was


def test_refusals() -> None:
    layer = MLSTM(3, 8)
    with pytest.raises(UsageError, match=r"^weights is 'int4'; wanted one of full, bfloat16, int8$"):
        round_matrices(layer, "int4")  # type: ignore[arg-type]
    with torch.no_grad():
        layer.weight[0, 0] = torch.nan
    with pytest.raises(
        NumericError, match=r"^weight has numbers that are not finite; wanted finite ones, to hold them as int8$"
    ):
        layer.stepper("int8")
