import torch

from benchmarks.quality.translation_speed import Plain, compared, plain_update
from recurra.data import PairBatch, split_pairs
from recurra.tasks.options import Translate
from tests.tolerance import close


def batch() -> PairBatch:
    source = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0], [7, 1, 2, 0]])
    target = torch.tensor([[1, 2, 0], [3, 4, 5], [6, 0, 0]])
    return PairBatch(source, torch.tensor([4, 2, 3]), target, torch.tensor([2, 3, 1]))


def test_a_row_is_what_it_is_alone() -> None:
    model, whole = Plain(8, 8, 6, 10, 0.3).eval(), batch()
    logits = model(*whole[:2], whole.target, whole.target_lengths)
    for k in range(3):
        s, t = int(whole.source_lengths[k]), int(whole.target_lengths[k])
        alone = model(whole.source[k : k + 1, :s], torch.tensor([s]), whole.target[k : k + 1, :t], torch.tensor([t]))
        close(logits[k, :t], alone[0])


def test_every_symbol_and_end_is_learnt_from() -> None:
    model = Plain(8, 8, 6, 10, 0.0)
    for weight in model.output.parameters():
        weight.data.zero_()
    loss = plain_update(model, 7, 0.1)(batch())
    assert loss.items == 2 + 3 + 1 + 3
    close(loss.mean.detach(), torch.tensor(8.0).log())


def test_both_networks_have_one_size() -> None:
    sources = [f"{k:b}" for k in range(60)]
    pairs = split_pairs("numbers", sources, [text[::-1] for text in sources])
    options = Translate(unit="character", hidden=8, embedding=4, batch=8, device="cpu")
    rates = compared(options, pairs, updates=1, rounds=1)
    assert rates.recurra_weights == rates.plain_weights
    assert min(rates[:2]) > 0
