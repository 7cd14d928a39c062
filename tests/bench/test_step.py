import torch

from recurra.bench import Bench, Contender
from recurra.bench.step import step

OURS = {Contender.OURS, Contender.BF16, Contender.INT8}


def test_streaming_and_learning() -> None:
    plan = Bench().plan()._replace(units=(8,), cells=("gru", "lstm"), rounds=(2, 2))
    found = list(step(plan, torch.get_num_threads()))
    assert [(one.subject, one.way) for one in found] == [
        ("gru", "step"),
        ("gru", "training step"),
        ("lstm", "step"),
        ("lstm", "training step"),
    ]
    for streamed in found[::2]:
        onnx = {Contender.ONNX} - set(streamed.missing)
        assert set(streamed.seconds) == {*OURS, Contender.NN, Contender.NN_CELL, Contender.READING, *onnx}
    for learnt in found[1::2]:
        assert set(learnt.seconds) == {Contender.OURS, Contender.NN, Contender.NN_CELL}


def test_the_weights_are_counted() -> None:
    [streamed, _] = step(Bench().plan()._replace(units=(8,), cells=("gru",), rounds=(2, 2)), 1)
    assert streamed.traffic == 4 * 3 * 8 * 16  # bytes of three gates of 8 units from 8 inputs and 8 units
