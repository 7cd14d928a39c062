import numpy as np
import pytest
import torch
from torch import Tensor

from recurra.errors import ShapeError, UsageError
from recurra.layers import Chain, LogMel, RunningMean, SpecAugment, Standardised, StridedConvolution, WholeNorm
from tests.tolerance import close, equal

RATE = 8000


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_a_frame_is_what_the_equation_says() -> None:
    layer, x = LogMel(RATE, 10, low=100, high=3000), noise(1, 500, 1)
    y, _ = layer(x)
    assert y.shape[1] == 1 + (500 - 200) // 80
    frame = x[0, 2 * 80 : 2 * 80 + 200, 0].double().numpy()
    frame = frame - frame.mean()
    frame = frame - 0.97 * np.append(frame[0], frame[:-1])
    frame *= (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 199)) ** 0.85
    power = np.abs(np.fft.rfft(frame, 256)) ** 2
    mel = 1127 * np.log(1 + np.arange(129) * RATE / 256 / 700)
    ends = 1127 * np.log(1 + np.array([100, 3000]) / 700)
    corners = np.linspace(ends[0], ends[1], 12)
    for k in range(10):
        rising, falling = (mel - corners[k]) / np.diff(corners)[0], (corners[k + 2] - mel) / np.diff(corners)[0]
        assert y[0, 2, k].item() == pytest.approx(np.log(power @ np.clip(np.minimum(rising, falling), 0, None)), abs=1e-4)


@pytest.mark.parametrize(("rate", "bins"), [(16000, 80), (8000, 40)])
def test_the_figures_are_those_of_kaldi(rate: int, bins: int) -> None:
    library = pytest.importorskip("kaldi_native_fbank")
    x = 0.1 * noise(rate) + 0.05
    options = library.FbankOptions()
    options.frame_opts.dither, options.frame_opts.samp_freq, options.mel_opts.num_bins = 0, rate, bins
    theirs = library.OnlineFbank(options)
    theirs.accept_waveform(rate, x.tolist())
    theirs.input_finished()
    wanted = np.stack([theirs.get_frame(k) for k in range(theirs.num_frames_ready)])
    ours, _ = LogMel(rate, bins)(x[None, :, None])
    np.testing.assert_allclose(ours[0].numpy(), wanted, atol=3e-4)


def front() -> Chain:
    torch.manual_seed(0)
    layers = (
        LogMel(RATE, 6),
        Standardised(6),
        RunningMean(6, prior=3, shared=True),
        RunningMean(6, prior=3),
        SpecAugment(6, band=2),
    )
    return Chain(*layers, StridedConvolution(6, 5, kernel=3, stride=2)).double().eval()


def test_pieces_of_any_size_give_the_frames_of_the_whole() -> None:
    chain, x = front(), noise(2, 2000, 1).double()
    whole, end = chain(x)
    for sizes in ([1, 198, 1, 1, 1799], [700, 700, 600], [80] * 25):
        state, parts = chain.initial(2), list[Tensor]()
        for piece in torch.split(x, sizes, dim=1):
            told = chain.frames(torch.tensor([piece.shape[1]] * 2), state)
            y, state = chain(piece, state)
            assert told.tolist() == [y.shape[1]] * 2
            parts.append(y)
        close(torch.cat(parts, dim=1), whole)
        close(state, end)


def test_rows_of_unequal_length_are_as_if_alone_and_go_on_so() -> None:
    chain, x = front(), noise(4, 1000, 1).double()
    lengths = torch.tensor([1000, 517, 200, 60])
    y, state = chain(x, lengths=lengths)
    more, _ = chain(x, state, torch.tensor([1000] * 4))
    frames = chain.frames(lengths).tolist()
    assert frames == [6, 2, 1, 0]
    for row, steps in enumerate(lengths.tolist()):
        alone, after = chain(x[row : row + 1, :steps])
        count = frames[row]
        if count:
            close(y[row : row + 1, :count], alone)
        assert not y[row, count:].any()
        later, _ = chain(x[row : row + 1], after)
        close(more[row : row + 1, : later.shape[1]], later)


def test_what_is_no_sound_is_refused_and_what_is_too_short_has_no_frame() -> None:
    layer = LogMel(RATE, 6)
    with pytest.raises(ShapeError, match=r"x is \(2, 9\); wanted \(B, T > 0, 1\)"):
        layer(noise(2, 9))
    y, state = layer(noise(1, 199, 1))
    assert y.shape == (1, 0, 6)
    padded, _ = layer(noise(1, 199, 1), lengths=torch.tensor([199]))
    equal(padded, torch.zeros(1, 1, 6))
    assert layer(noise(1, 1, 1), state)[0].shape == (1, 1, 6)
    with pytest.raises(UsageError, match="half of the rate"):
        LogMel(RATE, 6, high=5000)


def test_a_row_is_normed_over_its_own_length() -> None:
    x, lengths = noise(2, 9, 3) * 5 + 2, torch.tensor([9, 4])
    y, _ = WholeNorm(3)(x, lengths=lengths)
    close(y[1:, :4], WholeNorm(3)(x[1:, :4])[0])
    close(y[1, :4].mean(0), torch.zeros(3))
    with pytest.raises(UsageError, match="RunningMean"):
        WholeNorm(3).initial(1)


def test_a_shared_mean_takes_the_loudness_and_leaves_the_bands_apart() -> None:
    x, lengths = noise(2, 9, 3) * 5 + 2, torch.tensor([9, 4])
    y, _ = WholeNorm(3, shared=True)(x, lengths=lengths)
    row = x[1, :4]
    close(y[1, :4], (row - row.mean()) / (row.var(correction=0) + 1e-2).sqrt())
    close(y[:1], WholeNorm(3, shared=True)(x[:1])[0])
    y, _ = RunningMean(3, prior=5, shared=True)(x, lengths=lengths)
    told = x[1, :4].mean(1).cumsum(0) / (5 + torch.arange(1, 5))
    close(y[1, :4], row - told[:, None])


def test_statistics_are_those_of_the_frames_and_kept_with_the_weights() -> None:
    layer, frames = Standardised(3), noise(50, 3) * 4 + 1
    layer.fit(frames)
    y, _ = layer(frames[None])
    close(y[0].mean(0), torch.zeros(3))
    close(y[0].std(0, correction=0), torch.ones(3))
    again = Standardised(3)
    again.load_state_dict(layer.state_dict())
    equal(again(frames[None])[0], y)


class TestSpecAugment:
    def test_hidden_are_at_most_so_many_bands_and_spans(self) -> None:
        torch.manual_seed(0)
        layer, lengths = SpecAugment(20, bands=1, band=4, spans=1, span=10, share=0.2), torch.tensor([100, 30] * 50)
        shown = layer(torch.ones(100, 100, 20), lengths=lengths)[0] != 0
        bands, times = ~shown.any(1), ~shown.any(2)
        assert set(bands.sum(1).tolist()) == {0, 1, 2, 3, 4}
        assert times[::2].sum(1).max() == 10
        assert times[1::2].sum(1).max() == 6
        assert not times[1::2, 30:].any()
        assert bool((bands[:, 1:] ^ bands[:, :-1]).sum(1).max() <= 2)  # one span each
        assert bool(bands.any(0).all())

    def test_what_is_drawn_follows_from_the_seed_and_only_in_training(self) -> None:
        layer, x = SpecAugment(20), torch.ones(4, 50, 20)
        drawn = []
        for _ in range(2):
            torch.manual_seed(3)
            drawn.append(layer(x)[0])
        equal(*drawn)
        assert not torch.equal(layer(x)[0], drawn[0])
        equal(layer.eval()(x)[0], x)
