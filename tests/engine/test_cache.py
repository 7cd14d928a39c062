"""What is kept of a compilation: found again where nothing changed, made anew where anything did."""

import copy
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from recurra import cache as disk
from recurra.cells import Cell
from recurra.engine import Fold, Sweep, kept
from recurra.engine import compile as compiling
from recurra.engine.identity import identity
from recurra.engine.trace import trace
from recurra.layers import Dense, Recurrent
from tests.engine.cells import OWN, PLAIN, Leaky, Minimal
from tests.engine.memory import forget

ALL = PLAIN | OWN

PRELUDE = """
import math
from typing import NamedTuple
import torch
from torch import Tensor
from recurra.cells import Cell
from tests.engine import cells

RATE = 0.5
TABLE = {"rate": [0.5, 1]}

class Plan:
    slope = 2.0

def bend(v, slope=1.0):
    return torch.tanh(slope * v)

def scaled(factor):
    def scale(v):
        return factor * v
    return scale

scale = scaled(2.0)

class State(NamedTuple):
    h: Tensor

class Base(Cell):
    def mix(self, a, b):
        return a + self.leak * (b - a)

class Mine(Base):
    leak: float = 0.25
    State = State
    maps = {"recur": ("new",)}
    vectors = {"bias": 0.5}

    @property
    def gates(self):
        return ("new",)

    def step(self, x, s, m):
        # what is new
        new = bend(x.new + m.recur(s.h).new) * RATE * TABLE["rate"][0] + math.pi * Plan.slope
        new = (lambda v: v + 1.0)(scale(new)) * m.bias
        h = self.mix(s.h, new) + 0.0 * cells.Leaky.rate
        return h, State(h)

cell = Mine()
"""


def made(text: str) -> Cell:
    """The cell of a module with this text."""
    names: dict[str, Any] = {"__name__": "somebodys"}
    exec(text, names)
    cell: Cell = names["cell"]
    return cell


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and an engine that remembers nothing."""
    monkeypatch.setenv("RECURRA_CACHE", str(tmp_path / "cache"))
    forget()
    yield tmp_path / "cache" / "engine"
    forget()


def answer(cell: Cell) -> torch.Tensor:
    torch.manual_seed(0)
    layer, x = Recurrent(cell, Dense(3, 17), engine=Sweep()), torch.randn(4, 20, 3)
    y, _ = layer(x)
    torch.autograd.backward(y.square().sum())
    return torch.cat([y.flatten(), *(weight.grad.flatten() for weight in layer.parameters() if weight.grad is not None)])


class TestIdentity:
    def test_a_cell_is_what_its_text_says(self) -> None:
        told = identity(made(PRELUDE))
        assert told is not None
        assert identity(made(PRELUDE)) == told
        assert identity(made("\n\n" + PRELUDE.replace("# what is new", "# of a new kind"))) == told

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("RATE = 0.5", "RATE = 0.25"),
            ("RATE = 0.5", "RATE = -0.5"),
            ("[0.5, 1]", "[0.5, 1.0]"),
            ("slope = 2.0", "slope = 3.0"),
            ("slope=1.0", "slope=2.0"),
            ("torch.tanh(slope", "torch.sigmoid(slope"),
            ("return factor * v", "return factor + v"),
            ("scaled(2.0)", "scaled(3.0)"),
            ("h: Tensor", "c: Tensor"),
            ("a + self.leak", "a - self.leak"),
            ("leak: float = 0.25", "leak: float = 0.5"),
            ('{"recur": ("new",)}', '{"recur": ("new", "old")}'),
            ('"bias": 0.5', '"weight": 0.5'),
            ('return ("new",)', 'return ("new", "old")'),
            ("math.pi", "math.e"),
            ("v + 1.0", "v + 2.0"),
            ("0.0 * cells", "1.0 * cells"),
            ("cell = Mine()", "cell = Mine(0.75)"),
            ("cell = Mine()", "class Other(Mine): pass\ncell = Other()"),
        ],
    )
    def test_whatever_a_step_reaches_belongs_to_it(self, old: str, new: str) -> None:
        assert old in PRELUDE
        assert identity(made(PRELUDE.replace(old, new))) not in (None, identity(made(PRELUDE)))

    def test_modules_that_a_step_names_belong_to_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cell = made(PRELUDE)
        told = identity(cell)
        monkeypatch.setattr(Leaky, "rate", 0.125)
        assert identity(cell) not in (None, told)

    def test_the_same_whether_it_ran_or_was_copied_or_not(self) -> None:
        cell = made(PRELUDE)
        told = identity(cell)
        Recurrent(cell, Dense(2, 3), engine=Fold())(torch.zeros(1, 200, 2))
        assert identity(cell) == told
        assert identity(copy.deepcopy(cell)) == told
        assert identity(cell) == told

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("RATE = 0.5", "RATE = torch.tensor(0.5)"),
            ("scaled(2.0)", "scaled(torch.tensor(2.0))"),
            ("RATE = 0.5", "class Rates:\n    def __mul__(self, other): return other\nRATE = Rates()"),
            ("# what is new", "import colorsys"),
            ("# what is new", "global RATE; RATE = 0.25"),
            ("* RATE *", "* eval('RATE') *"),
            ("* RATE *", "* getattr(cells, 'RATE', 1.0) *"),
        ],
    )
    def test_what_cannot_be_told(self, old: str, new: str) -> None:
        assert identity(made(PRELUDE.replace(old, new))) is None

    def test_another_process_says_the_same(self) -> None:
        code = "from tests.engine.test_cache import *; print(*(identity(cell) for cell in [*ALL.values(), made(PRELUDE)]))"
        here = [identity(cell) for cell in [*ALL.values(), made(PRELUDE)]]
        assert None not in here
        assert len(set(here)) == len(here)
        environment = os.environ | {"PYTHONHASHSEED": "1"}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        assert done.stdout.split() == here


class TestKept:
    @pytest.mark.parametrize("name", ALL)
    def test_graphs_come_back_as_they_were(self, name: str, place: Path) -> None:
        traced = trace(ALL[name], False)
        assert kept.graphs(ALL[name], False, lambda: traced) == traced
        found = kept.graphs(ALL[name], False, pytest.fail)
        assert found == traced
        assert repr(found) == repr(traced)  # 1 is not 1.0, a list no tuple

    def test_the_second_time_nothing_is_traced_or_optimised(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cell = made(PRELUDE)
        first = answer(cell)
        assert {entry.header["kind"] for entry in disk.entries()} == {"graphs", "code"}
        forget()
        monkeypatch.setattr(compiling, "trace", pytest.fail)
        monkeypatch.setattr(compiling, "optimised", pytest.fail)
        assert torch.equal(answer(made(PRELUDE)), first)

    def test_diagonal_maps_are_another_matter(self, place: Path) -> None:
        traced, other = trace(Leaky(), False), trace(Leaky(), True)
        kept.graphs(Leaky(), False, lambda: traced)
        assert kept.graphs(Leaky(), True, lambda: other) == other
        assert kept.graphs(Leaky(), False, pytest.fail) == traced

    @pytest.mark.parametrize("damage", [b"", b"nonsense", None])
    def test_damaged_entries_are_made_again(self, damage: bytes | None, place: Path) -> None:
        first = answer(Minimal())
        for path in place.iterdir():
            content = path.read_bytes()
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)
        forget()
        assert torch.equal(answer(Minimal()), first)
        assert all(entry.header for entry in disk.entries())

    def test_a_cell_that_cannot_be_told_runs_all_the_same(self, place: Path) -> None:
        answer(made(PRELUDE.replace("# what is new", "import colorsys")))
        assert "graphs" not in {entry.header["kind"] for entry in disk.entries()}

    def test_without_a_folder_all_is_made_in_memory(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = answer(Minimal())
        forget()
        monkeypatch.setenv("RECURRA_CACHE", "")
        assert torch.equal(answer(Minimal()), first)


RUN = """
import os
import sys
import torch
from recurra.engine import Fold, Sweep
from recurra.engine import compile as compiling
from recurra.engine.trace import trace
from recurra.layers import Dense, Recurrent
from tests.engine.cells import Minimal

def right():
    fast, slow = (Recurrent(Minimal(), Dense(3, 17), engine=engine()) for engine in (Sweep, Fold))
    slow.load_state_dict(fast.state_dict())
    x = torch.randn(4, 20, 3)
    return torch.allclose(fast(x)[0], slow(x)[0], atol=1e-5)

def begun(before=lambda: None):
    child = os.fork()
    if child == 0:
        before()
        os._exit(0 if right() else 1)
    return child

def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
class TestProcesses:
    def run(self, code: str) -> str:
        """What a process of its own prints."""
        command = [sys.executable, "-c", RUN + textwrap.dedent(code)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def test_one_after_the_other(self, place: Path) -> None:
        """A forked child compiles; its parent loads what it left, and so does another child; neither imports a tracer."""
        code = """
            children = [ended(begun())]
            compiling.trace = compiling.optimised = None
            children.append(ended(begun()))
            print(*children, right(), "torch._dynamo" in sys.modules)
        """
        assert self.run(code) == "0 0 True False\n"

    def test_many_at_once(self, place: Path) -> None:
        code = """
            trace(Minimal(), False)  # what it imports is not the matter here
            gate, go = os.pipe()
            wait = lambda: (os.close(go), os.read(gate, 1))  # until all are there
            children = [begun(wait) for _ in range(8)]
            os.close(go)
            print(*map(ended, children))
        """
        assert self.run(code) == "0 0 0 0 0 0 0 0\n"
        assert sorted(entry.header["kind"] for entry in disk.entries()) == ["code", "graphs"]
        assert {path.suffix for path in place.iterdir()} == {".entry"}


def test_classes_made_by_type_are_told_apart() -> None:
    def made(bend: Any) -> Any:
        def step(self: Any, x: Any, s: Any, m: Any) -> Any:
            return bend(x.new), s

        return type("Own", (Cell,), {"gates": ("new",), "State": Minimal.State, "step": step})()

    first, second = identity(made(torch.tanh)), identity(made(torch.sigmoid))
    assert first is None or first != second
