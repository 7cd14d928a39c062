"""Rows of predictions, on the terminal or in a file."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["write_rows"]


def write_rows(items: Iterable[Mapping[str, Any]], out: Path | None, *, as_json: bool) -> None:
    """Print or write rows: JSON lines, or with the names of columns first. A file is there whole or not at all.

    The ending of `out` says what becomes of it: ``.csv`` commas, ``.parquet`` a Parquet file, anything else tabs. Files have
    every digit that counts, the terminal five at least.
    """
    kind = "" if out is None else out.suffix.lower()
    if out is None:
        for line in _lines(items, "\t", _short, as_json=as_json):
            print(line)
        return
    from recurra import store

    if kind == ".parquet":
        import polars

        content = io.BytesIO()
        polars.DataFrame(list(items), infer_schema_length=None).write_parquet(content)
        store.write_bytes(out, content.getvalue())
    else:
        store.write_text(out, _lines(items, "," if kind == ".csv" else "\t", _whole, as_json=as_json))


def _lines(items: Iterable[Mapping[str, Any]], sign: str, number: Callable[[float], str], *, as_json: bool) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, delimiter=sign, lineterminator="") if sign == "," else None
    for place, item in enumerate(items):
        if as_json:
            yield json.dumps(item)
            continue
        for values in ([*item], [_cell(value, number) for value in item.values()])[min(place, 1) :]:
            if writer is None:
                yield sign.join(values)
            else:
                line.seek(0)
                line.truncate()
                writer.writerow(values)
                yield line.getvalue()


def _cell(value: Any, number: Callable[[float], str]) -> str:
    if value is None:
        return ""
    return number(float(value)) if isinstance(value, float) else str(value)


def _whole(value: float) -> str:
    """The fewest digits that give the number back: as float32 where it is one, as networks tell them."""
    from numpy import errstate, float32

    with errstate(over="ignore"):
        single = float32(value)
    return str(single) if float(single) == value else repr(value)


def _short(value: float) -> str:
    """Five digits that count at least: four after the point from 1 on."""
    return f"{value:.4f}" if 1 <= abs(value) < 1e15 else f"{value:.5g}"
