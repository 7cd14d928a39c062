import numpy as np

from recurra.data import numerals


def test_printed_numerals_are_the_same_each_time_and_can_be_told_apart() -> None:
    images, texts = numerals(20, 24)
    again, _ = numerals(20, 24)
    assert all(map(np.array_equal, images, again))
    assert {image.shape[1] for image in images} == {24}
    for image, text in zip(images, texts, strict=True):
        assert set(text) <= set("0123456789.-, ")
        assert len(image) > 8 * len(text)  # room for CTC
