import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from recurra.decode import greedy
from recurra.layers import GRU, convolutions
from recurra.layers.attention import mechanism
from recurra.models import AttentionTranscriber, Decoder, Transcriber
from tests.tolerance import close

END = 3  # behind the symbols 0, 1 and 2


def made(size: int) -> AttentionTranscriber:
    torch.manual_seed(0)
    reader = Transcriber(convolutions(2, (size,), kernel=3, strides=(2,)), GRU(size, size), size, END)
    looks = mechanism("location", size, size, size)
    return AttentionTranscriber(reader, Decoder(nn.Embedding(END + 1, size), GRU(2 * size, size), size, looks, feeding=True))


def test_rows_do_not_see_each_other_and_frames_are_the_readers() -> None:
    model = made(6).double().eval()
    x = torch.randn(3, 13, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    lengths, texts, counts = torch.tensor([13, 6, 1]), torch.tensor([[3, 1, 2], [3, 1, 0], [3, 0, 0]]), torch.tensor([3, 2, 1])
    logits, frames = model(x, lengths, texts, counts)
    assert frames.lengths.tolist() == [7, 3, 1] == model.frames(lengths).tolist()
    close(frames.log_probabilities, model.reader(x, lengths).log_probabilities)
    for row in range(3):
        alone, _ = model(x[row : row + 1, : lengths[row]], None, texts[row : row + 1, : counts[row]])
        close(logits[row, : counts[row]], alone[0])


def test_it_may_write_more_symbols_the_more_frames_there_are() -> None:
    model = made(6)
    model.pace.fill_(0.25)
    assert [model.most(frames) for frames in (0, 1, 10, 100)] == [10, 11, 20, 110]


def test_it_learns_where_nobody_marked_anything() -> None:
    model, random = made(16), np.random.default_rng(0)
    x, targets = torch.zeros(32, 20, 2), torch.from_numpy(random.integers(1, 3, (32, 2)))
    for row, (first, second) in enumerate(targets.tolist()):
        begin, again = random.integers(0, 7), random.integers(10, 17)
        x[row, begin : begin + 3, first - 1] = x[row, again : again + 3, second - 1] = 1
    before, after = F.pad(targets, (1, 0), value=END), F.pad(targets, (0, 1), value=END)
    rate = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        rate.zero_grad()
        logits, _ = model(x, None, before)
        F.cross_entropy(logits.flatten(0, 1), after.flatten()).backward()  # type: ignore[no-untyped-call]
        rate.step()
    memory, state, _ = model.eval().read(x)
    said = greedy(model.decoder, torch.full((32, 1), END), steps=model.most(10), end=END, state=state, memory=memory)
    texts = torch.stack(list(said), 1)
    assert (texts[:, :2] == targets).float().mean() > 0.95
    assert (texts[:, 2] == END).all()
