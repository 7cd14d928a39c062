import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data.images import columns, ink, read_image
from recurra.errors import DataError
from tests.places import dataset

Image = pytest.importorskip("PIL.Image")

GREYS = np.tile(np.array([[0, 64, 128, 255]], np.uint8), (3, 1))
SHADES = GREYS / 255


def saved(image: Any, kind: str = "PNG", **how: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **how)
    return content.getvalue()


def refused(source: Path | bytes, **how: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_image(source, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("mode", "kind", "remarks"),
    [
        ("L", "PNG", ()),
        ("L", "BMP", ()),
        ("RGB", "PNG", ("colours",)),
        ("P", "GIF", ("colours of a palette",)),
        ("RGBA", "PNG", ("colours", "transparent places, on white")),
        ("LA", "PNG", ("transparent places, on white",)),
        ("CMYK", "TIFF", ("CMYK",)),
    ],
)
def test_greys_are_the_same_in_every_mode(mode: str, kind: str, remarks: tuple[str, ...]) -> None:
    found = read_image(saved(Image.fromarray(GREYS).convert(mode), kind))
    np.testing.assert_allclose(found.grey, SHADES, atol=0.006)
    assert found.remarks == remarks


def test_sixteen_bits_are_scaled() -> None:
    deep = Image.fromarray((SHADES * 65_535).astype(np.uint16))
    for kind in ("PNG", "TIFF"):
        found = read_image(saved(deep, kind))
        np.testing.assert_allclose(found.grey, SHADES, atol=1e-3)
        assert found.remarks == ("more than 8 bits a pixel",)


def test_what_is_transparent_lies_on_white() -> None:
    half = np.dstack([GREYS, np.full_like(GREYS, 127)])
    found = read_image(saved(Image.fromarray(half)))
    np.testing.assert_allclose(found.grey, 1 - (1 - SHADES) * 127 / 255, atol=0.01)
    clear = saved(Image.fromarray(GREYS), transparency=0)
    assert read_image(clear).grey[:, 0].tolist() == [1, 1, 1]


def test_the_first_frame_is_read() -> None:
    frames = [Image.fromarray(GREYS), Image.fromarray(255 - GREYS)]
    found = read_image(saved(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
    np.testing.assert_allclose(found.grey, SHADES, atol=0.01)
    assert found.remarks == ("the first of 2 frames",)


def test_what_is_declared_is_refused_before_it_is_decoded() -> None:
    content = bytearray(saved(Image.fromarray(GREYS)))
    content[16:24] = (8_000).to_bytes(4, "big") + (7_000).to_bytes(4, "big")
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    assert refused(bytes(content), name="a.png") == "a.png: 8,000 x 7,000 pixels declared; wanted at most 50,000,000 in all"
    assert "at most 11 in all" in refused(saved(Image.fromarray(GREYS)), most=11)


def test_what_is_no_image(tmp_path: Path) -> None:
    assert refused(b"", name="a") == "a: no image that can be read; wanted PNG, JPEG, GIF, BMP, TIFF, PPM, WEBP"
    assert refused(tmp_path / "b.png").endswith("b.png: no such file")
    assert "damaged or cut off" in refused(saved(Image.fromarray(np.tile(GREYS, (40, 40))), "JPEG")[:-300])


def test_ink_is_what_is_away_from_the_ground() -> None:
    page = np.full((5, 6), 0.9, np.float32)
    page[2, 1:3] = 0.1
    drawn = ink(page)
    assert drawn[2, 1] == 1
    assert drawn.sum() == 2
    np.testing.assert_allclose(ink(1 - page), drawn, atol=1e-6)
    assert not ink(np.full((4, 4), 0.5, np.float32)).any()


def test_columns_keep_their_proportions() -> None:
    drawn = np.zeros((20, 60), np.float32)
    drawn[:10, 30:] = 1
    found = columns(drawn, 10)
    assert found.shape == (30, 10)
    assert found[20].tolist() == pytest.approx([1] * 4 + found[20, 4:6].tolist() + [0] * 4, abs=1e-6)
    assert columns(drawn, 10, widest=7).shape == (7, 10)
    assert columns(drawn[:, :1], 10).shape == (1, 10)


COLOURS, PALETTE, DEEP, CLEAR = "colours", "colours of a palette", "more than 8 bits a pixel", "transparent places, on white"
READ: dict[str, tuple[tuple[int, int], tuple[str, ...]]] = {
    "16bit.cropped.tif": ((64, 64), (DEEP,)),
    "badfilesize.bmp": ((64, 127), ()),
    "badrle.bmp": ((64, 127), (PALETTE,)),
    "broken_exif_dpi.jpg": ((100, 100), (COLOURS,)),
    "hopper.gif": ((128, 128), (PALETTE,)),
    "hopper.jpg": ((128, 128), (COLOURS,)),
    "hopper.png": ((128, 128), (COLOURS,)),
    "hopper.ppm": ((128, 128), (COLOURS,)),
    "hopper_16bit.pgm": ((128, 128), (DEEP,)),
    "hopper_bad_exif.jpg": ((500, 500), ()),
    "i_trns.png": ((64, 64), (DEEP,)),
    "invalid-exif.jpg": ((200, 200), (COLOURS,)),
    "p_16.png": ((128, 128), (COLOURS, CLEAR)),
    "rgb_trns.png": ((64, 64), (COLOURS, CLEAR)),
}
"""Odd files that are read: their size down and across, and what is remarked; tests/cli has those that are refused."""


@pytest.mark.data
def test_what_is_odd_is_remarked() -> None:
    for name, answer in READ.items():
        found = read_image(dataset("noisy_inputs/image") / name, name=name)
        assert (found.grey.shape, found.remarks) == answer, name
        assert 0 <= found.grey.min() <= found.grey.max() <= 1
