"""What the pages say is true: their Python runs, their help covers every verb, their exit codes are the errors' own."""

import doctest
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from recurra import errors
from recurra.cli.main import app, train

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(python|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]


def blocks(page: Path) -> Iterator[tuple[str, str, int]]:
    """(language, code, line of its first line, counted from 0) of every block of Python."""
    text = page.read_text("utf-8")
    for found in BLOCK.finditer(text):
        yield found[1], found[2], text.count("\n", 0, found.start(2))


WITH_CODE = [page for page in PAGES if any(blocks(page))]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict[str, Any] = {"__name__": "page"}
    for language, code, line in blocks(page):
        if language == "python":
            exec(compile("\n" * line + code, str(page), "exec"), names)
        else:
            check_examples(page, code, line, names)


def check_examples(page: Path, code: str, line: int, names: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(code, {}, page.name, str(page), line)
    test.globs = names  # shared by all blocks of the page
    said: list[str] = []
    doctest.DocTestRunner().run(test, out=said.append, clear_globs=False)
    assert not said, "".join(said)


def test_every_verb_has_its_help() -> None:
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    verbs |= {group.name for group in app.registered_groups if group.name}
    verbs |= {f"train {command.name}" for command in train.registered_commands}
    shown = re.findall(r"^```\{help\} (.+)$", (DOCS / "reference/command-line.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(verbs)


def test_the_exit_codes_are_those_of_the_errors() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", (DOCS / "how-to/long-runs.md").read_text("utf-8"), re.MULTILINE)
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.RecurraError)]
    true = {(str(kind.exit_code), kind.__name__) for kind in kinds} - {("1", "RecurraError"), ("2", "ShapeError")}
    assert set(rows) == true


def test_every_module_of_the_package_is_in_the_reference() -> None:
    listed = "\n".join(path.read_text("utf-8") for path in (DOCS / "reference").glob("*.md"))
    shown = set(re.findall(r"automodule:: recurra\.(\w+)", listed))
    there = {path.stem for path in (ROOT / "recurra").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert shown == there - {"__init__", "__main__", "cli"}
