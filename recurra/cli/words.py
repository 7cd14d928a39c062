"""Words of a command line, and options as help shows them."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap

from recurra.errors import UsageError
from recurra.tasks.options import Described, Options, described

__all__ = ["option_help", "split"]


def split(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """DATA, if there is one, and the words ``name=value``.

    A path that has a ``=`` itself is written with a folder in front: ``./a=b.txt``.

    >>> split(["book.txt", "hidden=64"])
    (PosixPath('book.txt'), ['hidden=64'])
    """
    pairs = [word for word in words if re.match(r"\w+=", word)]
    rest = [word for word in words if word not in pairs]
    if len(rest) > 1:
        raise UsageError(f"{rest[1]}: one DATA is enough, {rest[0]} stands there already; options are name=value")
    return (Path(rest[0]) if rest else None), pairs


def option_help(options: type[Options], title: str = "Options") -> str:
    """All options with defaults, types, bounds and meaning, by groups, as lines that a help page keeps as they are."""
    known = {option.name: option for option in described(options)}
    grouped = {name for names in options.headings.values() for name in names}
    lines = [f"{title}, as name=value:"]
    for heading, names in {"": [name for name in known if name not in grouped], **options.headings}.items():
        lines += ["", *([f"{heading}:", ""] if heading else [])]
        lines += [line for name in names if name in known for line in _lines(known[name])]
    return "\b\n" + "\n".join(line or "\u200b" for line in lines)


def _lines(option: Described) -> Iterator[str]:
    start = f"  {option.name + '=' + option.default:<24}"
    kind = option.kind.replace(" ", "\xa0")  # stays on one line
    first, *rest = (each.replace("\xa0", " ") for each in wrap(f"{option.help} ({kind})", 76, break_on_hyphens=False))
    if len(start) > 26:
        yield start
        start = " " * 26
    yield f"{start:<26}{first}"
    yield from (" " * 26 + line for line in rest)
