import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recurra.data import Ragged

ROWS = st.lists(st.lists(st.integers(1, 9), max_size=5), min_size=1, max_size=8)


@given(ROWS, st.data())
def test_rows_come_back(rows: list[list[int]], data: st.DataObject) -> None:
    ragged = Ragged.of(rows)
    places = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=6)))
    wanted = [rows[place] for place in places]
    taken, width = ragged.take(places), max(1, *map(len, [*wanted, []]))
    assert (ragged.rows, taken.rows) == (len(rows), len(places))
    assert taken.lengths.tolist() == [len(row) for row in wanted]
    assert [taken.row(k).tolist() for k in range(len(places))] == wanted
    assert ragged.padded(places).tolist() == [row + [0] * (width - len(row)) for row in wanted]
    assert (ragged.padded(places) == taken.padded(np.arange(len(places)))).all()
    assert ragged.flat.dtype == np.int32


@given(ROWS, st.integers(0, 6))
def test_cutting(rows: list[list[int]], most: int) -> None:
    first, last = (Ragged.of(rows).cut(most, last=last) for last in (False, True))
    for k, row in enumerate(rows):
        assert first.row(k).tolist() == row[:most]
        assert last.row(k).tolist() == row[max(0, len(row) - most) :]
    assert last.padded(np.arange(len(rows))).shape == first.padded(np.arange(len(rows))).shape


def test_none() -> None:
    assert Ragged.of([]).rows == 0
    assert Ragged.of([[]]).padded(np.array([0])).tolist() == [[0]]


def test_vectors_are_kept_as_symbols_are() -> None:
    rows = [np.arange(6.0).reshape(3, 2), np.zeros((0, 2)), np.full((1, 2), 7.5)]
    ragged = Ragged.of_vectors(rows, 2)
    padded = ragged.padded(np.array([2, 0]))
    assert padded.dtype == np.float32
    assert padded.tolist() == [[[7.5, 7.5], [0, 0], [0, 0]], rows[0].tolist()]
    assert ragged.take(np.array([1, 2])).row(1).tolist() == [[7.5, 7.5]]
    assert ragged.cut(2, last=True).row(0).tolist() == [[2, 3], [4, 5]]
    assert Ragged.of_vectors([], 2).rows == 0
