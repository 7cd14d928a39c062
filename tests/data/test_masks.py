import numpy as np
import pytest
import torch

from recurra.data import Masks, Streams, masked

V = 50
Y = torch.randint(V, (400, 100), generator=torch.Generator().manual_seed(0))


def test_shares() -> None:
    x, y, chosen = masked(Y, V, 0.15, np.random.default_rng(0))
    assert y is Y
    assert (chosen.sum(1) == 15).all()
    assert bool((x == y)[~chosen].all())
    hidden = x[chosen] == V
    assert hidden.double().mean().item() == pytest.approx(0.8, abs=0.02)  # 6,000 are chosen
    left, there = x[chosen][~hidden], y[chosen][~hidden]
    assert (left == there).double().mean().item() == pytest.approx(0.5 * (1 + 1 / V), abs=0.05)  # some are drawn as they are
    others = left[left != there]
    assert int(others.min()) >= 1
    assert set(others.tolist()) == set(range(1, V))


def test_where_they_stand_is_chance() -> None:
    chosen = masked(Y, V, 0.15, np.random.default_rng(0)).chosen
    assert chosen.double().mean(0).std().item() == pytest.approx((0.15 * 0.85 / 400) ** 0.5, rel=0.25)


@pytest.mark.parametrize(("share", "count"), [(0.001, 1), (0.5, 4), (0.99, 8)])
def test_every_row_has_some(share: float, count: int) -> None:
    assert (masked(Y[:, :8], V, share, np.random.default_rng(0)).chosen.sum(1) == count).all()


def test_all_of_them_hidden() -> None:
    x, _, chosen = masked(Y, V, 0.15, np.random.default_rng(0), hidden=1.0, other=0.0)
    assert bool(((x == V) == chosen).all())


def test_a_batch_follows_from_seed_and_step() -> None:
    ids = np.arange(3000) % 9 + 1

    def batch(seed: int, step: int) -> list[list[int]]:
        rows: list[list[int]] = Masks(Streams(ids, 4, 20, seed), 10, 0.15)[step].x.tolist()
        return rows

    assert batch(1, 5) == batch(1, 5)
    assert len({str(batch(seed, step)) for seed in range(3) for step in range(5)}) == 15
    masks = Masks(Streams(ids, 4, 20, 1), 10, 0.15)
    assert torch.equal(masks[5].y, masks.streams[5].x)
