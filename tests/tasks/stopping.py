"""Trainings that somebody stops."""

import math
from collections.abc import Iterator
from contextlib import closing

import pytest

import recurra
from recurra.errors import Stopped
from recurra.train import Report

__all__ = ["goes_on", "stop_after"]


def stop_after(looks: int, steps: int, patch: pytest.MonkeyPatch) -> None:
    """From now on trainings of text, of so many steps each, stop after so many looks of all of them together."""
    train, left = recurra.Run.reports, iter(range(looks))

    def stopped(run: recurra.Run) -> Iterator[Report]:
        for report in train(run):
            if next(left, None) is None:
                raise Stopped(f"stopped at step {report.step} of {steps}; go on with: recurra resume {run.folder}")
            yield report

    patch.setattr(recurra.Run, "reports", stopped)


def goes_on(whole: recurra.Run, half: recurra.Run) -> None:
    """Train one run to its end, another of the same options to its first look; what follows is as if nothing had happened."""
    looks = [(report.step, report.loss, report.value) for report in whole.reports()]
    with closing(half.reports()) as stopped:
        next(stopped)
    assert [(report.step, report.loss, report.value) for report in recurra.load(half.folder).reports()] == looks[1:]
    assert all(math.isfinite(loss) for _, loss, _ in looks)
