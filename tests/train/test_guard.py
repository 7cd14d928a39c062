import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recurra.errors import BusyError, ResourceError
from recurra.train.guard import locked, stop_flag

HOLD = """
import sys, pathlib
from recurra.train.guard import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdin=-1, stdout=-1, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


class TestLocked:
    def test_one_at_a_time_even_here(self, tmp_path: Path) -> None:
        with locked(tmp_path), pytest.raises(BusyError, match=f"process {os.getpid()} on "), locked(tmp_path):
            pass
        with locked(tmp_path):
            pass

    def test_another_process_is_named_and_a_killed_one_holds_nothing(self, tmp_path: Path) -> None:
        with holder(tmp_path) as process:
            with pytest.raises(BusyError) as caught, locked(tmp_path):
                pass
            assert f"{tmp_path}: process {process.pid} on " in str(caught.value)
            assert "wait for it, or train into another folder" in str(caught.value)
            process.kill()
            process.wait()
            assert (tmp_path / ".owner.json").exists()
            with locked(tmp_path):
                assert json.loads((tmp_path / ".owner.json").read_text())["pid"] == os.getpid()

    @pytest.mark.parametrize("owner", [None, "", "{}", "[1]", "3", "\x00"])
    def test_an_owner_that_cannot_be_read(self, owner: str | None, tmp_path: Path) -> None:
        with locked(tmp_path):
            (tmp_path / ".owner.json").unlink()
            if owner is not None:
                (tmp_path / ".owner.json").write_text(owner)
            with pytest.raises(BusyError, match="another process trains here"), locked(tmp_path):
                pass

    def test_an_error_inside_frees_it(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError), locked(tmp_path):
            raise ZeroDivisionError
        with locked(tmp_path):
            pass
        assert not (tmp_path / ".owner.json").exists()

    def test_where_nothing_can_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ResourceError, match="cannot be written"), locked(tmp_path / "file"):
            pass
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]

    def test_a_full_disk_frees_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr("pathlib.Path.write_text", full)
            with pytest.raises(ResourceError, match="No space left on device"), locked(tmp_path):
                pass
        with locked(tmp_path):
            pass


class TestStopFlag:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_the_first_raises_the_flag_and_the_second_interrupts(self, number: signal.Signals) -> None:
        with stop_flag() as flag:
            assert not flag
            signal.raise_signal(number)
            assert flag
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)

    def test_either_signal_counts(self) -> None:
        with stop_flag():
            signal.raise_signal(signal.SIGTERM)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)

    def test_handlers_come_back(self) -> None:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        with pytest.raises(ZeroDivisionError), stop_flag():
            raise ZeroDivisionError
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    def test_other_threads_hear_nothing(self) -> None:
        heard: list[bool] = []

        def work() -> None:
            with stop_flag() as flag:
                heard.append(bool(flag))

        before = signal.getsignal(signal.SIGINT)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert heard == [False]
        assert signal.getsignal(signal.SIGINT) == before
