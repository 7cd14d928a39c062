from pathlib import Path

import pytest

from recurra.data.json_lines import objects
from recurra.errors import DataError

PATH = Path("a.jsonl")


def test_objects_with_their_lines() -> None:
    assert list(objects(PATH, ['{"a": 1}', " ", '{"a": 2}'], "{}")) == [(1, {"a": 1}), (3, {"a": 2})]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", r"^a\.jsonl, line 2: no JSON \("),
        ("[" * 100_000, r"^a\.jsonl, line 2: no JSON \("),
        ("[1]", r"^a\.jsonl, line 2: no JSON object; wanted one on each line, as \{\"a\": 1\}$"),
    ],
)
def test_what_is_refused(line: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        list(objects(PATH, ["{}", line], '{"a": 1}'))
