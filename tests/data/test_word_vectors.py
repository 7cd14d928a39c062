import gzip
from pathlib import Path

import numpy as np
import pytest

from recurra.data import read_word_vectors
from recurra.errors import DataError
from tests.data.reading import Write

LINES = "the 1 2 3\ncat 4 5 6 \n. . . 7 8 9\nCat -1 0 .5\nthe 0 0 0\n"


@pytest.mark.parametrize("header", ["", "5 3\n", "9 3\n"])
def test_with_a_header_or_without(write: Write, header: str) -> None:
    read = read_word_vectors(write(header + LINES, "v.txt"), ["Cat", "The", "dog", "cat"])
    assert read.matrix.tolist() == [[-1, 0, 0.5], [1, 2, 3], [0, 0, 0], [4, 5, 6]]
    assert (read.found.tolist(), read.coverage) == ([True, True, False, True], 0.75)
    assert read.matrix.dtype == np.float32
    told = ["v.txt: 5 words with vectors of 3, 3 of the 4 asked for"]
    told += ["v.txt: its first line says 9 words, 5 came"] if header.startswith("9") else []
    told += [
        "v.txt: 1 line of words that stand there before: the first counts",
        "v.txt: 1 word with the vector of small letters",
    ]
    assert list(read.notes) == told


def test_packed(tmp_path: Path) -> None:
    path = tmp_path / "v.txt.gz"
    path.write_bytes(gzip.compress(LINES.encode()))
    assert read_word_vectors(path, ["the"]).matrix.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1 2\nb 1\n", "line 2: 1 number behind the word; wanted 2, as in the lines before"),
        ("a 1 2\nb 1 2 3\n", "line 2: 3 numbers behind the word; wanted 2, as in the lines before"),
        ("2 3\na 1 2\n", "line 2: 2 numbers behind the word; wanted 3, as in the lines before"),
        ("a 1 x\n", "line 1: 'x' is no number; wanted one"),
        ("a 1 inf\n", "line 1: a number that is not finite; wanted finite ones"),
        ("word\n", "line 1: 0 numbers behind the word; wanted 1, as in the lines before"),
        ("\n", "no vectors in it; wanted a word and its numbers on each line"),
    ],
)
def test_bad_files(write: Write, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_word_vectors(write(text, "v.txt"), ["a"])
    assert str(caught.value).partition("v.txt")[2].lstrip(":, ") == message
