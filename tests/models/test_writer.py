import pytest
import torch

from recurra.errors import UsageError
from recurra.layers import GRU
from recurra.losses.pen_mixture import END
from recurra.models.writer import SEEN, Told, Writer

POINTS = torch.cat([torch.randn(3, 6, 2), torch.randint(0, 2, (3, 6, 1)).float()], -1)
TOLD = Told(torch.tensor([[1, 2, 3], [2, 2, 0], [1, 0, 0]]), torch.tensor([3, 2, 1]))


def made(kind: str) -> Writer:
    torch.manual_seed(0)
    if kind == "nothing":
        return Writer(GRU(SEEN, 8), 8, components=3).eval()
    if kind == "class":
        return Writer(GRU(SEEN + 4, 8), 8, components=3, symbols=5, embedding_size=4).eval()
    lower = GRU(SEEN, 6)
    return Writer(
        GRU(SEEN + 6 + 4, 8), 8, components=3, symbols=5, embedding_size=4, lower=lower, lower_size=6, windows=2
    ).eval()


@pytest.mark.parametrize("kind", ["nothing", "class", "text"])
def test_chunks_are_the_whole(kind: str) -> None:
    model = made(kind)
    whole, _, weights = model(POINTS, TOLD)
    pieces, state = [], None
    for t in range(6):
        h, state, _ = model(POINTS[:, t : t + 1], TOLD, state)
        pieces.append(h)
    assert torch.allclose(torch.cat(pieces, 1), whole, atol=1e-5)
    assert (weights is None) == (kind != "text")
    assert whole.shape == (3, 6, 8)


@pytest.mark.parametrize("kind", ["class", "text"])
def test_what_is_told_matters(kind: str) -> None:
    model = made(kind)
    one, _, _ = model(POINTS, TOLD)
    other, _, _ = model(POINTS, Told(TOLD.symbols + 1, TOLD.lengths))
    assert not torch.allclose(one, other)


def test_the_future_is_not_seen() -> None:
    model, changed = made("text"), POINTS.clone()
    changed[:, 4:] = 0
    assert torch.allclose(model(POINTS, TOLD)[0][:, :4], model(changed, TOLD)[0][:, :4], atol=1e-6)


def test_what_is_drawn_is_a_point() -> None:
    model = made("text")
    h, _, _ = model(POINTS, TOLD)
    point = model.output.draw(h[:, -1])
    assert point.shape == (3, 3)
    assert bool((point[:, 2] <= END).all())


def test_nothing_told() -> None:
    with pytest.raises(UsageError, match="told nothing"):
        made("class")(POINTS, None)
    with pytest.raises(UsageError, match="no symbols"):
        Writer(GRU(SEEN, 8), 8, lower=GRU(SEEN, 6), lower_size=6)
