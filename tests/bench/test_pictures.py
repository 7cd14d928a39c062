from xml.etree import ElementTree

from recurra.bench import Contender, Measure, Shape
from recurra.bench.pictures import pictures
from tests.bench.made import beside_torch, measured, result


def shown(picture: bytes) -> str:
    """The texts of an SVG, which matplotlib writes as comments beside their outlines."""
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    return " ".join(part.partition("-->")[0].strip() for part in picture.decode().split("<!--")[1:])


def grid(threads: int = 1, steps: int = 128) -> list[Measure]:
    return [
        beside_torch(ratio, part="grid", subject=cell, way=way, shape=Shape(batch, steps, units), threads=threads)
        for cell, batch, units, ratio in (("gru", 1, 32, 4.5), ("gru", 8, 32, 12.0), ("gru", 8, 64, 0.25), ("lstm", 1, 32, 1.0))
        for way in ("training", "inference")
    ]


def test_a_picture_for_each_length_and_number_of_threads() -> None:
    drawn = pictures(result(*grid(1), *grid(2), *grid(2, steps=16), threads=(1, 2)))
    assert sorted(drawn) == [
        "ratio-128-steps-1-threads.svg",
        "ratio-128-steps-2-threads.svg",
        "ratio-16-steps-2-threads.svg",
        "roofline-1-threads.svg",
        "roofline-2-threads.svg",
    ]


def test_ratios() -> None:
    words = shown(pictures(result(*grid()))["ratio-128-steps-1-threads.svg"])
    assert "torch.nn's time over ours, T = 128, 1 thread" in words
    assert all(word in words for word in ("gru, training", "lstm, inference", " 4.50 ", " 12.0 ", " 0.25 ", " 1.00 "))


def test_the_roofline_has_its_roofs() -> None:
    words = shown(pictures(result(*grid()))["roofline-1-threads.svg"])
    assert all(word in words for word in ("A @ A, 200", "memory, 20 GB/s", "cache, 100 GB/s", "gru, recurra", "gru, torch.nn"))


def test_without_comparisons_there_is_none() -> None:
    alone = measured("grid", "gru", "training", seconds={Contender.NN: 1.0, Contender.PRODUCT: 1.0})
    assert pictures(result(alone, measured("step", "gru", "step", seconds={Contender.OURS: 1.0}))) == {}
