from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality.music import OUTPUTS, SETS, TRAININGS, section
from recurra.tasks.options import Compose

MACHINE = {"cores": 2, "processor": "some processor", "threads": 2, "torch": "2.0"}


@pytest.mark.parametrize("name", TRAININGS)
def test_every_training_can_be_said(name: str) -> None:
    assert Compose.parse(TRAININGS[name].options.split()).output == name.partition("-")[2]


def test_what_is_read_is_a_link_to_the_set(tmp_path: Path) -> None:
    for name, made in SETS.items():
        (folder := tmp_path / name).mkdir()
        assert made(tmp_path / "sets", folder).name.endswith(".json.gz")


def test_the_page() -> None:
    metric = {"value": 5.1, "interval": [4.9, 5.2], "baselines": {"each key by itself": 11.0, "each key after itself": 10.5}}
    found: dict[str, Any] = {
        name: {
            "options": training.options,
            "updates": 1300,
            "minutes": 4.0,
            "figures": {"nats per step": metric},
            "elsewhere": training.elsewhere,
        }
        for name, training in TRAININGS.items()
    }
    told = section({"title": "Music", "command": "scripts/quality music", "machine": MACHINE, "trainings": found})
    rows = [line for line in told.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(SETS) * len(OUTPUTS)
    assert (
        "| Bach's chorales, quarter notes | keys together, NADE | **5.100** | 4.900 to 5.200 | 10.50 | each key after" in told
    )
    assert "RNN-NADE (arXiv:1206.6392) 5.56" in told
