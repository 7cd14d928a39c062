import pytest
import torch

from recurra.cells import GRU, LSTM, CandidateDropout, Elman, Zoneout
from recurra.errors import UsageError
from recurra.layers import Dense, Recurrent
from tests.tolerance import close, equal

B, T, INPUT, H = 4, 7, 3, 5


def test_the_candidate_alone_is_masked() -> None:
    torch.manual_seed(0)
    layer, x = Recurrent(CandidateDropout(GRU(), 0.5), Dense(INPUT, H)), torch.randn(B, T, INPUT)
    mask = 2.0 * torch.randint(2, (B, T, H))
    y, _ = layer(x, noise={"candidate": mask})
    w, h = layer.weights, torch.zeros(B, H)
    for t in range(T):
        reads, keeps = x[:, t] @ w["input_weight"].T + w["input_bias"], h @ w["recur_weight"].T + w["recur_bias"]
        (x_r, x_z, x_n), (r, z, n) = reads.chunk(3, dim=1), keeps.chunk(3, dim=1)
        new = mask[:, t] * torch.tanh(x_n + torch.sigmoid(x_r + r) * n)
        gate = torch.sigmoid(x_z + z)
        h = gate * h + (1 - gate) * new
        close(y[:, t], h)


def test_what_was_written_is_never_lost() -> None:
    """With its forget gate open and its candidate dropped, LSTM keeps its cell state to the bit."""
    layer = Recurrent(CandidateDropout(LSTM(), 0.5), Dense(INPUT, H))
    layer.place("input_bias", torch.cat([torch.zeros(H), torch.full((H,), 40.0), torch.zeros(2 * H)]))
    start = LSTM.State(torch.zeros(B, H), torch.randn(B, H))
    _, end = layer(torch.randn(B, T, INPUT), start, noise={"candidate": torch.zeros(B, T, H)})
    equal(end.c, start.c)


def test_it_is_off_in_evaluation_and_drawn_once_a_row_over_the_sequence() -> None:
    torch.manual_seed(0)
    x = torch.randn(B, T, INPUT)
    plain = Recurrent(GRU(), Dense(INPUT, H)).eval()
    for over in ("steps", "sequence"):
        layer = Recurrent(CandidateDropout(GRU(), 0.5, over), Dense(INPUT, H)).eval()
        layer.load_state_dict(plain.state_dict())
        close(layer(x)[0], plain(x)[0])
        layer.train()
        layer.place("input_bias", torch.cat([torch.zeros(H), torch.full((H,), -40.0), torch.ones(H)]))  # h is the candidate
        dropped = layer(x)[0] == 0
        assert torch.equal(dropped, dropped[:, :1].expand_as(dropped)) == (over == "sequence")


def test_what_cannot_be() -> None:
    for cell in (Elman(), Zoneout(Elman(), 0.5)):
        with pytest.raises(UsageError, match=r"has no candidate to drop; wanted a cell that calls written\(candidate, m\)$"):
            CandidateDropout(cell)
    with pytest.raises(UsageError, match=r"drops its candidate already; wanted one CandidateDropout$"):
        CandidateDropout(Zoneout(CandidateDropout(GRU())))
    with pytest.raises(UsageError, match=r"^CandidateDropout: share is 1; wanted 0 to below 1$"):
        CandidateDropout(GRU(), 1)
