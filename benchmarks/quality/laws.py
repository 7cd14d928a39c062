"""How many laws every member of the family goes through, and passes.

Run: scripts/quality laws   (some minutes on one core)
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, final

import pytest

from benchmarks.machine import describe, write_result
from benchmarks.quality.trainings import head, ran_on, row
from recurra.cells import CELLS, Cell, ProjectedLSTM
from recurra.layers import FAMILY

__all__ = ["OTHERS", "Law", "Laws", "main", "section", "subject"]

NAME = "laws"
FOLDERS = ("tests/laws", "tests/cells/test_equations.py")
ROOT = Path(__file__).parents[2]
OTHERS = "other wirings, stacks, norms, both directions"
"""Where checks go that are of no member as it is wired in the family."""
NAMES: dict[Cell, str] = {cell: name for name, cell in CELLS.items()} | {ProjectedLSTM(): "lstm-projected"}


class Law(NamedTuple):
    """A function of the laws, by its file and name, and the member that it is tried on."""

    place: str
    member: str


@final
class Laws:
    """A plugin of pytest that counts outcomes: `counts` has them by law and member, `why` what skipped checks say."""

    def __init__(self) -> None:
        self.checks, self.counts, self.why = dict[str, Law](), dict[Law, Counter[str]](), dict[Law, set[str]]()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            assert isinstance(item, pytest.Function)
            given = item.callspec.params if hasattr(item, "callspec") else {}
            law = Law(f"{Path(item.path).relative_to(ROOT)}::{item.originalname}", subject(given))
            self.checks[item.nodeid] = law
            self.counts.setdefault(law, Counter())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        law = self.checks[report.nodeid]
        if report.failed or report.skipped or report.when == "call":
            self.counts[law][report.outcome] += 1
        if report.skipped and isinstance(report.longrepr, tuple):
            self.why.setdefault(law, set()).add(report.longrepr[2].removeprefix("Skipped: "))

    def as_json(self) -> dict[str, Any]:
        """By member, in the order of the family: its laws, each with what its checks came to; and what the files say."""
        names = [*FAMILY, OTHERS]
        told: dict[str, dict[str, Any]] = {name: {} for name in names if any(law.member == name for law in self.counts)}
        for law, outcomes in self.counts.items():
            why = {"why": sorted(self.why[law])} if law in self.why else {}
            told[law.member][law.place] = dict(outcomes) | why
        files = dict.fromkeys(law.place.split("::")[0] for law in self.counts)
        return {"says": {file: _says(file) for file in files}, NAME: told}


def subject(given: Mapping[str, Any]) -> str:
    """The member that a check with these parameters is about.

    >>> from tests.laws.cases import CASES
    >>> subject({"case": CASES[0]}), subject({"cell": CELLS["gru"], "bias": True}), subject({}) == OTHERS
    ('elman', 'gru', True)
    """
    if "case" in given:
        return given["case"].name if given["case"].name in FAMILY else OTHERS
    cell = given.get("cell")
    if "name" in given:  # of the cells that torch has too
        cell, _ = import_module("tests.laws.test_parity").TWINS[given["name"]]
    return NAMES.get(cell, OTHERS) if isinstance(cell, Cell) else OTHERS


def main() -> int:
    """Go through all laws and keep what they came to; 1 where one is broken."""
    os.chdir(ROOT)
    laws, began = Laws(), time.monotonic()
    code = pytest.main(["--quiet", "-p", "no:cacheprovider", *FOLDERS], plugins=[laws])
    facts = {"title": "Laws", "command": f"scripts/quality {NAME}", "machine": describe()}
    write_result(NAME, facts | {"seconds": time.monotonic() - began, **laws.as_json()})
    return int(code != pytest.ExitCode.OK)


def section(result: Mapping[str, Any]) -> str:
    """The part of docs/quality.md."""
    lines = [
        f"## {result['title']}",
        "",
        f"{ran_on(result)} It took {result['seconds'] / 60:.1f} minutes. A law is one statement about every cell that it can "
        "be asked of, tried in one or many checks: whole and ragged, engine by engine, in two precisions. It is passed where "
        "all its checks are. Only the five cells that torch has are compared with torch; equations are those of cells, so "
        "that neither cores of their own (mlstm, qrnn) nor indrnn, which is elman-relu wired otherwise, are asked for one. How "
        "fast each is, [The family](#the-family) tells.",
        "",
        *(f"- {says}" for says in result["says"].values()),
        "",
        *head("cell", "laws passed", "checks passed", "skipped"),
        *(_row(name, found) for name, found in result[NAME].items()),
        "",
    ]
    broken = [f"- {name}: `{law}`" for name, found in result[NAME].items() for law, each in found.items() if "failed" in each]
    return "\n".join([*lines, *(["Broken:", "", *broken, ""] if broken else [])])


def _row(name: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    sums: Counter[str] = Counter()
    for outcomes in found.values():
        sums.update({outcome: count for outcome, count in outcomes.items() if outcome != "why"})
    kept = sum(each.get("passed", 0) > 0 and "failed" not in each for each in found.values())
    reasons = sorted({why for each in found.values() for why in each.get("why", ())})
    skipped = f"{sums['skipped']}: {'; '.join(reasons)}" if sums["skipped"] else "none"
    return row(name, f"{kept} of {len(found)}", f"{sums['passed']} of {sums.total()}", skipped)


def _says(file: str) -> str:
    """The first line of a file of laws."""
    documented = import_module(file.removesuffix(".py").replace("/", ".")).__doc__ or file
    return documented.splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
