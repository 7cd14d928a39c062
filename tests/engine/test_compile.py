"""Which processor code is made for, and every reason why none can be made."""

import ctypes
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from recurra.cells import GRU
from recurra.engine import choose, pool
from recurra.engine import compile as compiling
from recurra.engine import target as targets
from recurra.engine.plan import plan
from recurra.engine.sweep import source
from recurra.engine.target import ISAS, Target, optimised
from recurra.engine.trace import trace
from recurra.engine.vector import Untraceable
from recurra.errors import UsageError
from recurra.layers import Dense
from tests.engine.cells import OWN, PLAIN
from tests.engine.memory import forget

ALL = PLAIN | OWN
X86 = "x86_64-unknown-linux-gnu"
HASWELL = {"avx2": True, "fma": True}
SKYLAKE = HASWELL | dict.fromkeys(("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"), True)
GRANITE = SKYLAKE | dict.fromkeys(("avx512bf16", "avx512fp16", "avx512vnni", "avx512vbmi", "avx10.1", "amx-tile"), True)
WIDER = [("skylake-avx512", SKYLAKE), ("znver4", SKYLAKE), ("graniterapids", GRANITE)]
WIDE = re.compile(r"%zmm|%[xy]mm(1[6-9]|2\d|3[01])|%k[0-7]")


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test asks the processor again, and restricts nothing."""
    monkeypatch.delenv("RECURRA_ISA", raising=False)
    forget()
    yield
    forget()


def listing(name: str, target: Target, size: int = 4) -> str:
    """The assembly of a cell's sweeps."""
    cell = ALL[name]
    module, machine = optimised(source(plan(cell, trace(cell, False)), target.isa, size), target)
    return str(machine.emit_assembly(module))


class TestTargets:
    @pytest.mark.parametrize(
        ("wanted", "triple", "features", "name"),
        [
            ("", X86, HASWELL, "avx2"),
            ("", X86, SKYLAKE, "avx512"),
            ("avx2", X86, SKYLAKE, "avx2"),
            ("avx512", X86, SKYLAKE, "avx512"),
            ("", X86, HASWELL | {"avx512f": True}, "avx2"),
            ("", "aarch64-linux-gnu", {}, "neon"),
            ("neon", "arm64-apple-darwin24.0.0", {"neon": True}, "neon"),
        ],
    )
    def test_the_widest_that_is_there(self, wanted: str, triple: str, features: dict[str, bool], name: str) -> None:
        chosen = targets.choose(wanted, triple, "generic", features)
        assert (chosen.name, chosen.isa) == (name, ISAS[name])

    @pytest.mark.parametrize(
        ("wanted", "features", "says"),
        [
            ("avx3", HASWELL, "RECURRA_ISA=avx3: no such vectors; did you mean avx2?"),
            ("sse", HASWELL, "RECURRA_ISA=sse: no such vectors; choose from avx2, avx512, neon"),
            ("avx512", HASWELL, "RECURRA_ISA=avx512: this processor (generic) has avx2; unset it"),
            ("neon", SKYLAKE, "RECURRA_ISA=neon: this processor (generic) has avx512 and avx2; unset it"),
            ("avx2", {}, "RECURRA_ISA=avx2: this processor (generic) has none of ours; unset it"),
        ],
    )
    def test_what_cannot_be_chosen(self, wanted: str, features: dict[str, bool], says: str) -> None:
        with pytest.raises(UsageError) as caught:
            targets.choose(wanted, X86, "generic", features)
        assert str(caught.value) == says

    def test_the_environment_restricts_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert compiling.refusal(GRU()) == ""  # and what is kept on disk changes nothing
        forget()
        monkeypatch.setenv("RECURRA_ISA", "mmx")
        with pytest.raises(UsageError, match="RECURRA_ISA=mmx: no such vectors"):
            choose(GRU(), Dense(3, 5))
        forget()
        monkeypatch.setenv("RECURRA_ISA", "")
        assert targets.isa() == targets.choose("", X86, "", llvm.get_host_cpu_features()).isa

    def test_a_processor_of_another_kind(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert compiling.refusal(GRU()) == ""
        forget()
        monkeypatch.setattr(llvm, "get_host_cpu_features", dict)
        monkeypatch.setattr(llvm, "get_process_triple", lambda: "powerpc64le-unknown-linux-gnu")
        assert "no vectors known for this processor" in compiling.refusal(GRU())
        with pytest.raises(Untraceable):
            targets.isa()


@pytest.mark.skipif(not llvm.get_process_triple().startswith("x86_64"), reason="another processor")
class TestX86:
    @pytest.mark.parametrize("name", ["gru", "reset-before", "leaky"])
    @pytest.mark.parametrize(
        ("cpu", "features"), [("skylake-avx512", SKYLAKE), ("znver4", SKYLAKE), ("graniterapids", GRANITE)]
    )
    def test_avx2_means_it(self, name: str, cpu: str, features: dict[str, bool]) -> None:
        """On a processor that has wider registers, none of those is touched."""
        text = listing(name, targets.choose("avx2", X86, cpu, features))
        assert "%ymm" in text
        assert "vfmadd" in text
        assert not WIDE.search(text)

    @pytest.mark.parametrize("cpu", ["skylake-avx512", "znver4"])
    def test_avx512_uses_it(self, cpu: str) -> None:
        assert "%zmm31" in listing("gru", targets.choose("", X86, cpu, SKYLAKE))


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("name", ["lstm", "gru", "reset-before", "leaky"])
def test_arm_compiles(name: str, size: int) -> None:
    """That it compiles is all that is known: nobody ran or measured it."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    text = listing(name, targets.choose("", "aarch64-linux-gnu", "generic", {}), size)
    assert re.search(r"fmla\tv\d+\." + ("4s" if size == 4 else "2d"), text)


class TestRefusals:
    """Where nothing can be compiled, the next engine runs, and `refusal` says why."""

    def refused(self) -> str:
        assert choose(GRU(), Dense(3, 5)).name != "sweep"
        return compiling.refusal(GRU())

    def test_no_llvmlite(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("llvmlite", "llvmlite.binding"):
            monkeypatch.setitem(sys.modules, name, None)
        assert self.refused() == "llvmlite is not installed"

    def test_no_executable_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse() -> None:
            raise PermissionError(13, "cannot allocate executable memory")

        monkeypatch.setattr(llvm, "check_jit_execution", refuse)
        assert self.refused() == "this system lets no memory be executed"

    @pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to refuse")
    def test_a_system_that_refuses(self) -> None:
        """Not played: since Linux 6.3 a process can forbid itself memory that was written and is then executed."""
        code = """
            import ctypes
            if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
                raise SystemExit("no such wish")
            from recurra.cells import GRU
            from recurra.engine import choose, refusal
            from recurra.layers import Dense
            print(refusal(GRU()), choose(GRU(), Dense(3, 5)).name, sep="; ")
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
        if "no such wish" in done.stderr:
            pytest.skip("an older Linux")
        assert done.stdout == "this system lets no memory be executed; torch\n", done.stderr


def test_without_a_pool_one_thread_works_alone() -> None:
    code = """
        import torch
        from recurra.engine import Fold, Sweep, pool
        pool.addresses = dict
        from recurra.cells import GRU
        from recurra.layers import Dense, Recurrent
        torch.set_num_threads(2)
        assert pool.threads() == 1
        fast, slow = (Recurrent(GRU(), Dense(8, 64), engine=engine) for engine in (Sweep(), Fold()))
        slow.load_state_dict(fast.state_dict())
        for batch in (1, 64):
            x = torch.randn(batch, 40, 8)
            print(torch.allclose(fast(x)[0], slow(x)[0], atol=1e-5))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.stdout == "True\nTrue\n", done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what the process holds")
def test_the_pool_is_that_of_torch() -> None:
    held = Path("/proc/self/maps").read_text()
    libraries = {line.split()[-1] for line in held.splitlines() if "omp" in Path(line.split()[-1]).name}
    assert set(pool.addresses()) == set(pool.CALLED)
    address = pool.addresses()["GOMP_parallel"]
    assert address in [ctypes.cast(ctypes.CDLL(name).GOMP_parallel, ctypes.c_void_p).value for name in libraries]
