import torch

from recurra.bench.machine import describe


def test_what_is_told() -> None:
    told = describe()
    assert told["torch"] == torch.__version__
    assert told["threads"] == torch.get_num_threads()
    assert {"processor", "cores", "instructions", "python", "recurra", "llvmlite"} <= set(told)
    assert all(told.values())
