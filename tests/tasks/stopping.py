"""Trainings that somebody stops."""

from collections.abc import Iterator

import pytest

import recurra
from recurra.errors import Stopped
from recurra.tasks import text
from recurra.train import Report

__all__ = ["stop_after"]


def stop_after(looks: int, steps: int, patch: pytest.MonkeyPatch) -> None:
    """From now on trainings of text, of so many steps each, stop after so many looks of all of them together."""
    train, left = text.train, iter(range(looks))

    def stopped(run: recurra.Run) -> Iterator[Report]:
        for report in train(run):
            if next(left, None) is None:
                raise Stopped(f"stopped at step {report.step} of {steps}; go on with: recurra resume {run.folder}")
            yield report

    patch.setattr(text, "train", stopped)
