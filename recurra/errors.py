"""Every error that recurra raises on purpose, and the exit code each one means.

.. code-block:: text

    RecurraError
    ├── UsageError        2   a call, option or argument that cannot be right
    │   └── ShapeError    2   a tensor of the wrong shape (also a ValueError)
    ├── DataError         3   data that cannot be read or used
    ├── ModelFileError    4   a run folder or weights file that is not one of ours, or damaged
    ├── CheckpointError   5   nothing to resume from
    ├── ResourceError     6   disk full, folder not writable, out of memory
    ├── NumericError      7   the loss or the gradient stayed non-finite
    ├── BusyError         8   another process trains in this run folder
    └── Stopped          75   stopped on request; the run can be resumed

The message is one line: where, what came, what was wanted, what to do. One warning beside them: `SlowWarning`.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

__all__ = [
    "BusyError",
    "CheckpointError",
    "DataError",
    "ModelFileError",
    "NumericError",
    "RecurraError",
    "ResourceError",
    "ShapeError",
    "SlowWarning",
    "Stopped",
    "UsageError",
    "near_miss",
]


class RecurraError(Exception):
    """Root of the tree; `exit_code` is what the command line ends with."""

    exit_code: ClassVar[int] = 1


class UsageError(RecurraError):
    """A call, an option or an argument that cannot be right."""

    exit_code = 2


class ShapeError(UsageError, ValueError):
    """A tensor of the wrong shape: the message gives the shape that came and the one wanted."""


class DataError(RecurraError):
    """Data that cannot be read or used."""

    exit_code = 3


class ModelFileError(RecurraError):
    """A run folder or a weights file that is damaged, or none of ours."""

    exit_code = 4


class CheckpointError(RecurraError):
    """No checkpoint that can be resumed from."""

    exit_code = 5


class ResourceError(RecurraError):
    """The machine refused: disk full, folder not writable, out of memory."""

    exit_code = 6


class NumericError(RecurraError):
    """The loss or the gradient stayed non-finite."""

    exit_code = 7


class BusyError(RecurraError):
    """Another process trains in this run folder."""

    exit_code = 8


class Stopped(RecurraError):  # noqa: N818 - it is no error, like StopIteration
    """Stopped on request, everything saved: the run can be resumed."""

    exit_code = 75


class SlowWarning(UserWarning):
    """Something works, but slower than it could; said once, with the reason."""


def near_miss(word: str, choices: Iterable[str]) -> str:
    """The tail of a message about an unknown name: a suggestion if one is close, else the choices.

    >>> near_miss("hiden", ["hidden", "layers"])
    'did you mean hidden?'
    >>> near_miss("x", ["hidden", "layers"])
    'choose from hidden, layers'
    """
    known = sorted(choices)
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else f"choose from {', '.join(known)}"
