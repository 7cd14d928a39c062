import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import recurra as package
from recurra.cli import main
from tests.cli.process import RECURRA
from tests.tasks.test_chat import SMALL, dialogues, write


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    options = package.Chat(**SMALL | {"steps": 20, "check": 20})
    options.fit(write(folder / "talks.txt", dialogues(200)), out=folder / "run", show=False)
    return folder / "run"


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str, list[str | Path]], Ended]:
    """The command in this process, some text on its standard input."""

    def call(typed: str, words: list[str | Path]) -> Ended:
        (tmp_path / "typed").write_text(typed)
        monkeypatch.setattr(sys, "argv", ["recurra", "chat", *map(str, words)])
        code = 0
        with (tmp_path / "typed").open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            try:
                main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1 if end.code else 0
        return Ended(code, *capsys.readouterr())

    return call


def test_a_line_is_answered_by_a_line(run: Path, command: Callable[..., Ended]) -> None:
    talk = package.load(run).chat(seed=4, temperature=1.5)
    first, state = talk("say 3 4", talk.initial())
    second, _ = talk("red", state)
    ended = command("say 3 4\n\n  \nred", [run, "seed=4", "temperature=1.5"])
    assert ended == (0, f"{first}\n{second}\n", "")


def test_to_begin_anew_and_to_leave(run: Path, command: Callable[..., Ended]) -> None:
    ended = command("say 3 4\n/reset\nsay 3 4\n/rest\n /quit \nred\n", [run])
    first, again = ended.out.splitlines()
    assert first == again
    assert ended.err == "/rest: wanted /reset or /quit, or a turn that begins otherwise\n"
    assert ended.code == 0


def test_nothing_said(run: Path, command: Callable[..., Ended]) -> None:
    assert command("", [run, "beam=2"]) == (0, "", "")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["RUN", "beem=2"], 2, "recurra: beem: no such option of Conversation; did you mean beam?\n"),
        (["RUN", "top_p=0"], 2, "recurra: top_p=0: wanted number > 0 <= 1\n"),
        (["RUN", "hello"], 2, "recurra: hello: wanted name=value, such as temperature=0.5; what is said comes line by line\n"),
        (["gone"], 4, "recurra: gone: not a run folder, it has no run.json; recurra train makes one\n"),
    ],
)
def test_what_cannot_be(words: list[str], code: int, said: str, run: Path, command: Callable[..., Ended]) -> None:
    assert command("hi\n", [run if word == "RUN" else word for word in words]) == (code, "", said)


def test_a_run_of_another_task(trained: package.Run, command: Callable[..., Ended]) -> None:
    assert command("hi\n", [trained.folder]) == (2, "", f"recurra: {trained.folder}: the task text does not chat\n")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals here")
def test_somebody_who_sits_there_is_asked_and_answered_at_once(run: Path) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen([*RECURRA, "chat", str(run)], stdin=theirs, stdout=subprocess.PIPE, text=True) as process:
        os.close(theirs)
        assert process.stdout is not None
        assert process.stdout.read(2) == "> "
        os.write(ours, b"say 3 4\n")
        assert process.stdout.readline().strip()
        assert process.stdout.read(2) == "> "  # the answer came before there was any more to read
        os.write(ours, b"\x04")  # Ctrl-D
        assert process.stdout.read() == "\n"
    assert process.returncode == 0
    os.close(ours)
