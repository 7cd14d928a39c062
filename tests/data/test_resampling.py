from math import ceil

import numpy as np
import pytest
from numpy.typing import NDArray

from recurra.data.resampling import Resampler, resample
from recurra.errors import UsageError

EDGE = 600  # samples at each end, where the beginning and the end are heard


def sine(hertz: float, rate: int, count: int) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * hertz * np.arange(count) / rate).astype(np.float32)


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 16000), (8000, 16000), (16000, 8000), (9000, 10000)])
def test_sines_keep_frequency_phase_and_height(rate: int, wanted: int) -> None:
    for hertz in (100, 0.35 * min(rate, wanted)):
        made = resample(sine(hertz, rate, rate), rate, wanted)
        assert len(made) == ceil(rate * wanted / rate)
        assert np.abs(made - sine(hertz, wanted, len(made)))[EDGE:-EDGE].max() < 1e-4


def test_what_the_lower_rate_cannot_hold_is_gone() -> None:
    for hertz in (4100, 5000, 7900):
        made = resample(sine(hertz, 16000, 16000), 16000, 8000)
        assert np.abs(made[EDGE:-EDGE]).max() < 10 ** (-80 / 20)
    images = resample(sine(3000, 8000, 8000), 8000, 16000) - sine(3000, 16000, 16000)
    assert np.abs(images[EDGE:-EDGE]).max() < 1e-4


def test_it_is_the_sum_of_the_docstring() -> None:
    rate, wanted, x = 6000, 4000, np.random.default_rng(0).normal(size=400).astype(np.float32)
    made = resample(x, rate, wanted)
    reach = 32 * rate / wanted
    for m in (0, 1, 7, len(made) - 1):
        away = m * rate / wanted - np.arange(len(x))
        inside = np.abs(away) < reach
        window = np.i0(8.96 * np.sqrt(np.clip(1 - (away / reach) ** 2, 0, None))) / np.i0(8.96) * inside
        kernel = 0.91 * wanted / rate * np.sinc(0.91 * away * wanted / rate) * window
        assert made[m] == pytest.approx(float(kernel @ x), abs=2e-4)


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 16000), (8000, 11025), (8000, 8000)])
def test_pieces_are_the_whole_bit_for_bit(rate: int, wanted: int) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=3000).astype(np.float32)
    resampler = Resampler(rate, wanted)
    state, parts, place = resampler.initial(), [], 0
    while place < len(x):
        size = int(random.integers(1, 400))
        made, state = resampler(x[place : place + size], state)
        parts.append(made)
        place += size
    parts.append(resampler.last(state))
    assert np.array_equal(np.concatenate(parts), resample(x, rate, wanted))
    assert len(state.past) <= 2 * resampler.reach


def test_a_rate_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="10 samples a second; wanted 1,000 to 768,000"):
        Resampler(10, 8000)
