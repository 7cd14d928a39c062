import json
import shutil
from pathlib import Path

import recurra as package
from tests.cli.process import recurra


def test_sentences_and_where_the_page_is(trained: package.Run, tmp_path: Path) -> None:
    run = shutil.copytree(trained.folder, tmp_path / "a run")
    text = recurra("report", run).stdout
    assert f"The page is '{run}/report/index.html'" in text
    assert (run / "report" / "index.html").exists()
    figures = json.loads((run / "report" / "report.json").read_text())
    for number, advice in enumerate(figures["advice"], 1):
        assert f"{number}. {advice['says']}" in " ".join(text.split())
    assert bool(figures["advice"]) != ("Nothing stands out." in text)


def test_json_and_out(trained: package.Run, tmp_path: Path) -> None:
    made = json.loads(recurra("report", trained.folder, "--out", tmp_path / "here" / "page", "--json").stdout)
    assert made == json.loads((tmp_path / "here" / "page" / "report.json").read_text())
    assert not (trained.folder / "report").exists()


def test_what_cannot_be(trained: package.Run, tmp_path: Path) -> None:
    assert "not a run folder" in recurra("report", tmp_path, code=4).stderr
    (tmp_path / "file").write_text("")
    assert "choose another --out" in recurra("report", trained.folder, "--out", tmp_path / "file", code=6).stderr
