"""Reading backwards is reading the mirrored sequence."""

import pytest
import torch

from recurra.layers import Bidirectional, Dense, Recurrent
from recurra.lengths import reverse
from tests.laws.cases import BIDIRECTIONAL, INPUTS, UNITS, Case, Mixed
from tests.tolerance import close

LENGTHS = torch.tensor([4, 9, 0, 1])


@pytest.mark.parametrize("case", [case for case in BIDIRECTIONAL if case.name != "both-stacked"], ids=str)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
def test_mirrored_input_swaps_the_readings(case: Case, lengths: torch.Tensor | None) -> None:
    core, x = case.make()
    y, ends = core(x, None, lengths)
    swapped = Bidirectional(core.backwards, core.forwards)
    mirrored, other = swapped(reverse(x, lengths), None, lengths)
    ahead, back = y.chunk(2, dim=2)
    close(mirrored, reverse(torch.cat([back, ahead], dim=2), lengths))
    close((other.backward, other.forward), (ends.forward, ends.backward))


def test_each_half_is_its_layer() -> None:
    torch.manual_seed(0)
    forwards, backwards = (Recurrent(Mixed(), Dense(INPUTS, UNITS)) for _ in range(2))
    x = torch.randn(4, 9, INPUTS)
    y, ends = Bidirectional(forwards, backwards)(x, lengths=LENGTHS)
    ahead, end = forwards(x, None, LENGTHS)
    back, beginning = backwards(reverse(x, LENGTHS), None, LENGTHS)
    close(y, torch.cat([ahead, reverse(back, LENGTHS)], dim=2))
    close(tuple(ends), (end, beginning))
