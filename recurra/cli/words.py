"""Words of a command line, and options as help shows them."""

import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from recurra.errors import UsageError
from recurra.tasks.options import Options, described

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
    """All options with defaults, types, bounds and meaning, as lines that a help page keeps as they are."""
    lines = [f"{title}, as name=value:", ""]
    for option in described(options):
        start = f"  {option.name + '=' + option.default:<24}"
        first, *rest = wrap(f"{option.help} ({option.kind})", 76, break_on_hyphens=False)
        if len(start) > 26:
            lines.append(start)
            start = " " * 26
        lines.append(f"{start:<26}{first}")
        lines += [" " * 26 + line for line in rest]
    return "\b\n" + "\n".join(line or "\u200b" for line in lines)
