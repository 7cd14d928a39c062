"""The command `recurra` in the process of the tests."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recurra.cli import main
from tests.cli.process import Ended


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Ended]:
    """The command in this process, in an empty folder, somebody typing: an error that is not one of ours fails the test."""
    monkeypatch.chdir(tmp_path)
    keyboard = tmp_path.with_suffix(".typed")

    def call(*words: str | Path, typed: str = "") -> Ended:
        keyboard.write_text(typed)
        monkeypatch.setattr(sys, "argv", ["recurra", *map(str, words)])
        code = 0
        with keyboard.open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            try:
                main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1 if end.code else 0
        return Ended(code, *capsys.readouterr())

    return call
