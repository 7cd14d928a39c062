"""Where the data sets lie."""

import os
from pathlib import Path

import pytest


def dataset(name: str) -> Path:
    """A folder or file below RECURRA_DATA; skips the test where it is absent."""
    path = Path(os.environ.get("RECURRA_DATA", "../shared/data")) / name
    if not path.exists():
        pytest.skip(f"{path}: not there; RECURRA_DATA names the folder of the data sets")
    return path
