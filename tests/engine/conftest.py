"""What several tests of the engines need."""

import pytest

from recurra.engine import choice, compiled, stepper


@pytest.fixture
def sweep_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sequence is too short for the sweep."""
    monkeypatch.setattr(compiled, "SHORT", 1)
    monkeypatch.setattr(choice, "FEW", 1)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steppers made in this test run the equation itself."""
    monkeypatch.setattr(stepper, "refusal", lambda *_: "refused")
