import pytest

from recurra.data.counts import told_count


@pytest.mark.parametrize(
    ("count", "what", "told"),
    [
        (0, "line", "0 lines"),
        (1, "line", "1 line"),
        (2, "line", "2 lines"),
        (12_345, "text", "12,345 texts"),
        (1, "series", "1 series"),
    ],
)
def test_a_number_of_things(count: int, what: str, told: str) -> None:
    assert told_count(count, what) == told
