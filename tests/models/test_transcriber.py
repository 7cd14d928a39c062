import numpy as np
import pytest
import torch
from torch import Tensor

from recurra.errors import UsageError
from recurra.layers import GRU, Bidirectional, Stack, convolutions
from recurra.losses import ctc
from recurra.models import Transcriber, Transcript, TransformerEncoder
from tests.tolerance import close, equal


def made(both: bool = False) -> Transcriber:
    torch.manual_seed(0)
    layers = Stack(Bidirectional(GRU(8, 3), GRU(8, 3))) if both else GRU(8, 6)
    return Transcriber(convolutions(2, (8, 8), kernel=3, strides=(2, 2)), layers, 6, 5).double().eval()


def seeded(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_rows_do_not_see_each_other() -> None:
    x, lengths = seeded(4, 13, 2), torch.tensor([13, 6, 1, 0])
    for model in (made(), made(both=True)):
        found, frames = model(x, lengths)
        close(found.exp().sum(-1), torch.ones(4, 4, dtype=torch.float64))
        assert frames.tolist() == [4, 2, 1, 0]
        equal(frames, model.frames(lengths))
        for row in range(3):
            alone = model(x[row : row + 1, : lengths[row]])
            close(found[row, : frames[row]], alone.log_probabilities[0])


def test_chunks_are_the_whole() -> None:
    model, x = made(), seeded(2, 13, 2)
    whole, _ = model(x)
    assert model.streams
    for size in (1, 2, 3, 5, 13):
        state, parts = model.initial(2), []
        for k in range(0, 13, size):
            part, state = model.chunk(x[:, k : k + size], state)
            parts.append(part)
        close(torch.cat(parts, dim=1), whole)


def test_what_reads_whole_sequences_has_no_chunks() -> None:
    transformer = Transcriber(convolutions(2, (8,), kernel=3, strides=(2,)), TransformerEncoder(8, layers=1, heads=2), 8, 5)
    for model in (made(both=True), transformer):
        assert not model.streams
        with pytest.raises(UsageError, match="reads whole sequences"):
            model.initial(1)


def test_it_learns_where_nobody_marked_anything() -> None:
    torch.manual_seed(0)
    model = Transcriber(convolutions(2, (16,), kernel=3, strides=(2,)), GRU(16, 16), 16, 3)
    random = np.random.default_rng(0)
    x, targets = torch.zeros(32, 20, 2), torch.from_numpy(random.integers(1, 3, (32, 2)))
    for row, (first, second) in enumerate(targets.tolist()):
        begin, again = random.integers(0, 7), random.integers(10, 17)
        x[row, begin : begin + 3, first - 1] = x[row, again : again + 3, second - 1] = 1
    rate = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(100):
        rate.zero_grad()
        found: Transcript = model(x)
        loss = ctc(found.log_probabilities, found.lengths, targets, torch.full((32,), 2)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        rate.step()
    assert loss.item() < 0.1
