"""Memory that updates free and take again."""

import resource

import pytest
import torch

from recurra.train import memory
from recurra.train.memory import freed_memory_kept

PAGE = resource.getpagesize()


SIZE = 8 << 20


def faults(times: int) -> int:
    """Pages that had to be got from the system while a tensor was made and dropped again and again."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.empty(SIZE, dtype=torch.uint8).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(memory._glibc() is None, reason="another libc")
def test_freed_pages_are_taken_again() -> None:
    with freed_memory_kept():
        faults(2)
        assert faults(10) < 3 * SIZE // PAGE  # ten times as many if every tensor came from the system


def test_another_libc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with freed_memory_kept():
        pass
