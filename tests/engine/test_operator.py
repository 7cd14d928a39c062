"""The sweep as an operator: torch.compile, torch.export, and all else that records calls."""

import io
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

from recurra import drop_in
from recurra import state as states
from recurra.cells import GRU, LSTM, Cell, LayerNormLSTM, PeepholeLSTM
from recurra.engine import Sweep, operator
from recurra.engine.operator import named, sweep
from recurra.errors import ShapeError
from recurra.layers import Bidirectional, Dense, Diagonal, Heads, Recurrent, Stack
from tests.engine.cells import Leaky, NormGRU, Zoneout
from tests.engine.torch_side import INPUTS, LENGTHS, NOISE, OWN_WARNING, RESETS, ROWS, STEPS, UNITS, Made, answers, given, layer
from tests.tolerance import close


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(monkeypatch)


RECORDED: dict[str, tuple[Callable[[], nn.Module], dict[str, Any]]] = {
    "gru": (lambda: layer(GRU()), {}),
    "lstm-of-torch": (lambda: Recurrent(LSTM(), Dense(INPUTS, UNITS)), {"lengths": LENGTHS}),
    "norms-low-memory": (lambda: layer(LayerNormLSTM(), memory="low"), {"lengths": LENGTHS}),
    "noise": (lambda: layer(Zoneout()), {"noise": NOISE, "resets": RESETS}),
    "stack": (
        lambda: Stack(layer(LayerNormLSTM()), layer(PeepholeLSTM(), inputs=UNITS), residual=True),
        {"lengths": LENGTHS, "resets": RESETS},
    ),
    "both-ways": (lambda: Bidirectional(layer(GRU()), layer(Leaky(0.25))), {"lengths": LENGTHS, "resets": RESETS}),
}


class TestCompile:
    @pytest.fixture(autouse=True)
    def _anew(self) -> Iterator[None]:
        torch._dynamo.reset()
        yield
        torch._dynamo.reset()

    @pytest.mark.parametrize("name", RECORDED)
    def test_one_graph_and_the_same_numbers(self, name: str) -> None:
        build, more = RECORDED[name]
        core = build()
        compiled = torch.compile(core, fullgraph=True, backend="aot_eager")
        close(answers(core, compiled, **more), answers(core, core, **more))

    def test_weights_may_be_made_in_the_graph(self) -> None:
        core = nn.utils.parametrizations.weight_norm(layer(GRU()), "recur_weight")
        compiled = torch.compile(core, fullgraph=True, backend="aot_eager")
        close(answers(core, compiled), answers(core, core))

    def test_other_sizes_take_the_same_graph(self) -> None:
        from torch._dynamo.testing import CompileCounterWithBackend  # takes long

        counter = CompileCounterWithBackend("aot_eager")
        core = layer(GRU())
        compiled = torch.compile(core, fullgraph=True, backend=counter, dynamic=True)
        for rows, steps in ((4, 20), (7, 33), (2, 5)):
            x, lengths = given(rows, steps), torch.arange(rows) % (steps + 1)
            close(compiled(x, lengths=lengths), core(x, lengths=lengths))
        assert counter.frame_count == 1

    def test_the_way_back_finds_the_buffers(self, made: Made) -> None:
        core = layer(GRU())
        answers(core, torch.compile(core, fullgraph=True, backend="aot_eager"))
        assert len(made) == 1
        assert made.alive == 0

    def test_nothing_is_kept_without_gradients(self, made: Made) -> None:
        core = layer(GRU())
        with torch.no_grad():
            y, _ = torch.compile(core, fullgraph=True, backend="aot_eager")(given())
        assert made.alive == 0
        assert torch.equal(y, core(given())[0])

    @pytest.mark.slow
    @pytest.mark.filterwarnings(OWN_WARNING)
    @pytest.mark.skipif(shutil.which("g++") is None, reason="has no C++ compiler")
    def test_compiled_to_the_end(self) -> None:
        core = Stack(layer(GRU()), layer(LayerNormLSTM(), inputs=UNITS), dropout=0.0)

        def run(x: Tensor, **more: Any) -> Any:
            return core(torch.tanh(2 * x), **more)

        close(answers(core, torch.compile(run, fullgraph=True), lengths=LENGTHS), answers(core, run, lengths=LENGTHS))

    def test_wrong_lengths_are_seen_when_they_come(self) -> None:
        compiled = torch.compile(layer(GRU()), fullgraph=True, backend="aot_eager")
        with pytest.raises(ShapeError, match="lengths run from 0 to 21; wanted 0 to 20"):
            compiled(given(), lengths=LENGTHS + (LENGTHS == 20))

    @pytest.mark.filterwarnings(OWN_WARNING)
    def test_transforms_break_the_graph_and_stay_right(self) -> None:
        core = layer(GRU())

        def slope(x: Tensor) -> Any:
            return torch.func.jvp(lambda v: core(v)[0], (x,), (torch.ones_like(x),))

        close(torch.compile(slope, backend="aot_eager")(given()), slope(given()))

    def test_drop_in(self) -> None:
        for name in ("LSTM", "GRU"):
            network = getattr(drop_in, name)(INPUTS, UNITS, 2, bidirectional=True)
            compiled: Any = torch.compile(network, fullgraph=True, backend="aot_eager")
            close(compiled(given()), network(given()))


def exported(core: nn.Module, **more: Tensor) -> torch.export.ExportedProgram:
    batch, time = Dim("batch", min=1, max=64), Dim("time", min=1, max=512)
    shapes = {name: {0: batch, 1: time} if part.dim() > 1 else {0: batch} for name, part in {"x": given(), **more}.items()}
    return torch.export.export(core, (given(),), more, dynamic_shapes=shapes)


class TestExport:
    @pytest.mark.parametrize("name", ["gru", "lstm-of-torch", "stack", "both-ways"])
    def test_any_batch_and_any_time(self, name: str) -> None:
        build, more = RECORDED[name]
        core = build()
        file = io.BytesIO()
        torch.export.save(exported(core, **more), file)
        file.seek(0)
        program = torch.export.load(file).module()
        for rows, steps in ((7, 33), (1, 1), (2, 5)):
            x = given(rows, steps)
            sized = {
                "lengths": torch.arange(rows) % (steps + 1),
                "resets": torch.arange(rows * steps).view(rows, steps) % 5 == 2,
            }
            asked = {name: sized[name] for name in more}
            close(states.map(Tensor.detach, program(x, **asked)), states.map(Tensor.detach, core(x, **asked)))

    def test_an_exported_program_learns(self) -> None:
        core = layer(LayerNormLSTM())
        program = exported(core, lengths=LENGTHS).module()
        close(answers(program, program, lengths=LENGTHS), answers(core, core, lengths=LENGTHS))

    def test_in_another_process(self, tmp_path: Path) -> None:
        core = layer(Leaky(0.75))
        torch.export.save(exported(core), tmp_path / "leaky.pt2")
        torch.save(core(given())[0], tmp_path / "y.pt")
        lines = """
            import torch, {imports}
            from recurra.errors import UsageError
            program = torch.export.load("leaky.pt2").module()
            torch.manual_seed(1)
            try:
                assert torch.allclose(program(torch.randn(4, 20, 3))[0], torch.load("y.pt"), atol=1e-6)
            except UsageError as error:
                print(error)
        """
        assert elsewhere(lines.format(imports="recurra.layers, tests.engine.cells"), tmp_path) == ""

    def test_in_a_process_without_the_cell(self, tmp_path: Path) -> None:
        torch.export.save(exported(layer(NormGRU())), tmp_path / "norm.pt2")  # its state is that of GRU
        lines = """
            import torch, recurra.layers
            from recurra.errors import UsageError
            program = torch.export.load("norm.pt2").module()
            try:
                program(torch.randn(4, 20, 3))
            except UsageError as error:
                print(error)
        """
        assert elsewhere(lines, tmp_path) == (
            "recurra::sweep runs tests.engine.cells.NormGRU {}, which is not known here; import what defines it first\n"
        )


def elsewhere(lines: str, folder: Path) -> str:
    """What a new process prints."""
    root = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {root!r})\n{textwrap.dedent(lines)}"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestOperator:
    @pytest.mark.parametrize(
        ("cell", "wiring", "lengths", "resets"),
        [
            (LSTM(), Dense(3, 5), None, None),
            (GRU(), Heads(3, 6, heads=2), torch.tensor([6, 0, 2, 5]), None),
            (LayerNormLSTM(), Dense(3, 5, bias=False), torch.tensor([6, 0, 2, 5]), torch.arange(24).view(4, 6) % 5 == 2),
            (Zoneout(), Diagonal(3, 5), None, torch.arange(24).view(4, 6) % 5 == 2),
            (PeepholeLSTM(), Dense(3, 5), torch.tensor([0, 0, 0, 0]), None),
        ],
        ids=["plain", "heads-ragged", "norms-ragged-resets", "diagonal-noise", "no-step"],
    )
    def test_opcheck(self, cell: Cell, wiring: Any, lengths: Tensor | None, resets: Tensor | None) -> None:
        core = Recurrent(cell, wiring, engine=Sweep()).double()
        x, *leaves = (
            torch.randn_like(part).requires_grad_()
            for part in (torch.empty(4, 6, 3).double(), *core.initial(4), *core.weights.values())
        )
        state, weights = leaves[: len(cell.State._fields)], leaves[len(cell.State._fields) :]
        noise = [torch.rand(4, 6, 5).double() for _ in cell.noise]
        texts = named(cell), named(wiring), " ".join(core.weights)
        for keep in (False, True):
            torch.library.opcheck(sweep, (*texts, x, state, weights, lengths, resets, noise, keep))

    def test_derivatives_of_derivatives(self) -> None:
        core = layer(PeepholeLSTM(), dtype=torch.float64)
        program = torch.export.export(core, (given(2, 4, torch.float64),), {"lengths": torch.tensor([4, 2])}).module()
        x = given(2, 4, torch.float64).requires_grad_()
        ends = {"lengths": torch.tensor([4, 2])}
        assert torch.autograd.gradgradcheck(lambda v: program(v, **ends)[0].mean(1), (x,), fast_mode=True)

    def test_a_class_defined_anew_has_a_text_of_its_own(self) -> None:
        def define(sign: float) -> Cell:
            class Again(Cell):
                gates = ("new",)

                class State(NamedTuple):
                    h: Tensor

                def step(self, x: Any, s: Any, m: Any) -> tuple[Tensor, Any]:
                    h = s.h + sign * x.new
                    return h, self.State(h)

            return Again()

        first, second = define(1.0), define(-1.0)
        assert named(first) != named(second)
        assert named(first) == named(first)

    def test_cells_of_cells_are_found_by_their_text(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cell = Outer(Leaky(0.75), ("a", 1e-3))
        text = named(cell)
        monkeypatch.setattr(operator, "_named", {})
        assert operator._found(text) == cell

    def test_shapes_alone(self) -> None:
        core = layer(GRU())
        with torch._subclasses.FakeTensorMode():
            y, state = Recurrent(GRU(), Dense(INPUTS, UNITS), engine=Sweep())(given())
            assert (y.shape, state.h.shape) == ((ROWS, STEPS, UNITS), (ROWS, UNITS))
        y, state = core.to("meta")(given().to("meta"), lengths=LENGTHS.to("meta"))
        assert (y.device.type, y.shape, state.h.shape) == ("meta", (ROWS, STEPS, UNITS), (ROWS, UNITS))

    @pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
    def test_whoever_records_sees_it(self) -> None:
        core, x, longer = layer(GRU()), given(), given(7, 33)
        graph = torch.fx.experimental.proxy_tensor.make_fx(core)(x)
        assert torch.ops.recurra.sweep.default in {node.target for node in graph.graph.nodes}
        close(graph(2 * x)[0], core(2 * x)[0])
        traced = torch.jit.trace(Output(core), (x,), check_trace=False)  # type: ignore[no-untyped-call]
        close(traced(longer), core(longer)[0])


class Outer(Cell):
    """A wrapper of a cell."""

    inner: Cell
    more: tuple[str, float]
    gates = ("new",)
    State = LSTM.State

    def step(self, x: Any, s: Any, m: Any) -> tuple[Tensor, Any]:
        return self.inner.step(x, s, m)


class Output(nn.Module):
    """The outputs of a layer alone."""

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.core = core

    def forward(self, x: Tensor) -> Any:
        return self.core(x)[0]
