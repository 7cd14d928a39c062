"""One trainer in a folder, and signals that are heard between updates."""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from recurra.errors import BusyError, ResourceError

__all__ = ["StopFlag", "locked", "stop_flag"]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, or raise BusyError naming who does; a dead process holds none."""
    lock, owner = FileLock(folder / ".lock"), folder / ".owner.json"
    try:
        lock.acquire(timeout=0)
        owner.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    except Timeout:
        try:
            who = "process {pid} on {host}".format(**json.loads(owner.read_text()))
        except (OSError, ValueError, KeyError, TypeError):
            who = "another process"
        raise BusyError(f"{folder}: {who} trains here; wait for it, or train into another folder") from None
    except OSError as error:
        lock.release()
        raise ResourceError(f"{folder}: cannot be written ({error.strerror})") from None
    try:
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


class StopFlag:
    """Raised by the first SIGINT or SIGTERM."""

    def __init__(self) -> None:
        self.raised = False

    def __bool__(self) -> bool:
        return self.raised


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """Turn the first SIGINT or SIGTERM into a flag; the second acts at once. Only the main thread can hear signals."""
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def hear(_number: int, _frame: FrameType | None) -> None:
        if flag:
            raise KeyboardInterrupt
        flag.raised = True

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
