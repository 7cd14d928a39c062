import json
from pathlib import Path

from tests.cli.process import SMALL, recurra

QUICK = [*SMALL, "cell=gru", "steps=40"]


def test_a_table_a_picture_and_a_suggestion(book: Path, tmp_path: Path) -> None:
    text = recurra("lr", "text", book, *QUICK, cwd=tmp_path).stdout
    assert text.split()[:3] == ["rate", "loss", "smoothed"]
    assert "\nlr=" in text
    assert "The picture is runs/lr-text.svg, its data runs/lr-text.json." in text
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"lr-text.svg", "lr-text.json"}


def test_json(book: Path, tmp_path: Path) -> None:
    made = json.loads(recurra("lr", "text", book, *QUICK, "--json", "--out", tmp_path / "a.svg").stdout)
    assert made == json.loads((tmp_path / "a.json").read_text())
    assert 1e-5 < made["suggestion"] < 1


def test_what_cannot_be(book: Path, tmp_path: Path) -> None:
    assert "txt: no such task; did you mean text?" in recurra("lr", "txt", code=2, cwd=tmp_path).stderr
    assert "hiden: no such option" in recurra("lr", "text", book, "hiden=5", code=2, cwd=tmp_path).stderr
    assert "wanted a name that ends in .svg" in recurra("lr", "text", book, "--out", "a.png", code=2, cwd=tmp_path).stderr
    assert "20 steps or more" in recurra("lr", "text", book, *SMALL, "steps=5", code=2, cwd=tmp_path).stderr
    assert not list(tmp_path.iterdir())
