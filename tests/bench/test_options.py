import subprocess
import sys

import pytest

from recurra.bench import PARTS, Bench, Shape
from recurra.bench.options import FOLD, NINE
from recurra.errors import UsageError


class TestPlan:
    def test_as_it_comes(self) -> None:
        plan = Bench().plan()
        assert plan.cells == ("gru", "elman", "lstm")
        assert (plan.shapes, plan.fold, plan.units) == (NINE, FOLD, (64, 256, 512, 1024))
        assert len(plan.grid) == 16
        assert {shape.steps for shape in plan.grid} == {128}
        assert Bench().counts == (1, 2)
        assert Bench().chosen == tuple(PARTS)

    def test_full_covers_what_the_goals_name(self) -> None:
        batches, steps, units = (set(side) for side in zip(*Bench(full=True).plan().grid, strict=True))
        assert (min(batches), max(batches)) == (1, 128)
        assert (min(steps), max(steps)) == (16, 1024)
        assert (min(units), max(units)) == (32, 1024)

    def test_quick_is_a_part_of_it(self) -> None:
        quick, usual = Bench(quick=True).plan(), Bench().plan()
        assert set(quick.fold) < set(usual.fold)
        assert set(quick.units) < set(usual.units)
        assert quick.budget < usual.budget
        assert set(Bench(quick=True).chosen) < set(PARTS)

    def test_quick_runs_what_is_named(self) -> None:
        assert Bench(quick=True, parts="peers,shapes").chosen == ("shapes", "peers")
        assert "avx2" in Bench(quick=True, parts="all,avx2").chosen

    def test_the_longest_scan_is_the_one_of_the_goals(self) -> None:
        assert max(shape.steps for shape in Bench(quick=True).plan().scan) == 65_536

    def test_shapes_of_ones_own(self) -> None:
        assert Bench(shapes="2x3x4,10x20x30").plan().shapes == (Shape(2, 3, 4), Shape(10, 20, 30))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("cells=gru,lstn", "cells=gru,lstn: no 'lstn'; did you mean lstm?"),
        ("cells=", "cells=: no ''; choose from elman, gru, lstm"),
        ("parts=shape", "parts=shape: no 'shape'; did you mean shapes?"),
        ("threads=0", "threads=0: wanted whole numbers of at least 1, as in threads=1,2"),
        ("threads=two", "threads=two: wanted whole numbers of at least 1, as in threads=1,2"),
        ("shapes=2x3", "shapes=2x3: wanted whole numbers of at least 1, as in shapes=1x128x32,8x128x64"),
        ("shapes=2x0x4", "shapes=2x0x4: wanted whole numbers of at least 1, as in shapes=1x128x32,8x128x64"),
        ("quik=true", "quik: no such option of Bench; did you mean quick?"),
        ("quick=perhaps", "quick=perhaps: wanted true|false"),
    ],
)
def test_words_that_are_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Bench.parse([word])
    assert str(caught.value) == message


def test_asking_needs_neither_torch_nor_numpy() -> None:
    code = "import sys, recurra.bench; print(*sorted({'torch', 'numpy', 'matplotlib', 'safetensors'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
