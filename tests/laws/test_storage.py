"""A layer's weights and states outlive it: in a file, in a copy."""

import copy
from pathlib import Path

import pytest
import torch

from recurra import state as states
from recurra.store import read_tensors, write_tensors
from tests.laws.cases import ALL, CASES, Case
from tests.tolerance import equal


@pytest.mark.parametrize("case", ALL, ids=str)
def test_weights_come_back_from_a_file_bit_by_bit(case: Case, tmp_path: Path) -> None:
    core, x = case.make()
    write_tensors(tmp_path / "weights.safetensors", core.state_dict())
    other, _ = case.make(seed=1)
    other.load_state_dict(read_tensors(tmp_path / "weights.safetensors"))
    equal(other(x), core(x))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_states_come_back_from_a_file_bit_by_bit(case: Case, tmp_path: Path) -> None:
    core, x = case.make()
    _, state = core(x)
    write_tensors(tmp_path / "state.safetensors", states.named(state))
    again = states.rebuild(core.initial(1, *case.extent), read_tensors(tmp_path / "state.safetensors"))
    equal(again, states.detach(state))
    equal(core(x, again), core(x, states.detach(state)))


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_copy_is_equal_and_apart(case: Case) -> None:
    core, x = case.make()
    y, _ = core(x)
    other = copy.deepcopy(core)
    equal(other(x), core(x))
    assert repr(other) == repr(core)
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    equal(core(x)[0], y)


@pytest.mark.parametrize("case", ALL, ids=str)
def test_start_values_can_be_had_again(case: Case) -> None:
    core, x = case.make()
    for layer in core.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    torch.manual_seed(0)
    fresh = case.build().eval()
    assert core(x)[0].shape == fresh(x)[0].shape
    assert {n: w.shape for n, w in core.named_parameters()} == {n: w.shape for n, w in fresh.named_parameters()}
