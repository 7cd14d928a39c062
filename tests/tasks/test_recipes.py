import pytest
import torch

from recurra.engine.precision import Kind, rounded
from recurra.errors import NumericError
from recurra.layers import LSTM
from recurra.models import LanguageModel
from recurra.tasks.recipes import held
from tests.tolerance import close


def made() -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(9, 8, LSTM(8, 6, layers=2), 6, tied=True).eval()


class TestHeld:
    def test_full_weights_are_the_model_itself(self) -> None:
        model = made()
        assert held(model, "full") is model

    @pytest.mark.parametrize("kind", ["bfloat16", "int8"])
    def test_matrices_of_recurrent_layers_are_rounded_in_a_copy(self, kind: Kind) -> None:
        model, before = made(), made().state_dict()
        copy = held(model, kind)
        assert all(weight.equal(before[name]) for name, weight in model.state_dict().items())
        for name, weight in copy.state_dict().items():
            if "stack" in name and weight.dim() == 2:
                numbers, rates = rounded(before[name], kind)
                assert weight.equal(numbers if rates is None else numbers * rates[:, None])
                assert not weight.equal(before[name])
            else:
                assert weight.equal(before[name])
        assert copy.output.weight is copy.embedding.weight
        assert not any(parameter is other for parameter in copy.parameters() for other in model.parameters())

    @pytest.mark.parametrize("kind", ["bfloat16", "int8"])
    def test_it_is_what_a_stepper_runs(self, kind: Kind) -> None:
        model, x = made(), torch.randint(9, (2, 7), generator=torch.Generator().manual_seed(0))
        whole, _ = held(model, kind)(x)
        for step in (model.stepper(kind), held(model, kind).stepper(kind)):
            state = model.initial(2)
            for t in range(7):
                logits, state = step(x[:, t], state)
                close(logits, whole[:, t].detach())

    def test_weights_that_are_not_finite(self) -> None:
        model = made()
        torch.nn.init.constant_(model.stack.layers[0].get_parameter("recur_weight"), torch.nan)
        with pytest.raises(NumericError, match="recur_weight has numbers that are not finite"):
            held(model, "int8")
