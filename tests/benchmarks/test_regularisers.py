import json
from itertools import product
from pathlib import Path

import pytest

from benchmarks import machine
from benchmarks.memory.options import MemoryOptions
from benchmarks.quality import regularisers
from benchmarks.quality.regularisers import BASE, SEEDS, SETS, VARIANTS, Set, main, section
from recurra.tasks.options import Text


@pytest.mark.parametrize("added", VARIANTS.values(), ids=VARIANTS.keys())
def test_every_variant_can_be_said(added: tuple[str, ...]) -> None:
    Text.parse([*SETS["tinyshakespeare"].options.split(), *added])
    MemoryOptions.parse([*SETS["mnist-rows"].options.split(), *added])


def test_gains_are_those_of_the_same_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(words: list[str]) -> tuple[float, float]:
        seed = int(words[-1].removeprefix("seed="))
        by = {"zoneout=0.1": -0.5 - 0.001 * seed, "norm=layer": 0.5 + 0.001 * seed, "norm=batch": 0.4 * (seed - 1)}
        return seed + by.get(words[-2], 0.0), 60.0

    monkeypatch.setattr(regularisers, "RESULTS", tmp_path)
    monkeypatch.setattr(machine, "RESULTS", tmp_path)
    monkeypatch.setattr(regularisers, "SETS", {"mnist-rows": Set("errors", "hidden=1", measure)})
    monkeypatch.setattr("sys.argv", ["regularisers"])
    main()
    kept = json.loads((tmp_path / "regularisers.json").read_text())
    assert [(each["seed"], each["variant"]) for each in kept["gains"]] == list(product(SEEDS, VARIANTS))
    monkeypatch.setattr(
        regularisers, "SETS", {"mnist-rows": Set("errors", "hidden=1", lambda _: pytest.fail("measured again"))}
    )
    main()  # goes on where it was
    lines = section(kept).splitlines()
    assert f"| {BASE} |  | 3 | 1.0000 |  |  |  | 60 |" in lines
    assert "| zoneout | `zoneout=0.1` | 3 | 0.4990 | +0.5010 | +0.4985 to +0.5035 | better | 60 |" in lines
    assert any(line.startswith("| layer norm |") and "| worse |" in line for line in lines)
    assert any(line.startswith("| batch norm |") and "| no difference to be sure of |" in line for line in lines)
