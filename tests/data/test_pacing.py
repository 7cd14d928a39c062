from itertools import pairwise

import pytest

from recurra.data import Competence
from recurra.errors import UsageError


def test_the_square_of_the_share_grows_evenly() -> None:
    pacing = Competence(steps=50, start=0.2)
    squares = [pacing(step) ** 2 for step in range(51)]
    assert squares[0] == pytest.approx(0.04)
    assert squares[-1] == pytest.approx(1)
    assert [after - before for before, after in pairwise(squares)] == pytest.approx([0.96 / 50] * 50)
    assert pacing(50) == pacing(51) == pacing(10**9) == 1


@pytest.mark.parametrize(("steps", "start"), [(0, 0.1), (10, 0.0), (10, 1.5)])
def test_what_cannot_be(steps: int, start: float) -> None:
    with pytest.raises(UsageError, match=r"wanted steps >= 1 and 0 < start <= 1$"):
        Competence(steps, start)
