"""JSON lines: an object on each."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from recurra.errors import DataError

__all__ = ["objects"]


def objects(path: Path, lines: Iterable[str], example: str) -> Iterator[tuple[int, dict[str, Any]]]:
    r"""The objects of lines, each with its line, one after the other; lines of blanks are passed over.

    Raises:
        DataError: a line that is no JSON object, with an `example` of one.

    Example:
        >>> list(objects(Path("a.jsonl"), ['{"text": "a"}', "", '{"text": "b"}'], '{"text": "..."}'))
        [(1, {'text': 'a'}), (3, {'text': 'b'})]
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: no JSON ({error})") from None
        if not isinstance(found, dict):
            raise DataError(f"{path}, line {number}: no JSON object; wanted one on each line, as {example}")
        yield number, found
