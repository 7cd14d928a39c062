import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from recurra.errors import UsageError
from recurra.report import Panel, draw_forecast
from recurra.report.forecast import _figure

HOURS = np.datetime64("2026-03-01T00:00:00", "us") + np.arange(60) * np.timedelta64(1, "h")


def panel(name: str = "load", *, times: NDArray[np.generic] = HOURS, truth: bool = True, band: bool = True) -> Panel:
    curve = np.sin(np.arange(60.0) / 4)
    curve[3] = np.nan
    forecast = curve[48:] + 0.5
    return Panel(
        name,
        times[:48],
        curve[:48],
        times[48:],
        forecast,
        np.stack([forecast - 1, forecast + 1], 1) if band else None,
        curve[48:] if truth else None,
    )


def test_an_svg_with_its_words(tmp_path: Path) -> None:
    path = draw_forecast(tmp_path / "forecast.svg", [panel()], level=0.8, title="sales.csv")
    assert path == tmp_path / "forecast.svg"
    assert ElementTree.parse(path).getroot().tag.endswith("svg")
    text = path.read_text()
    for words in ("load: mean absolute error 0.5", "80 % band", "truth", "forecast", "seen", "sales.csv"):
        assert f"<!-- {words} -->" in text


def test_a_png(tmp_path: Path) -> None:
    path = draw_forecast(tmp_path / "forecast.PNG", [panel()])
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_data_lie_beside(tmp_path: Path) -> None:
    draw_forecast(tmp_path / "forecast.svg", [panel(), panel("rest", truth=False, band=False)], level=0.8)
    data = json.loads((tmp_path / "forecast.json").read_text())
    first, second = data["panels"]
    assert data["level"] == 0.8
    assert first["name"] == "load"
    assert first["error"] == pytest.approx(0.5)
    assert first["history"][3] is None
    assert first["times"][1] == "2026-03-01T01:00"
    assert len(first["band"]) == 12
    assert first["band"][0][1] - first["band"][0][0] == pytest.approx(2)
    assert second["error"] is second["truth"] is second["band"] is None


def test_rows_in_place_of_dates(tmp_path: Path) -> None:
    path = draw_forecast(tmp_path / "rows.svg", [panel(times=np.arange(60))])
    assert "<!-- row -->" in path.read_text()
    assert json.loads((tmp_path / "rows.json").read_text())["panels"][0]["ahead"] == list(range(48, 60))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 9])
def test_at_most_six_panels(count: int, tmp_path: Path) -> None:
    panels = [panel(f"column {k}") for k in range(count)]
    figure = _figure(panels, 0.9, "")
    drawn = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title("left").split(":")[0] for axes in drawn] == [f"column {k}" for k in range(min(count, 6))]
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["seen", "90 % band", "truth", "forecast"]
    said = "" if count <= 6 else "6 of 9 shown"
    assert figure.get_suptitle() == said
    draw_forecast(tmp_path / "many.svg", panels)
    assert len(json.loads((tmp_path / "many.json").read_text())["panels"]) == count


def test_the_same_forecast_gives_the_same_picture(tmp_path: Path) -> None:
    first, second = (draw_forecast(tmp_path / name, [panel()]) for name in ("a.svg", "b.svg"))
    assert len(first.read_bytes()) == len(second.read_bytes())


def test_odd_ones(tmp_path: Path) -> None:
    one_step = Panel("one", HOURS[:1], np.ones(1), HOURS[1:2], np.ones(1), np.array([[0.0, 2.0]]), np.full(1, np.nan))
    assert one_step.error is None
    nothing = Panel("nothing", HOURS[:0], np.ones(0), HOURS[:3], np.ones(3))
    dollars = Panel("_$x^$ & <b> -- 客流", HOURS[:2], np.ones(2), HOURS[2:4], np.full(2, 1e300))
    for name in ("odd.svg", "odd.png"):
        assert draw_forecast(tmp_path / name, [one_step, nothing, dollars], title="$\\frac$ 客").exists()
    assert ElementTree.parse(tmp_path / "odd.svg")


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"wanted \.svg or \.png"):
        draw_forecast(tmp_path / "a.pdf", [panel()])
    with pytest.raises(UsageError, match="no panel came"):
        draw_forecast(tmp_path / "a.svg", [])
    assert not list(tmp_path.iterdir())
