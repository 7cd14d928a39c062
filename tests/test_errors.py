import pytest

from recurra import errors
from recurra.errors import RecurraError, ShapeError, UsageError, near_miss

CODES = {
    "UsageError": 2,
    "ShapeError": 2,
    "DataError": 3,
    "ModelFileError": 4,
    "CheckpointError": 5,
    "ResourceError": 6,
    "NumericError": 7,
    "BusyError": 8,
    "Stopped": 75,
}


@pytest.mark.parametrize("name", CODES)
def test_exit_codes(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, RecurraError)
    assert error("why").exit_code == CODES[name]
    assert str(error("why")) == "why"


def test_every_error_has_its_code() -> None:
    every = {name for name in errors.__all__ if name[0].isupper()}
    assert every == {"RecurraError", "SlowWarning", *CODES}
    assert RecurraError.exit_code == 1


def test_a_shape_error_is_a_value_error() -> None:
    assert issubclass(ShapeError, UsageError)
    assert issubclass(ShapeError, ValueError)
    assert not issubclass(UsageError, ValueError)


@pytest.mark.parametrize(
    ("word", "choices", "says"),
    [
        ("hiden", ["layers", "hidden"], "did you mean hidden?"),
        ("zzz", ["layers", "hidden"], "choose from hidden, layers"),
        ("gru", {"gru2": 1, "lstm": 2}, "did you mean gru2?"),
        ("", ["b", "a"], "choose from a, b"),
        ("zzz", iter(["b", "a"]), "choose from a, b"),
    ],
)
def test_near_miss(word: str, choices: list[str], says: str) -> None:
    assert near_miss(word, choices) == says
