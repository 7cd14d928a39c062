import re
import xml.etree.ElementTree as ET

import numpy as np

from recurra.data.drawings import Drawing
from recurra.data.scribbles import scribbles
from recurra.data.svg import svg_of


def paths(text: str) -> list[ET.Element]:
    return ET.fromstring(text).findall(".//{http://www.w3.org/2000/svg}path")


def test_a_path_for_each_stroke_inside_the_box() -> None:
    drawings = scribbles(12)
    text = svg_of(drawings)
    _, _, wide, high = map(float, ET.fromstring(text).attrib["viewBox"].split())
    found = paths(text)
    assert len(found) == sum(len(drawing.strokes()) for drawing in drawings)
    for path in found:
        numbers = np.array(re.findall(r"-?[\d.]+", path.attrib["d"]), float).reshape(-1, 2)
        assert (numbers >= 0).all()
        assert (numbers <= (wide, high)).all()


def test_shapes_are_kept() -> None:
    square = Drawing.of_strokes([np.array([[0, 0], [10, 0], [10, 10], [0, 10]])])
    [path] = paths(svg_of([square]))
    numbers = np.array(re.findall(r"-?[\d.]+", path.attrib["d"]), float).reshape(-1, 2)
    assert np.ptp(numbers, axis=0).tolist() == [160, 160]


def test_an_animation_draws_one_stroke_after_the_other() -> None:
    text = svg_of(scribbles(2), animated=True)
    begun = [float(begin) for begin in re.findall(r'begin="([\d.]+)s"', text)]
    assert len(begun) == len(paths(text))
    assert begun == sorted(begun)
    assert begun[0] == 0


def test_texts_are_told_to_whoever_cannot_see() -> None:
    drawing = scribbles(1)[0]._replace(text='<&"')
    assert 'aria-label="&lt;&amp;&quot;"' in svg_of([drawing])


def test_points_and_lines() -> None:
    dot = Drawing.of_strokes([np.array([[0, 0]]), np.array([[3, 0], [9, 0]])])
    assert len(paths(svg_of([dot, dot]))) == 4
    assert paths(svg_of([Drawing(np.zeros((0, 3), np.float32))]))
