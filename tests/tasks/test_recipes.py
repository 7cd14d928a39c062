import pytest
import torch

from recurra.engine.precision import Kind, rounded
from recurra.errors import NumericError, UsageError
from recurra.layers import LSTM
from recurra.models import LanguageModel
from recurra.tasks.options import Text
from recurra.tasks.recipes import held, precision, schedule, steps
from recurra.train import Exponential
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
        torch.nn.init.constant_(model.get_parameter("stack.layers.0.recur_weight"), torch.nan)
        with pytest.raises(NumericError, match="recur_weight has numbers that are not finite"):
            held(model, "int8")


class TestSteps:
    @pytest.mark.parametrize(
        ("options", "wanted"),
        [
            ({"epochs": 2}, 20),
            ({"epochs": 2, "accumulate": 3}, 7),
            ({"epochs": 0.001}, 1),
            ({"steps": 5, "accumulate": 3}, 5),
        ],
        ids=str,
    )
    def test_an_update_reads_as_many_batches_as_it_accumulates(self, options: dict[str, float], wanted: int) -> None:
        assert steps(Text(**options), per_epoch=10) == wanted

    def test_the_exponential_schedule(self) -> None:
        assert schedule(Text(schedule="exponential", warmup=50), 100) == Exponential(100, warmup=10)


class TestPrecision:
    def test_a_cell_of_our_own_can(self) -> None:
        before = torch.random.get_rng_state()
        assert precision(Text(precision="bfloat16", cell="gru", device="cpu", engine="fold")) == "bfloat16"
        assert torch.random.get_rng_state().equal(before)

    def test_a_cell_that_cannot_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(*_: object) -> None:
            raise RuntimeError("no bfloat16\nhere")

        monkeypatch.setattr("recurra.tasks.recipes.stack", refused)
        assert precision(Text(device="cpu")) == "float32"
        said = (
            r"^precision=bfloat16: cell=lstm cannot be trained so on this cpu \(no bfloat16\); take another cell, or float32$"
        )
        with pytest.raises(UsageError, match=said):
            precision(Text(precision="bfloat16", device="cpu"))
