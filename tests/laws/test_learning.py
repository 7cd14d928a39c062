"""Every core learns to remember: the first symbol, said again at the end."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.laws.cases import ALL, INPUTS, Case

STEPS, UPDATES, BATCH = 7, 150, 32
LOOKS, ENOUGH = 10, 0.8
"""Batches in a row, and the share of them to be right; chance is 0.33, and most cores need some fifty updates."""
WIRED = ("-fold", "-bare", "-conv1d", "-conv2d", "-conv3d", "-heads", "-diagonal")
WORTH_IT = [case for case in ALL if not case.name.endswith(WIRED) or case.name == "lstm-conv2d"]
"""Every member of the family and every kind of layer; the other wirings of a cell are the same equation."""


def recall(case: Case) -> tuple[Tensor, Tensor]:
    """x (B, T, I, ...): a symbol, then noise; and the symbol."""
    symbols = torch.randint(INPUTS, (BATCH,))
    x = 0.1 * torch.randn(BATCH, STEPS, INPUTS, *case.extent)
    one = F.one_hot(symbols, INPUTS).float()
    x[:, 0] = one.view(*one.shape, *[1] * len(case.extent)).expand_as(x[:, 0])
    return x, symbols


@pytest.mark.parametrize("case", WORTH_IT, ids=str)
def test_recall_is_learnt(case: Case) -> None:
    torch.manual_seed(1)
    core = case.build()
    read = nn.LazyLinear(INPUTS)
    optimiser: torch.optim.Adam | None = None
    right: list[Tensor] = []
    for _ in range(UPDATES):
        x, symbols = recall(case)
        y, _ = core(x)
        scores = read(y[:, -1].flatten(2).mean(2) if case.extent else y[:, -1])
        optimiser = optimiser or torch.optim.Adam([*core.parameters(), *read.parameters()], lr=0.01)
        optimiser.zero_grad()
        torch.autograd.backward(F.cross_entropy(scores, symbols))
        nn.utils.clip_grad_norm_(core.parameters(), 1.0)
        optimiser.step()
        right.append((scores.argmax(1) == symbols).float().mean())
        if len(right) >= LOOKS and torch.stack(right[-LOOKS:]).mean() > ENOUGH:
            return
    pytest.fail(f"right in {torch.stack(right[-LOOKS:]).mean():.2f} of {LOOKS} batches")
