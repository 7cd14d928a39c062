"""The verb `chat`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from recurra.cli.words import split
from recurra.errors import UsageError

__all__ = ["chat"]

SIGN = "> "


def chat(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder of the task chat, as recurra train made it")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[name=value ...]", show_default=False)] = None,
) -> None:
    """Talk with a run: a line in, an answer out, as it is drawn. /reset begins anew; /quit, or the end of input, leaves."""
    from recurra.tasks.runs import load

    data, pairs = split(words or [])
    if data is not None:
        raise UsageError(f"{data}: wanted name=value, such as temperature=0.5; what is said comes line by line")
    run = load(folder)
    talk = run.chat(**run.conversation.parse(pairs).model_dump())
    state = talk.initial()
    for line in _typed():
        match line.strip():
            case "":
                pass
            case "/quit":
                return
            case "/reset":
                state = talk.initial()
            case text if text.startswith("/"):
                print(f"{text}: wanted /reset or /quit, or a turn that begins otherwise", file=sys.stderr)
            case text:
                answer = ""
                for piece in talk.pieces(text, state):
                    print(piece, end="", flush=True)
                    answer += piece
                print(flush=True)
                state = talk.after(text, answer, state)


def _typed() -> Iterator[str]:
    """Lines of standard input as they come, each asked for where somebody sits there."""
    from recurra.data.lines import STANDARD_INPUT, lines

    asked = sys.stdin.isatty()
    typed = lines(STANDARD_INPUT)
    while True:
        print(SIGN if asked else "", end="", flush=True)
        line = next(typed, None)
        if line is None:
            if asked:
                print()
            return
        yield line
