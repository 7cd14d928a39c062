"""On a GPU everything gives what it gives on a CPU in float64; skipped where there is none."""

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import recurra
from recurra import state as states
from recurra.cells import GRU, LSTM
from recurra.engine import ENGINES, Engine
from recurra.layers import Dense, Recurrent
from recurra.models import LanguageModel
from recurra.tasks import text
from recurra.tasks.options import Text
from tests import cases_drop_in
from tests.cases_drop_in import call
from tests.conftest import SMALL
from tests.laws.cases import ALL, CASES, Case
from tests.tolerance import close, equal

DEVICE = "cuda"
NEAR = {torch.float32: 1e-5, torch.float64: 1e-12}
"""How far a tensor may be from that of the CPU in float64, as a share of its norm and one."""

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="has no GPU")

KINDS: dict[str, dict[str, Tensor]] = {
    "plain": {},
    "ragged": {"lengths": torch.tensor([9, 4, 0, 1])},
    "resets": {"resets": torch.arange(36).view(4, 9) % 5 == 0},
    "ragged-resets": {"lengths": torch.tensor([0, 9, 3, 9]), "resets": torch.arange(36).view(4, 9) % 4 == 2},
}


@pytest.fixture(autouse=True)
def all_of_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products in full float32: cuDNN rounds to 10 bits by default."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def there(value: Any, dtype: torch.dtype) -> Any:
    """A copy of a tensor, or of a state, on the GPU."""
    return states.map(lambda part: part.detach().to(DEVICE, dtype).requires_grad_(), value)


def here(value: Any) -> Any:
    """The inverse: on the CPU, for comparison; it must have been on the GPU."""

    def back(part: Tensor) -> Tensor:
        assert part.device.type == DEVICE
        return part.detach().cpu()

    return states.map(back, value)


def answers(core: Any, x: Tensor, start: Any, more: dict[str, Tensor]) -> tuple[Tensor, Any, Tensor, tuple[Tensor, ...]]:
    """Output, end, and the gradients by x, by the start and by the weights."""
    y, end = core(x, start, **more)
    (y.sin().sum() + sum(part.cos().sum() for part in states.named(end).values())).backward()
    begun = () if start is None else states.named(start).values()
    return y, end, x.grad, tuple(_gradient(leaf) for leaf in [*begun, *core.parameters()])  # type: ignore[return-value]


def _gradient(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ALL, ids=str)
def test_layers(case: Case, kind: str, dtype: torch.dtype) -> None:
    core, x = case.make(dtype=torch.float64)
    start = case.state(core) if case in CASES else None
    twin = copy.deepcopy(core).to(DEVICE, dtype)
    if start is not None:
        start = states.map(lambda part: part.requires_grad_(), start)
    want = answers(core, x.requires_grad_(), start, KINDS[kind])
    found = answers(twin, there(x, dtype), None if start is None else there(start, dtype), KINDS[kind])
    for ours, theirs in zip(states.named(here(found)).values(), states.named(want).values(), strict=True):
        assert (ours.double() - theirs).norm() <= NEAR[dtype] * (1 + theirs.norm())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_chunks_steps_and_looking_inside(case: Case) -> None:
    core, x = case.make(dtype=torch.float64)
    core, x = core.to(DEVICE), x.to(DEVICE)
    whole, end = core(x)
    first, middle = core(x[:, :5])
    second, last = core(x[:, 5:], middle)
    close(torch.cat([first, second], dim=1), whole)
    close(last, end)
    state, outputs = core.initial(len(x), *case.extent), []
    for t in range(x.shape[1]):
        y, state = core.step(x[:, t], state)
        outputs.append(y)
    close(torch.stack(outputs, dim=1), whole)
    close(state, end)
    close(states.map(lambda part: part[:, -1], core.states(x)), end)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: str(engine.name))
def test_every_engine_runs_or_hands_over(engine: Engine) -> None:
    torch.manual_seed(0)
    layer, x = Recurrent(GRU(), Dense(3, 5), engine=engine).double(), torch.randn(4, 40, 3, dtype=torch.float64)
    want = layer(x)
    close(here(layer.to(DEVICE)(x.to(DEVICE))), states.map(Tensor.detach, want))


def test_a_state_with_strides() -> None:
    layer, start = Recurrent(LSTM(), Dense(3, 5)).to(DEVICE), torch.randn(5, 2).t()
    state = LSTM.State(start.to(DEVICE), torch.zeros(1, 5, device=DEVICE).expand(2, 5))
    x = torch.randn(2, 7, 3, device=DEVICE)
    close(layer(x, state), layer(x, states.map(Tensor.contiguous, state)))


@pytest.mark.parametrize("case", cases_drop_in.CASES[::7], ids=str)
def test_drop_in(case: cases_drop_in.Case) -> None:
    ours, theirs = case.twins()
    x, lengths, start = case.given()
    want = _dropped(case, theirs, x.requires_grad_(), lengths, [part.requires_grad_() for part in start])
    ours.to(DEVICE)
    found = _dropped(case, ours, there(x, torch.float64), lengths, [there(part, torch.float64) for part in start])
    close(here(found), want)


def _dropped(case: cases_drop_in.Case, network: Any, x: Tensor, lengths: Tensor, start: list[Tensor]) -> tuple[Tensor, ...]:
    y, after = call(case, network, x, lengths, start)
    y = y.data if isinstance(y, PackedSequence) else y
    (y.sin().sum() + sum(part.cos().sum() for part in after)).backward()
    gradients = [x, *(start if case.hx else []), *network.parameters()]
    return (y.detach(), *(part.detach() for part in after), *(_gradient(leaf) for leaf in gradients))


def test_packed_results_pack_alike() -> None:
    packed = pack_padded_sequence(torch.randn(3, 5, 4, device=DEVICE), torch.tensor([2, 5, 3]), True, enforce_sorted=False)
    y, _ = recurra.drop_in.LSTM(4, 6).to(DEVICE)(packed)
    assert (y.data.device.type, y.batch_sizes.device.type) == (DEVICE, "cpu")
    equal(y.unsorted_indices, packed.unsorted_indices)


def test_the_same_logits() -> None:
    torch.manual_seed(0)
    model, x = LanguageModel(20, 8, recurra.LSTM(8, 16, layers=2), 16, tied=True).double(), torch.randint(20, (3, 50))
    want, end = model(x)
    logits, state = model.to(DEVICE)(x.to(DEVICE))
    close(here(logits), want.detach())
    close(here(state), states.map(Tensor.detach, end))


def options(**more: Any) -> Text:
    return Text(**SMALL | {"device": DEVICE, "dropout": 0.2, "layers": 2} | more)


@pytest.fixture(scope="module")
def run(book: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    made: recurra.Run = options().fit(book, out=tmp_path_factory.mktemp("runs") / "gpu", show=False)
    return made


class TestText:
    def test_it_learns_as_on_the_cpu(self, run: recurra.Run, book: Path, tmp_path: Path) -> None:
        cpu = options(device="cpu").fit(book, out=tmp_path / "cpu", show=False)
        for ours, theirs in zip(run.evaluate().figures, cpu.evaluate().figures, strict=True):
            assert ours.value == pytest.approx(theirs.value, rel=0.2)
            assert ours.value < 0.8 * ours.baselines["unigram"]

    def test_its_weights_serve_on_the_cpu(self, run: recurra.Run, tmp_path: Path) -> None:
        moved = Path(shutil.copytree(run.folder, tmp_path / "moved"))
        facts = (moved / "run.json").read_text()
        (moved / "run.json").write_text(facts.replace(f'"device": "{DEVICE}"', '"device": "cpu"'))
        figures = zip(run.evaluate().figures, recurra.load(moved).evaluate().figures, strict=True)
        assert all(ours.value == pytest.approx(theirs.value, abs=1e-4) for ours, theirs in figures)

    def test_it_writes(self, run: recurra.Run) -> None:
        first, again = ("".join(run.generate(prompt="the ", length=40, seed=3)) for _ in range(2))
        assert first == again
        assert len(first) == 44

    def test_it_predicts(self, run: recurra.Run, tmp_path: Path) -> None:
        (tmp_path / "lines.txt").write_text("the cat sat\n\non a mat\n")
        assert [line["characters"] for line in run.predict(tmp_path / "lines.txt")] == [11, 0, 8]

    def test_a_stop_and_the_rest_are_the_whole(self, run: recurra.Run, book: Path, tmp_path: Path) -> None:
        half = text.begin(options(), book, tmp_path / "half")
        for report in half.reports():
            if report.step == 60:
                break
        reports = list(recurra.load(half.folder).reports())
        assert [report.step for report in reports] == [90, 120]
        assert not any(report.notes for report in reports)
        figures = zip(half.evaluate().figures, run.evaluate().figures, strict=True)
        assert all(ours.value == pytest.approx(theirs.value, rel=0.01) for ours, theirs in figures)  # cuDNN keeps no bits
