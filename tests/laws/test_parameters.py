"""Names and shapes of parameters are a promise to weights on disk; parameters.json pins them.

After a change that is meant: ``python -m tests.laws.test_parameters`` writes the file anew.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.laws.cases import ALL, Case

GOLDEN = Path(__file__).with_name("parameters.json")


def parameters(case: Case) -> dict[str, list[int]]:
    return {name: list(weight.shape) for name, weight in case.build().state_dict().items()}


@pytest.mark.parametrize("case", ALL, ids=str)
def test_names_and_shapes_are_pinned(case: Case) -> None:
    pinned: Any = json.loads(GOLDEN.read_text("utf-8"))
    assert parameters(case) == pinned[case.name]


def test_nothing_is_pinned_in_vain() -> None:
    assert set(json.loads(GOLDEN.read_text("utf-8"))) == {case.name for case in ALL}


if __name__ == "__main__":
    lines = (f"  {json.dumps(case.name)}: {json.dumps(parameters(case))}" for case in ALL)
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
