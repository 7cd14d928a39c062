from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data import read_labelled
from recurra.data.time_series_files import nested, read_arrays, read_ts
from recurra.errors import DataError
from tests.data.reading import Write

HEADER = "# about\n@problemName made\n@timeStamps false\n@univariate false\n@classLabel true up down\n@data\n"


def refused(read: Any, path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path.parent}/", "")


class TestTs:
    def test_channels_unequal_lengths_and_gaps(self, write: Write) -> None:
        read = read_ts(write(HEADER + "1,2,3:4,5,6:up\n\n?,7,?,9,?:1,?,3,4,NaN:down\n?,?:1,2:?\n", "t.ts"))
        assert (read.channels, read.labels, read.rows) == (("channel_1", "channel_2"), ["up", "down", ""], [7, 9, 10])
        assert [one.tolist() for one in read.inputs] == [
            [[1, 4], [2, 5], [3, 6]],
            [[7, 1], [7, 1], [7, 3], [9, 4]],
            [[0, 1], [0, 2]],
        ]
        assert read.notes == (
            "t.ts: 1 series with no number at the last steps (line 9): these steps are left out",
            "t.ts: 2 series with missing numbers (the first in line 9): each is the last known before it",
            "t.ts: 1 series with a channel without any number (line 10): its numbers are 0",
        )

    def test_numbers_and_no_labels(self, write: Write) -> None:
        read = read_ts(write("@targetlabel true\n@DATA\n1,2:0.5\n3,4:-1\n", "t.ts"))
        assert (read.channels, read.labels) == (("value",), ["0.5", "-1"])
        assert read_ts(write("@classLabel false\n@data\n1,2\n", "t.ts")).labels == [""]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("1,2:3\n", "t.ts: no line @data; wanted the header of a .ts file, and the series below it"),
            ("@timeStamps true\n@data\n(0,1),(1,2):1\n", "t.ts: its series have time stamps; "
             "wanted values alone, at even steps: leave the stamps out"),
            (HEADER + "1,2:3:up\n", "t.ts, line 7: channel 2 has 1 step, channel 1 has 2; wanted as many in each"),
            (HEADER + "1,2:3,4:up\n1,2:up\n", "t.ts, line 8: 1 channel, 2 in line 7; wanted as many in every line"),
            (HEADER + "1,x:3,4:up\n", "t.ts, line 7, channel 1, step 2: 'x' is no number; "
             "wanted one, or ? where it is missing"),
            (HEADER + "1,2:3,4:left\n", "t.ts, line 7: class 'left'; wanted one of the 2 that @classLabel names"),
        ],
    )  # fmt: skip
    def test_bad_files(self, write: Write, text: str, message: str) -> None:
        assert refused(read_ts, write(text, "t.ts")) == message


class TestNested:
    def test_lists_for_each_channel(self) -> None:
        steps, channels = nested("a", {"x": [1, None], "y": [3, 4]})
        assert (steps[0].tolist(), channels) == ([1, 3], ("x", "y"))
        assert np.isnan(steps[1, 0])

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ({"a": [1, 2], "b": 5}, "a, channel b: '5'; wanted a list of numbers"),
            ({"a": "123", "b": [4, 5, 6]}, "a, channel a: '123'; wanted a list of numbers"),
            ([1, 10**400], f"a, step 2: 1{'0' * 39} is too large; wanted a finite number in single precision"),
            ([[1], [10**400]], f"a, step 2: 1{'0' * 39} is too large; wanted a finite number in single precision"),
        ],
    )
    def test_what_is_no_series(self, value: Any, message: str) -> None:
        with pytest.raises(DataError) as caught:
            nested("a", value)
        assert str(caught.value) == message


class TestArrays:
    def saved(self, folder: Path, **arrays: Any) -> Path:
        np.savez(folder / "t.npz", **arrays)
        return folder / "t.npz"

    def test_lengths_and_labels(self, tmp_path: Path) -> None:
        x = np.arange(12.0).reshape(3, 4)
        read = read_arrays(self.saved(tmp_path, X=x, y=np.array([1.0, 0.5, np.nan]), lengths=np.array([4, 2, 0])))["train"]
        assert (read.labels, [len(one) for one in read.inputs], read.counted) == (["1", "0.5", ""], [4, 2, 0], "series")
        assert read.inputs[1][:, 0].tolist() == [4, 5]
        words = read_arrays(self.saved(tmp_path, x=x[..., None].repeat(2, 2), y=np.array(["a", "b", "a"])))["train"]
        assert (words.labels, words.channels) == (["a", "b", "a"], ("channel_1", "channel_2"))

    def test_parts(self, tmp_path: Path) -> None:
        x = np.random.default_rng(0).normal(size=(30, 5))
        path = self.saved(tmp_path, x_train=x, y_train=np.arange(30) % 3, x_test=x[:4] + 1, y_test=np.arange(4) % 3)
        read = read_labelled(path)
        assert len(read.learnt) + len(read.validation) == 30
        assert read.test.labels == ["0", "1", "2", "0"]

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"z": np.zeros(3)}, "there are z; wanted x (N, T) or (N, T, C), and y (N,)"),
            ({"x": np.zeros(3)}, "x is float64 of shape (3,); wanted numbers (N, T) or (N, T, C)"),
            ({"x": np.zeros((3, 2)), "y": np.zeros(2)}, "y has shape (2,); wanted (3,), as many as x has series"),
            ({"x": np.zeros((3, 2)), "lengths": np.array([1, 2, 3])}, "lengths; "
             "wanted whole numbers from 0 to 2, the length of x"),
            ({"x": np.array([{}, {}])}, "Object arrays cannot be loaded when allow_pickle=False; "
             "wanted arrays of numbers, and labels of text or numbers"),
        ],
    )  # fmt: skip
    def test_bad_arrays(self, tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
        assert refused(read_arrays, self.saved(tmp_path, **arrays)) == f"t.npz: {message}"

    def test_what_is_no_archive(self, write: Write, tmp_path: Path) -> None:
        for text in ("", "PK no zip", "text"):
            assert refused(read_arrays, write(text, "t.npz")).startswith("t.npz: ")
        assert refused(read_arrays, tmp_path / "no.npz") == "no.npz: no such file or folder"
        whole = self.saved(tmp_path, x=np.zeros((30, 40)), y=np.zeros(30)).read_bytes()
        (tmp_path / "t.npz").write_bytes(whole[: len(whole) // 2])
        assert refused(read_arrays, tmp_path / "t.npz").startswith("t.npz: cannot be read as .npz")
        np.savez(tmp_path / "t.npz", x=np.full((2, 2), np.inf))
        assert "finite" in refused(read_arrays, tmp_path / "t.npz")
