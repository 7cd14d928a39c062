import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import recurra as package
from tests.cli.process import RECURRA, Ended
from tests.tasks.test_chat import SMALL, dialogues, write


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    options = package.Chat(**SMALL | {"steps": 20, "check": 20})
    options.fit(write(folder / "talks.txt", dialogues(200)), out=folder / "run", show=False)
    return folder / "run"


def test_a_line_is_answered_by_a_line(run: Path, command: Callable[..., Ended]) -> None:
    talk = package.load(run).chat(seed=4, temperature=1.5)
    first, state = talk("say 3 4", talk.initial())
    second, _ = talk("red", state)
    ended = command("chat", run, "seed=4", "temperature=1.5", typed="say 3 4\n\n  \nred")
    assert ended == (0, f"{first}\n{second}\n", "")


def test_to_begin_anew_and_to_leave(run: Path, command: Callable[..., Ended]) -> None:
    ended = command("chat", run, typed="say 3 4\n/reset\nsay 3 4\n/rest\n /quit \nred\n")
    first, again = ended.out.splitlines()
    assert first == again
    assert ended.err == "/rest: wanted /reset or /quit, or a turn that begins otherwise\n"
    assert ended.code == 0


def test_nothing_said(run: Path, command: Callable[..., Ended]) -> None:
    assert command("chat", run, "beam=2", typed="") == (0, "", "")


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
    assert command("chat", *(run if word == "RUN" else word for word in words), typed="hi\n") == (code, "", said)


def test_a_run_of_another_task(trained: package.Run, command: Callable[..., Ended]) -> None:
    assert command("chat", trained.folder, typed="hi\n") == (2, "", f"recurra: {trained.folder}: the task text does not chat\n")


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
