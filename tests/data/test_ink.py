import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from recurra.data.ink import ink_features, read_ink
from recurra.errors import DataError
from tests.places import dataset

STROKES = [[[0, 0], [4, 2]], [[2, 2]]]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", json.dumps({"strokes": STROKES, "text": "t"})),
        ("a.ndjson", json.dumps({"drawing": [{"x": [0, 4], "y": [0, 2]}, [[2, 2, 99]]], "word": "t"})),
        ("a.jsonl.gz", json.dumps({"ink": [[{"x": 0, "y": 0}, {"x": 4, "y": 2}], [[2], [2]]], "label": "t"})),
        (
            "a.unp",
            '.VERSION 1.0\n.SEGMENT CHARACTER 0-1 OK "t"\n.PEN_DOWN\n0 0\n4 2\n.PEN_UP\n.DT 10\n.PEN_DOWN\n2 2\n.PEN_UP\n',
        ),
    ],
)
def test_strokes_of_every_kind(tmp_path: Path, name: str, content: str) -> None:
    [(strokes, text, _)] = read_ink(written(tmp_path, name, content + "\n"))
    assert [stroke.tolist() for stroke in strokes] == STROKES
    assert text == "t"


def test_tables_have_pairs_and_a_text(tmp_path: Path) -> None:
    found = read_ink(written(tmp_path, "a.csv", "x1,y1,class,x2,y2\n1,2,seven,3,4\n\n5,6,b,,\n"))
    assert [(one.strokes[0].tolist(), one.text, one.line) for one in found] == [
        ([[1, 2], [3, 4]], "seven", 2),
        ([[5, 6]], "b", 4),
    ]
    assert read_ink(written(tmp_path, "b.csv", "x,y,who\n1,2,me\n"))[0].text == "me"
    assert read_ink(written(tmp_path, "c.csv", "who,x,class\n1,2,3\n"), "who")[0].strokes[0].tolist() == [[2, 3]]


def test_lists_of_coordinates_and_lists_of_points_are_told_apart(tmp_path: Path) -> None:
    rows = [[[1, 2], [3, 4]], [[1, 2, 3, 4], [5, 6, 7, 8]], [[1, 2, 0], [3, 4, 0]]]
    file = written(tmp_path, "a.jsonl", "\n".join(json.dumps({"strokes": [row]}) for row in rows))
    found = [one.strokes[0].tolist() for one in read_ink(file)]
    assert found == [[[1, 2], [3, 4]], [[1, 5], [2, 6], [3, 7], [4, 8]], [[1, 2], [3, 4]]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "x,y,t\n1,nan,a\n", "line 2, point 1: 1, nan; wanted finite numbers"),
        ("a.csv", "x,y,t\n1,,a\n", "line 2: 1 number; wanted pairs"),
        ("a.csv", "x,y,t\n1,b,a\n", "point 1: .*wanted two numbers"),
        ("a.csv", "x,y,t\n1,2\n", "line 2: 2 columns; wanted 3"),
        ("a.csv", "x,y,t\n,,a\n", "line 2: no points"),
        ("a.csv", "x,y,t\n", "nothing written"),
        ("a.csv", "", "line 1: 0 columns"),
        ("a.jsonl", "{", "line 1: no JSON"),
        ("a.jsonl", "[]", "no JSON object"),
        ("a.jsonl", '{"text": "a"}', "no list of strokes"),
        ("a.jsonl", '{"strokes": [3], "text": "a"}', "a stroke is 3"),
        ("a.jsonl", '{"strokes": [[[1, 1e999]]]}', "point 1: 1, inf"),
        ("a.jsonl", '{"strokes": []}', "line 1: no points"),
        ("a.unp", ".PEN_DOWN\n1\n.PEN_UP\n", "wanted two numbers"),
        ("a.dat", "1 2", "no file of pen points"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_ink(written(tmp_path, name, content))


def test_features_do_not_know_size_nor_place() -> None:
    strokes = [np.array([[0.0, 0], [4, 2], [4, 2], [5, 7]]), np.array([[1.0, 1]])]
    features = ink_features(strokes)
    assert len(features) == 4  # a point where the pen stayed is left out
    assert features[:, 4].tolist() == [1, 0, 0, 1]
    np.testing.assert_allclose(features, ink_features([3 * stroke + 11 for stroke in strokes]), atol=1e-6)
    np.testing.assert_allclose(np.cumsum(features[:, 1]), features[:, 3], atol=1e-6)
    assert np.isfinite(ink_features([np.array([[3.0, 3.0]])])).all()
    flat = ink_features([np.array([[0.0, 0], [10, 0.1]])])
    assert np.abs(flat).max() <= 10


@pytest.mark.data
def test_pen_digits() -> None:
    found = read_ink(dataset("pendigits/pendigits.csv.gz"))
    assert len(found) == 10_992
    assert {one.text for one in found} == set("0123456789")
    assert found[0].strokes[0][:2].tolist() == [[47, 100], [27, 81]]
    assert all(one.strokes[0].shape == (8, 2) for one in found)
