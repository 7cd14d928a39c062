import numpy as np

from recurra.data.dial_tones import COLUMNS, KEYS, RATE, ROWS, dial_tones


def test_what_is_dialled_is_heard_by_its_two_tones() -> None:
    sounds, numbers = dial_tones(20)
    tones = np.array([*ROWS, *COLUMNS])
    right = 0
    for sound, number in zip(sounds, numbers, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(sound, 400)[::80]
        heard = np.abs(windows @ np.exp(-2j * np.pi * np.outer(np.arange(400), tones) / RATE))
        row, column = heard[:, :4], heard[:, 4:]
        loud = np.minimum(row.max(1), column.max(1)) > 0.5 * np.minimum(row.max(1), column.max(1)).max()
        keys = [KEYS[3 * r + c] if there else " " for r, c, there in zip(row.argmax(1), column.argmax(1), loud, strict=True)]
        said = "".join(key for key, before in zip(keys, [" ", *keys], strict=False) if key not in (" ", before))
        right += said == number
        assert 3 <= len(number) <= 7
    assert right >= 15  # in noise this simple ear misses some


def test_it_follows_from_the_seed_alone() -> None:
    (sounds, numbers), (again, same), (_, others) = dial_tones(5), dial_tones(5), dial_tones(5, seed=1)
    assert numbers == same != others
    assert all(map(np.array_equal, sounds, again))
