import pytest
import torch

from recurra.errors import UsageError
from recurra.layers import Dropout
from tests.tolerance import close, equal

X = torch.ones(40, 20, 10)


def test_a_mask_for_every_step_or_one_for_all_of_a_row() -> None:
    torch.manual_seed(0)
    for over in ("steps", "sequence"):
        y = Dropout(0.2, over=over)(X)
        close(y.unique(), torch.tensor([0.0, 1.25]))
        assert abs((y == 0).float().mean() - 0.2) < 0.05
        assert not torch.equal(y[0], y[1])
        assert torch.equal(y, y[:, :1].expand_as(y)) == (over == "sequence")


def test_over_steps_it_is_torch_s_own() -> None:
    torch.manual_seed(0)
    ours = Dropout(0.3)(X)
    torch.manual_seed(0)
    equal(ours, torch.nn.Dropout(0.3)(X))


@pytest.mark.parametrize("over", ["steps", "sequence"])
def test_off_it_draws_nothing(over: str) -> None:
    before = torch.get_rng_state()
    equal(Dropout(0.5, over=over).eval()(X), X)  # type: ignore[arg-type]
    equal(Dropout(0.0, over=over)(X), X)  # type: ignore[arg-type]
    assert torch.get_rng_state().equal(before)


def test_shares_there_are() -> None:
    assert Dropout(1.0, over="sequence")(X).eq(0).all()
    assert repr(Dropout(0.5)) == "Dropout(0.5, over=steps)"
    with pytest.raises(UsageError, match=r"^dropout is 1\.5; wanted 0 to 1$"):
        Dropout(1.5)
