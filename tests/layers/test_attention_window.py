import pytest
import torch

from recurra.errors import ShapeError, UsageError
from recurra.layers.attention import SlidingWindow


@pytest.fixture
def window() -> SlidingWindow:
    torch.manual_seed(0)
    return SlidingWindow(6, 3).double()


H, MEMORY = torch.randn(2, 7, 6).double(), torch.randn(2, 5, 4).double()
LENGTHS = torch.tensor([5, 2])


def test_against_the_equation_step_by_step(window: SlidingWindow) -> None:
    w, weights, _ = window(H, MEMORY, LENGTHS)
    place = torch.zeros(2, 3).double()
    for t in range(7):
        high, narrow, moved = window.told(H[:, t]).chunk(3, -1)
        place = place + moved.exp()
        for row in range(2):
            shown = torch.zeros(4).double()
            for u in range(int(LENGTHS[row])):
                phi = (high[row].exp() * (-narrow[row].exp() * (place[row] - u) ** 2).exp()).sum()
                assert torch.allclose(phi, weights[row, t, u])
                shown = shown + phi * MEMORY[row, u]
            assert torch.allclose(shown, w[row, t])


def test_chunks_are_the_whole(window: SlidingWindow) -> None:
    whole, _, end = window(H, MEMORY, LENGTHS)
    first, _, state = window(H[:, :3], MEMORY, LENGTHS)
    rest, _, after = window(H[:, 3:], MEMORY, LENGTHS, state)
    assert torch.allclose(torch.cat([first, rest], 1), whole)
    assert torch.allclose(after.place, end.place)


def test_nothing_behind_a_text_is_seen(window: SlidingWindow) -> None:
    other = MEMORY.clone()
    other[1, 2:] = 99
    assert torch.equal(window(H, MEMORY, LENGTHS)[0], window(H, other, LENGTHS)[0])


def test_it_only_moves_forwards(window: SlidingWindow) -> None:
    _, _, early = window(H[:, :3], MEMORY)
    _, _, late = window(H, MEMORY)
    assert bool((late.place > early.place).all())


def test_large_numbers(window: SlidingWindow) -> None:
    w, weights, slid = window(1e6 * H, MEMORY)
    assert all(bool(torch.isfinite(each).all()) for each in (w, weights, slid.place))


def test_shapes() -> None:
    with pytest.raises(ShapeError, match=r"wanted \(B, T, H\) and \(B, U > 0, M\)"):
        SlidingWindow(6)(torch.zeros(2, 3, 6), torch.zeros(3, 4, 5))
    with pytest.raises(UsageError, match="components is 0 and pace"):
        SlidingWindow(6, 0)
