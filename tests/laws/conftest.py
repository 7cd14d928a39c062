"""In the laws the sweep runs sequences of any length, also those too short to be worth it."""

import pytest

from recurra.engine import choice, compiled


@pytest.fixture(autouse=True)
def sweep_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sequence is too short."""
    monkeypatch.setattr(compiled, "SHORT", 1)
    monkeypatch.setattr(choice, "FEW", 1)
