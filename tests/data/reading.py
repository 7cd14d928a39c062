"""Series as tests read them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data import Collection, Roles, read_series
from recurra.errors import DataError

Write = Callable[..., Path]
NOTHING = Roles()
HOURS = np.arange("2024-01-01", "2024-01-03", dtype="datetime64[h]").astype("datetime64[us]")


def refused(source: Any, roles: Roles = NOTHING, kind: type[Exception] = DataError, **options: str) -> str:
    with pytest.raises(kind) as caught:
        read_series(source, roles, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text.rpartition("/")[2]


def only(collection: Collection) -> np.ndarray:
    (one,) = collection.series
    return one.values[:, 0]


def hourly(**columns: Any) -> dict[str, Any]:
    return {"time": HOURS, **columns}
