import torch
from torch import nn

from recurra.layers import GRU, Bidirectional
from recurra.models import Encoder, MaskedLanguageModel
from tests.tolerance import close


def test_it_tells_what_stands_at_the_chosen_places() -> None:
    torch.manual_seed(0)
    model = MaskedLanguageModel(Encoder(nn.Embedding(12, 4), Bidirectional(GRU(4, 3), GRU(4, 3))), 6, 11)
    symbols, lengths = torch.randint(12, (2, 5)), torch.tensor([5, 3])
    chosen = torch.tensor([[False, True, False, False, True], [True, False, False, False, False]])
    alone = [
        model.output(model.encoder(symbols[row : row + 1, :length])[0])[0, place]
        for row, length, place in ((0, 5, 1), (0, 5, 4), (1, 3, 0))
    ]
    close(model(symbols, chosen, lengths), torch.stack(alone))
