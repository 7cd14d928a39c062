"""The scripts run, and the command lines that the pages show are ones that the command takes."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from recurra.cli.main import app
from recurra.cli.words import split
from recurra.tasks.options import TASKS, ComposeGeneration, Options, TextGeneration, WriteGeneration
from tests.cli.process import SMALL

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)]
SHOWN = [
    (page, shlex.split(line, comments=True))
    for page in PAGES
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for line in re.findall(r"^\$ (.+)$", block, re.MULTILINE)
]
OURS = [(page, words) for page, words in SHOWN if words[0].endswith("recurra")]
MADE = {(page, words[-1]): words[2] for page, words in OURS if words[1] == "train" and words[-2] == "--out"}
"""The task of each run that a page shows, by its folder."""
GENERATIONS: dict[str, type[Options]] = {"text": TextGeneration, "compose": ComposeGeneration, "write": WriteGeneration}


def understood(page: Path, words: list[str]) -> None:
    """Read a command line as far as it can be without running it: verbs, flags, arguments, options."""
    command: Any = typer.main.get_command(app)
    context, path = command.make_context("recurra", list(words)), []
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        path.append(name)
        if "--help" in rest:
            return
        context = command.make_context(name, rest, parent=context)
    _, pairs = split(context.params.get("words") or [])
    if path[0] == "train":
        TASKS[path[1]].parse(pairs)
    if path[0] == "generate":
        GENERATIONS[MADE.get((page, str(context.params["folder"])), "text")].parse(pairs)


@pytest.mark.parametrize(("page", "words"), OURS, ids=lambda value: " ".join(value) if isinstance(value, list) else value.name)
def test_what_a_page_shows_is_understood(page: Path, words: list[str]) -> None:
    bars = [*(place for place, word in enumerate(words) if word in {"|", ">", "&&", ";"}), len(words)]
    understood(page, words[1 : bars[0]])


def test_pages_show_something() -> None:
    assert {words[1] for _, words in OURS} >= {"train", "resume", "evaluate", "generate", "predict"}


@pytest.mark.parametrize(
    "words", [["trian"], ["train", "text", "--x"], ["train", "text", "hiden=5"], ["evaluate"], ["generate", "r", "x=1"]]
)
def test_what_is_not_understood_is_seen(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such|no such|Missing"):
        understood(ROOT / "README.md", words)


def test_what_the_pages_ask_of_make_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = {word for _, words in SHOWN if words[0] == "make" for word in words[1:] if "=" not in word}
    asked |= {word for page in PAGES for word in re.findall(r"`make ([a-z]+)`", page.read_text("utf-8"))}
    assert {"demo", "test"} <= asked <= targets


@pytest.mark.slow
def test_the_kill_loop(book: Path, tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/kill-loop", "2", "1", book, *SMALL, "steps=200", "check=20"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *_, last = done.stdout.splitlines()
    kills, lives, equal = re.findall(r"\d+", last)
    assert int(kills) >= 2
    assert lives == equal
    assert not list(tmp_path.glob("recurra-*"))
