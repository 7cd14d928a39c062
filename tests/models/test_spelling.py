from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recurra.errors import UsageError
from recurra.models import Spelling

CHARACTERS = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 0, 0, 0], [6, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
LENGTHS = torch.tensor([5, 2, 1, 0])


def test_filters_see_neighbours_and_the_largest_counts() -> None:
    """Against torch's own convolution, of each word alone."""
    torch.manual_seed(0)
    spelling = Spelling(10, 4, 6, "cnn")
    read = spelling.read
    assert isinstance(read, nn.Linear)
    weight = read.weight.view(6, 3, 4).transpose(1, 2)  # torch: out, in, width
    found = spelling(CHARACTERS, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()[:3]):
        x = spelling.embedding(CHARACTERS[row, :length]).T[None]
        expected = F.conv1d(x, weight, read.bias, padding=1).amax(2)[0]
        torch.testing.assert_close(found[row], expected)
    assert not found[3].any()


def test_both_directions_end_at_the_word_s_ends() -> None:
    torch.manual_seed(0)
    spelling = Spelling(10, 4, 6, "lstm")
    whole = spelling(CHARACTERS, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()[:3]):
        alone = spelling(CHARACTERS[row : row + 1, :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(whole[row], alone[0])
    assert whole.shape == (4, 6)
    with pytest.raises(UsageError, match="size is 5; wanted an even number"):
        Spelling(10, 4, 5, "lstm")


@pytest.mark.parametrize("kind", ["cnn", "lstm"])
def test_what_lies_behind_a_word_does_not_matter(kind: Literal["cnn", "lstm"]) -> None:
    torch.manual_seed(0)
    spelling = Spelling(10, 4, 6, kind)
    other = CHARACTERS.clone()
    other[1, 2:] = 7
    torch.testing.assert_close(spelling(other, LENGTHS), spelling(CHARACTERS, LENGTHS))
    spelling(other, LENGTHS).sum().backward()
    assert spelling.embedding.weight.grad is not None
    assert not spelling.embedding.weight.grad[7].any()
