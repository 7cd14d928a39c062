"""Files of text beside recordings and images, which tell what is said there."""

from pathlib import Path

from recurra.data.archives import Place
from recurra.data.corpus import decoded
from recurra.errors import DataError

__all__ = ["caption"]

MOST = 1_000_000  # bytes of such a file


def caption(place: Place, content: Path | bytes, encoding: str = "utf-8") -> str:
    """What a file of text says, or the `content` of a member of an archive, on one line.

    Raises:
        DataError: above a megabyte, or not in this encoding.
    """
    size = content.stat().st_size if isinstance(content, Path) else len(content)
    if size > MOST:
        raise DataError(f"{place}: {size:,} bytes; wanted at most {MOST:,}, what is said in one recording or image")
    raw = content.read_bytes() if isinstance(content, Path) else content
    return " ".join(decoded(raw, str(place), encoding).split())
