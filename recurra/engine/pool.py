"""How many threads a sweep may have: torch's own, and one alone in a forked child, where that pool is dead."""

import os

import torch

__all__ = ["threads"]

_forked = False


def threads() -> int:
    """The size of the team."""
    return 1 if _forked else torch.get_num_threads()


def _after_fork() -> None:
    global _forked  # noqa: PLW0603 - a process is forked or it is not
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
