from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from torch import Tensor

import recurra
from recurra.report.gradients import flow_pictures, travel_figure
from recurra.report.style import COLOURS, Picture
from recurra.train.flow import Flow, gradient_flow


def squared(out: Any) -> Tensor:
    loss: Tensor = out[0].square().mean()
    return loss


@pytest.fixture(scope="module")
def flow() -> Flow:
    torch.manual_seed(0)
    return gradient_flow(recurra.LSTM(3, 6, layers=2), torch.randn(4, 12, 3), squared)


@pytest.fixture(scope="module")
def pictures(flow: Flow) -> list[Picture]:
    return flow_pictures(flow, flow)


def test_every_figure_has_its_picture(pictures: list[Picture]) -> None:
    assert [picture.name for picture in pictures] == ["travel", "radii", "eigenvalues", "gates", "units"]


def test_they_are_sound(pictures: list[Picture]) -> None:
    for picture in pictures:
        assert ElementTree.fromstring(picture.svg).tag.endswith("svg")
        assert picture.png.startswith(b"\x89PNG")


def test_a_line_for_each_layer_as_a_share_of_its_beginning(flow: Flow) -> None:
    [axes] = travel_figure(flow).axes
    drawn = {str(line.get_label()): line for line in axes.lines if not str(line.get_label()).startswith("_")}
    assert len(drawn) == 2
    for layer, (label, line) in zip(flow.layers, drawn.items(), strict=True):
        assert label == f"{layer.name}, times {layer.travel.factor:.2f} a step"
        assert np.asarray(line.get_ydata()).tolist() == pytest.approx(
            [value / layer.travel.mean[0] for value in layer.travel.mean]
        )
    assert axes.get_yscale() == "log"


def test_layers_differ_in_more_than_colour(flow: Flow) -> None:
    lines = [line for line in travel_figure(flow).axes[0].lines if not str(line.get_label()).startswith("_")]
    assert [to_hex(line.get_color()) for line in lines] == list(COLOURS[:2])
    assert len({line.get_linestyle() for line in lines}) == 2


def test_what_is_not_there_is_not_drawn(flow: Flow) -> None:
    assert flow_pictures(Flow(())) == []
    torch.manual_seed(0)
    short = gradient_flow(recurra.GRU(3, 6), torch.randn(4, 2, 3), squared)
    assert "travel" not in [picture.name for picture in flow_pictures(short)]
    silent = flow.layers[0]._replace(travel=flow.layers[0].travel._replace(mean=(0.0,) * 12))
    assert "travel" not in [picture.name for picture in flow_pictures(Flow((silent,)))]
