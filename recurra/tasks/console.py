"""The terminal that people read, or the pipe that takes its place."""

import sys

from rich.console import Console

__all__ = ["terminal"]

PIPE_WIDTH = 120


def terminal(*, quiet: bool = False) -> Console:
    """Standard output; where it is no terminal, lines are not broken at 80 columns."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, quiet=quiet)
