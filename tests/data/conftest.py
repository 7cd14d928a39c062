"""A file to be read."""

from pathlib import Path

import pytest

from tests.data.reading import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(text: str, name: str = "sales.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return file
