"""Docstrings of Python files as summaries: the body of each and the line that sums it up."""

import ast
import hashlib
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from recurra.errors import DataError, UsageError

__all__ = ["DocstringPairs", "docstring_pairs"]

BODY = (8, 400)  # words
SUMMARY = (3, 25)
NOT_EVERYWHERE = {"distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter", "turtle", "turtledemo"}
TESTS = {"test", "tests", "idle_test"}


class DocstringPairs(NamedTuple):
    """Bodies, summary lines, and where each stands: the dotted module, a colon, and the dotted name in it."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything."""
        digest = hashlib.sha256()
        for side in self:
            for text in side:
                part = text.encode("utf-8", "surrogatepass")
                digest.update(len(part).to_bytes(8, "little") + part)
        return digest.hexdigest()

    def split(self, share: float) -> "tuple[DocstringPairs, DocstringPairs]":
        """(learning part, held-out part), at most `share` of the pairs held out.

        A package, or a module in none, stands whole on one side: which, follows from the hash of its name.
        """
        if not 0 < share < 1:
            raise UsageError(f"share is {share}; wanted one between 0 and 1")
        homes = [re.split(r"[.:]", name)[0] for name in self.names]
        sizes = {home: homes.count(home) for home in dict.fromkeys(homes)}
        held_out, size = set[str](), 0
        for home in sorted(sizes, key=lambda name: hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()):
            if size + sizes[home] <= share * len(homes):
                held_out.add(home)
                size += sizes[home]
        rows = list(zip(self.sources, self.targets, self.names, homes, strict=True))
        learnt, kept = ([row[:3] for row in rows if (row[3] in held_out) == side] for side in (False, True))
        return _pairs(learnt), _pairs(kept)


def docstring_pairs(folder: Path | None = None) -> DocstringPairs:
    """Pairs from all Python files below a folder, in the order of their paths; nothing is imported, files are only parsed.

    Without a folder, the standard library of this Python: some 1,800 pairs, the same ones wherever the version is the same.
    Tests, and what some distributions leave out (``tkinter``, ``idlelib``, ``lib2to3`` and the like), are not read. The
    first time takes some seconds.

    The summary is the first paragraph, if it is one line of 3 to 25 words that does not end with a colon; the source is all
    below, its white space made single blanks, if that has 8 to 400 words outside of examples (``>>>``) and does not repeat
    the summary. Of equal sources, and of equal summaries, the first is kept. Files that cannot be parsed are passed over.

    Example:
        >>> sources, targets, names = docstring_pairs()
        >>> targets[names.index("textwrap:dedent")]
        'Remove any common leading whitespace from every line in `text`.'
    """
    return _standard_library() if folder is None else _read(folder, sorted(folder.rglob("*.py")))


@cache
def _standard_library() -> DocstringPairs:
    folder = Path(sysconfig.get_paths()["stdlib"])
    homes = sorted(set(sys.stdlib_module_names) - NOT_EVERYWHERE)
    files = [file for home in homes for file in (folder / f"{home}.py", *sorted((folder / home).rglob("*.py")))]
    return _read(folder, [file for file in files if file.is_file() and not TESTS & set(file.relative_to(folder).parts)])


def _read(folder: Path, files: list[Path]) -> DocstringPairs:
    seen, rows = set[str](), []
    for file in files:
        path = file.relative_to(folder).with_suffix("")
        module = ".".join(path.parts[:-1] if path.name == "__init__" else path.parts)
        for source, target, name in _in_file(file):
            keys = {"source " + source.casefold(), "target " + target.casefold()}
            if not keys & seen:
                seen |= keys
                rows.append((source, target, f"{module}:{name}"))
    if not rows:
        raise DataError(f"{folder}: no docstring with a summary line and a body in {len(files)} Python files")
    return _pairs(rows)


def _in_file(file: Path) -> Iterator[tuple[str, str, str]]:
    try:
        with warnings.catch_warnings(action="ignore"):  # of strange escapes
            found = list(_docstrings(ast.parse(file.read_bytes()), ""))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from None
    for name, text in found:
        target, _, body = text.partition("\n\n")
        source = " ".join(body.split())
        if _fit(target, body) and target.casefold().rstrip(" .:") not in source.casefold():
            yield source, target, name


def _docstrings(node: ast.AST, inside: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        if not isinstance(node, ast.Module):
            inside = f"{inside}.{node.name}" if inside else node.name
        if text := ast.get_docstring(node):
            yield inside, text
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield from _docstrings(child, inside)


def _fit(target: str, body: str) -> bool:
    prose = [paragraph for paragraph in re.split(r"\n\s*\n", body) if not paragraph.lstrip().startswith(">>>")]
    words, counts = " ".join(prose).split(), target.split()
    fine = "\n" not in target and not target.endswith(":")
    return fine and SUMMARY[0] <= len(counts) <= SUMMARY[1] and BODY[0] <= len(words) <= BODY[1]


def _pairs(rows: Sequence[tuple[str, ...]]) -> DocstringPairs:
    sources, targets, names = zip(*rows, strict=True) if rows else ((), (), ())
    return DocstringPairs(sources, targets, names)
