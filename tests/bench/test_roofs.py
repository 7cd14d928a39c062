import torch

from recurra.bench.results import SQUARE
from recurra.bench.roofs import reading, square


def test_the_square_is_as_large_as_the_pages_say() -> None:
    product = square()()
    assert isinstance(product, torch.Tensor)
    assert product.shape == (SQUARE, SQUARE)


def test_every_way_to_read_gives_a_number_or_a_row_each() -> None:
    shapes = {name: getattr(read(), "shape", None) for name, read in reading(6, 8).items()}
    assert shapes == {"sum": (), "dot": (), "mv": (6,)}
