"""Images of any common kind as ink on an empty ground, after a look at what they declare themselves to be."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError, UsageError

__all__ = ["IMAGES", "PIXELS", "Picture", "columns", "ink", "read_image"]

IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".pbm", ".webp")
"""Endings of files of images."""

PIXELS = 50_000_000
"""How many pixels an image may declare; of more nothing is decoded."""

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "WEBP")
BYTES = 100_000_000  # of a file that is read whole
LEAST = 3  # pixels in either direction: a single one shows nothing
BLANK = 1e-3  # contrast, of 1, below which an image is empty
DEEP = 65_535  # the white of 16 bits

Floats = NDArray[np.float32]


class Picture(NamedTuple):
    """An image in grey, (Y, X) from 0, black, to 1, white; and what was strange about it."""

    grey: Floats
    remarks: tuple[str, ...]


def read_image(source: Path | bytes, *, name: str = "", most: int = PIXELS) -> Picture:
    """Decode an image: PNG, JPEG, GIF, BMP, TIFF, PNM or WebP.

    What it declares is looked at first, and refused where that is too large, before anything is decoded. Colours become grey by
    their luminance (ITU-R 601), those of a palette and CMYK too; what is transparent lies on white; 16 bits are scaled to 1; of
    several frames the first is read. Each of these is a remark.

    Args:
        source: a file, or what is in one.
        name: what messages call it.
        most: pixels that it may declare.

    Raises:
        DataError: not an image of these kinds, damaged or cut off, more than `most` pixels, or fewer than 3 in a direction.
        UsageError: the pillow library is missing.
    """
    name = name or (str(source) if isinstance(source, Path) else "image")
    library = _pillow()
    with _told(name, library), library.open(_content(source, name), formats=FORMATS) as image:
        width, height = image.size
        if width * height > most:
            raise DataError(f"{name}: {width:,} x {height:,} pixels declared; wanted at most {most:,} in all")
        if min(width, height) < LEAST:
            raise DataError(f"{name}: {width} x {height} pixels; wanted at least {LEAST} x {LEAST} to see anything")
        remarks = _remarks(image)
        image.load()
        return Picture(_grey(image, name), remarks)


def _content(source: Path | bytes, name: str) -> io.BytesIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        size = source.stat().st_size
        if size > BYTES:
            raise DataError(f"{name}: {size:,} bytes; wanted at most {BYTES:,}")
        return io.BytesIO(source.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{name}: no such file") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror})") from None


@contextmanager
def _told(name: str, library: Any) -> Iterator[None]:
    """The library's many errors as one line, and its warnings, all about metadata, as none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DataError:
        raise
    except library.DecompressionBombError as error:
        found = str(error).partition("(")[2].partition(" pixels")[0]
        raise DataError(f"{name}: {int(found or 0):,} pixels declared; wanted at most {PIXELS:,}") from None
    except library.UnidentifiedImageError:
        raise DataError(f"{name}: no image that can be read; wanted {', '.join(FORMATS)}") from None
    except (OSError, ValueError, SyntaxError, IndexError, EOFError, KeyError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{name}: damaged or cut off ({reason})") from None


def _remarks(image: Any) -> tuple[str, ...]:
    found = []
    if getattr(image, "n_frames", 1) > 1:
        found.append(f"the first of {image.n_frames} frames")
    if image.mode.startswith("I") or image.mode == "F":
        found.append("more than 8 bits a pixel")
    elif image.mode.startswith("P"):
        found.append("colours of a palette")
    elif image.mode not in ("1", "L", "LA"):
        found.append("CMYK" if image.mode == "CMYK" else "colours")
    if _transparent(image):
        found.append("transparent places, on white")
    return tuple(found)


def _transparent(image: Any) -> bool:
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or (
        image.mode in ("L", "P", "RGB") and "transparency" in image.info
    )


def _grey(image: Any, name: str) -> Floats:
    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image, np.float32)
        if not np.isfinite(deep).all():
            raise DataError(f"{name}: pixels that are no numbers; wanted shades of grey")
        if image.mode == "F":
            deep = deep - np.float32(min(0.0, float(deep.min())))
        return deep / np.float32(max(1.0 if image.mode == "F" else DEEP, float(deep.max(initial=0))))
    if _transparent(image):
        image = image.convert("RGBA")
        ground = _pillow().new("RGBA", image.size, "white")
        ground.alpha_composite(image)
        image = ground
    if image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return np.asarray(image.convert("L"), np.float32) / np.float32(255)


def ink(grey: Floats) -> Floats:
    r"""How far each place is from the ground, from 0 to 1, whichever of the two is darker.

    .. math:: \max\big(0, \pm(g - \mathrm{median}(g))\big) \, / \, \max

    with the sign that looks away from where the median lies. An image without contrast has no ink.

    Example:
        >>> ink(np.array([[1.0, 1.0, 0.2], [1.0, 0.6, 1.0]], np.float32)).round(2).tolist()
        [[0.0, 0.0, 1.0], [0.0, 0.5, 0.0]]
    """
    ground = np.float32(np.median(grey))
    away = np.maximum(0, ground - grey if ground >= 0.5 else grey - ground)
    most = float(away.max(initial=0))
    return away / np.float32(most) if most > BLANK else np.zeros_like(away)


def columns(drawn: Floats, height: int, *, widest: int = 10_000) -> Floats:
    """(T, height): the columns of an image (Y, X) that is brought to a height, and stretched as much the other way.

    At most `widest` columns: a wider image is made narrower.

    Example:
        >>> columns(np.ones((10, 30), np.float32), 5).shape
        (15, 5)
    """
    if height < 1:
        raise UsageError(f"height={height}: wanted at least 1")
    width = min(widest, max(1, round(drawn.shape[1] * height / drawn.shape[0])))
    library = _pillow()
    resized = library.fromarray(drawn).resize((width, height), library.Resampling.BILINEAR)
    return np.ascontiguousarray(np.clip(np.asarray(resized, np.float32), 0, 1).T)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise UsageError("images need the pillow library; type: pip install 'recurra[vision]'") from None
    return Image
