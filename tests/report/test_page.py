import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import recurra
from recurra.report import Advice, RunReport, draw_report
from recurra.report.page import page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
VOID = {"meta", "link", "br", "use", "img"}


class Nesting(HTMLParser):
    """Tags that are closed in the order they were opened, and what they point to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [
            value or "" for name, value in attrs if name.rpartition(":")[2] in ("href", "src", "srcset", "action", "data")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def read(text: str) -> Nesting:
    parser = Nesting()
    parser.feed(text)
    parser.close()
    assert not parser.open
    return parser


@pytest.fixture(scope="module")
def made(trained: recurra.Run, tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    return draw_report(trained, tmp_path_factory.mktemp("report") / "new")


@pytest.fixture
def run(trained: recurra.Run, tmp_path: Path) -> recurra.Run:
    return recurra.load(shutil.copytree(trained.folder, tmp_path / "run"))


class TestReport:
    def test_page_pictures_and_figures(self, made: RunReport, trained: recurra.Run) -> None:
        names = ["score", "loss", "norm", "rate", "travel", "radii", "eigenvalues", "gates", "units"]
        files = {f"{name}.{kind}" for name in names for kind in ("svg", "png")}
        assert {path.name for path in made.folder.iterdir()} == files | {"index.html", "report.json"}
        figures = json.loads((made.folder / "report.json").read_text())
        assert figures["missing"] == []
        assert figures["flow"]["layers"][0]["steps"] == 16
        assert figures["history"]["step"] == [30, 60, 90, 120]
        assert figures["evaluation"] == json.loads((trained.folder / "evaluation.json").read_text())
        assert [each["says"] for each in figures["advice"]] == [each.says for each in made.advice]
        trained_first, first = (figures[name]["layers"][0]["travel"] for name in ("flow", "flow_at_the_start"))
        assert trained_first["mean"] != first["mean"]

    def test_the_page_holds_all_of_itself(self, made: RunReport) -> None:
        seen = read(made.page.read_text("utf-8"))
        assert seen.seen >= {"svg", "table", "figcaption"}
        assert not seen.seen & {"script", "img", "iframe", "object"}
        assert all(link.startswith(("#", "data:")) for link in seen.links)
        assert "@import" not in made.page.read_text()

    def test_what_is_pointed_to_inside_is_there_once(self, made: RunReport) -> None:
        text = made.page.read_text("utf-8")
        ids = re.findall(r'\bid="([^"]+)"', text)
        wanted = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
        assert wanted <= set(ids)

    def test_the_run_is_not_changed(self, run: recurra.Run) -> None:
        before = {path.name: path.read_bytes() for path in run.folder.iterdir() if path.is_file()}
        assert draw_report(run).folder == run.folder / "report"
        assert {path.name: path.read_bytes() for path in run.folder.iterdir() if path.is_file()} == before

    def test_data_that_are_gone(self, run: recurra.Run) -> None:
        facts = run.facts | {"data": run.facts["data"] | {"source": "/nowhere/book.txt"}}
        (run.folder / "run.json").write_text(json.dumps(facts))
        old = run.folder / "report" / "travel.svg"
        old.parent.mkdir()
        old.write_text("of a report that was here before")
        report = draw_report(recurra.load(run.folder))
        [line] = report.figures["missing"]
        assert line.startswith("no figures of gradients, gates and units, which need the data: /nowhere/book.txt")
        assert not old.exists()
        radii = report.figures["maps"]["layer 1"]
        assert list(radii) == ["recur.input", "recur.forget", "recur.cell", "recur.output"]
        assert all(0.5 < radius < 5 for radius in radii.values())
        assert "/nowhere/book.txt" in report.page.read_text()
        assert "recur.forget" in report.page.read_text()

    def test_data_that_changed(self, run: recurra.Run, tmp_path: Path) -> None:
        (tmp_path / "other.txt").write_text("another book " * 500)
        facts = run.facts | {"data": run.facts["data"] | {"source": str(tmp_path / "other.txt")}}
        (run.folder / "run.json").write_text(json.dumps(facts))
        assert "changed since this run began" in draw_report(recurra.load(run.folder)).figures["missing"][0]

    def test_a_run_that_was_never_looked_at(self, run: recurra.Run) -> None:
        for name in ("weights.safetensors", "log.jsonl", "evaluation.json"):
            (run.folder / name).unlink()
        report = draw_report(run)
        assert len(report.figures["missing"]) == 3
        assert "those of the weights at the start" in " ".join(report.figures["missing"])
        assert report.figures["flow"]["layers"]
        assert not (report.folder / "score.svg").exists()
        read(report.page.read_text())

    def test_forecasts(self, tmp_path: Path) -> None:
        options = recurra.Forecast(hidden=8, steps=4, model="direct", window=12)
        run = options.fit(None, out=tmp_path / "run", show=False)
        report = draw_report(run)
        assert report.figures["missing"] == []
        [layer] = report.figures["flow"]["layers"]
        assert (layer["cell"], layer["steps"]) == ("GRU()", 12)

    def test_a_network_without_recurrence(self, tmp_path: Path) -> None:
        run = recurra.Forecast(steps=4, model="linear").fit(None, out=tmp_path / "run", show=False)
        [missing] = draw_report(run).figures["missing"]
        assert missing.startswith("the model has no recurrent layers, so there are no figures of gradients")


def test_what_looks_like_html_is_text() -> None:
    evil = "<script>alert('1')</script>&\"'"
    shown = page(evil, evil, [Advice(evil, evil, (evil,))], [], [evil])
    assert "script" not in read(shown).seen
    assert shown.count("&lt;script&gt;") == 6


def test_nothing_to_say() -> None:
    assert "Nothing stands out." in page("a", "b", [], [], [])


def screenshot(path: Path, picture: Path, width: int, height: int) -> list[str]:
    """Show a page in a browser of its own; gives back what its console complains of."""
    assert CHROMIUM
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr", "--no-first-run"]
    options += [
        "--disable-background-networking",
        "--disable-component-update",
        f"--user-data-dir={picture.parent / 'profile'}",
    ]
    options += [f"--window-size={width},{height}", f"--screenshot={picture}", path.as_uri()]
    done = subprocess.run([CHROMIUM, *options], capture_output=True, text=True, timeout=120, check=True)
    return [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
class TestBrowser:
    @pytest.mark.parametrize("width", [1280, 420])
    def test_it_is_seen_and_nothing_is_asked_of_others(self, width: int, made: RunReport, tmp_path: Path) -> None:
        assert screenshot(made.page, tmp_path / "page.png", width, 2400) == []  # the page forbids requests, and would complain
        seen = imread(tmp_path / "page.png")[..., :3]
        assert seen.shape[:2] == (2400, width)
        dark = (seen.min(axis=2) < 0.6).mean()
        assert 0.005 < dark < 0.5
        assert np.all(seen[:, -8:] > 0.99)  # nothing reaches over the margin
        assert (seen[:600].min(axis=2) < 0.6).any(axis=1).sum() > 100

    def test_a_request_would_be_noticed(self, made: RunReport, tmp_path: Path) -> None:
        path = tmp_path / "bad.html"
        path.write_text(made.page.read_text().replace("<main>", '<main><img src="http://127.0.0.1:9/a.png">'))
        assert screenshot(path, tmp_path / "page.png", 420, 600)
