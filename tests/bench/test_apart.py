import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from recurra.bench import PARTS, Bench, Contender, Shape, memory, peers, run, start
from recurra.bench.apart import Failed, ask
from recurra.bench.avx2 import avx2
from recurra.bench.options import Plan


@pytest.fixture
def plan() -> Plan:
    usual = Bench(cells="gru").plan()
    return usual._replace(fold=(Shape(2, 17, 4),), memory=Shape(2, 1024, 8), processes=1, rounds=(2, 2))


def test_every_part_of_the_options_is_measured() -> None:
    assert list(run.PARTS) == list(PARTS)


@pytest.mark.slow
def test_the_first_call(plan: Plan) -> None:
    [found] = start.start(plan, 1)
    assert 0 < found.seconds[Contender.CACHED] < found.seconds[Contender.OURS] < 100


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from Linux's /proc")
def test_peak_memory(plan: Plan) -> None:
    [found] = memory.memory(plan._replace(memory=Shape(16, 1024, 64)), 1)
    gates = 16 * 1024 * 4 * 64 * 4
    assert gates / 2 < found.memory[Contender.OURS] < 20 * gates
    assert found.memory[Contender.LOW_MEMORY] < found.memory[Contender.OURS]
    assert set(found.seconds) == {Contender.OURS, Contender.LOW_MEMORY}


@pytest.mark.slow
@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"), reason="no AVX2 here")
def test_avx2(plan: Plan) -> None:
    found = list(avx2(plan, 1))
    assert [(one.part, one.subject, one.way) for one in found] == [("avx2", "gru", "training"), ("avx2", "gru", "inference")]
    assert {one.shape for one in found} == {Shape(2, 17, 4)}


def test_peers_that_are_not_there(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda _: None)
    keras, compiled = peers.peers(plan, 1)
    assert keras.missing == {"Keras on JAX": "not installed: pip install keras jax"}
    assert compiled.missing == {"torch.compile": "slow=true measures it"}


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("keras") or not find_spec("jax"), reason="Keras and JAX are not installed")
def test_keras_on_jax(plan: Plan) -> None:
    found, _ = peers.peers(plan, 1)
    assert set(found.seconds) == {"recurra", "torch.nn", "Keras on JAX"}


@pytest.mark.slow
def test_what_fails_says_why(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise RuntimeError('no torch today')")
    with pytest.raises(Failed, match=r"^failed: RuntimeError: no torch today$"):
        ask("start", plan, 1, environment={"PYTHONPATH": str(tmp_path)})
