import pytest
import torch

from recurra.losses import NextSymbol
from tests.tolerance import close

LOGITS = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGETS = torch.tensor([[0, 4, 2], [1, 1, 3]])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_equation(smoothing: float) -> None:
    log_p = LOGITS - LOGITS.exp().sum(-1, keepdim=True).log()
    right = torch.stack([log_p[b, t, TARGETS[b, t]] for b in range(2) for t in range(3)])
    wanted = -((1 - smoothing) * right.mean() + smoothing * log_p.mean())
    close(NextSymbol(smoothing)(LOGITS, TARGETS), wanted)


def test_the_gradient_is_probability_minus_truth() -> None:
    logits = LOGITS.clone().requires_grad_()
    NextSymbol()(logits, TARGETS).backward()  # type: ignore[no-untyped-call]
    truth = torch.nn.functional.one_hot(TARGETS, 5)
    assert logits.grad is not None
    close(logits.grad, (LOGITS.softmax(-1) - truth) / 6)


def test_it_is_a_value() -> None:
    assert NextSymbol(0.1) == NextSymbol(0.1) != NextSymbol()
