"""Steppers and what does not fit; steppers and threads."""

import os
import threading
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from recurra.cells import GRU, LSTM, ProjectedLSTM
from recurra.engine import stepper
from recurra.engine.precision import Kind
from recurra.errors import NumericError, ShapeError, UsageError
from recurra.layers import Dense
from tests.engine.cells import OWN
from tests.engine.stepping import LESS, in_place, inputs, made, stepped, whole
from tests.tolerance import equal


@pytest.mark.parametrize("compiled", [True, False])
class TestErrors:
    @pytest.fixture(autouse=True)
    def _way(self, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        if not compiled:
            monkeypatch.setattr(stepper, "refusal", lambda *_: "refused")

    @pytest.mark.parametrize("size", [4, 6])
    def test_x_of_another_size(self, size: int) -> None:
        one = made(GRU(), Dense(5, 17)).stepper()
        for batch in (0, 2):
            with pytest.raises(ShapeError, match=rf"^x is \({batch}, .*{size}\).*; wanted \(.*5\)"):
                one(torch.zeros(batch, size), one.initial(batch))
        with pytest.raises(ShapeError, match=r"^x is \(2, .*5\)"):
            one(torch.zeros(2, 1, 5), one.initial(2))

    def test_x_of_another_dtype(self) -> None:
        one = made(GRU(), Dense(5, 17)).stepper()
        with pytest.raises(ShapeError) as caught:
            one(torch.zeros(2, 5, dtype=torch.float64), one.initial(2))
        assert str(caught.value) == "x is (2, 5) of torch.float64 on cpu; wanted (2, 5) of torch.float32 on cpu"

    def test_x_on_another_device(self) -> None:
        one = made(GRU(), Dense(5, 17)).stepper()
        with pytest.raises(ShapeError) as caught:
            one(torch.zeros(2, 5, device="meta"), one.initial(2))
        assert str(caught.value) == "x is (2, 5) of torch.float32 on meta; wanted (2, 5) of torch.float32 on cpu"

    @pytest.mark.parametrize("field", [torch.zeros(3, 17), torch.zeros(2, 16), torch.zeros(17), torch.zeros(2, 17).double()])
    def test_a_state_that_does_not_fit(self, field: Tensor) -> None:
        one = made(LSTM(), Dense(5, 17)).stepper()
        with pytest.raises(ShapeError) as caught:
            one(torch.zeros(2, 5), LSTM.State(torch.zeros(2, 17), field))
        came = f"{tuple(field.shape)} of {field.dtype} on cpu"
        assert str(caught.value) == f"c is {came}; wanted (2, 17) of torch.float32 on cpu"

    @pytest.mark.parametrize(
        "state", [None, (torch.zeros(2, 17),), LSTM.State(torch.zeros(2, 17), torch.zeros(2, 17)), torch.zeros(2, 17)]
    )
    def test_a_state_of_another_kind(self, state: Any) -> None:
        one = made(GRU(), Dense(5, 17)).stepper()
        with pytest.raises(ShapeError) as caught:
            one(torch.zeros(2, 5), state)
        assert str(caught.value) == f"state is {type(state).__name__}; wanted GRU.State, as initial(2) gives it"

    def test_noise(self) -> None:
        one, x, mask = made(OWN["zoneout"], Dense(5, 17)).stepper(), torch.zeros(2, 5), torch.zeros(2, 17)
        for noise in ({}, {"keep_h": mask}, {"keep_h": mask, "keep_c": mask, "more": mask}):
            with pytest.raises(UsageError) as caught:
                one(x, one.initial(2), noise)
            assert str(caught.value) == f"Zoneout() got noise {sorted(noise)}; wanted ['keep_c', 'keep_h']"
        with pytest.raises(ShapeError, match=r"^keep_c is \(2, 1\) of torch.float32 on cpu; wanted \(2, 17\) of "):
            one(x, one.initial(2), {"keep_h": mask, "keep_c": torch.zeros(2, 1)})
        other = made(GRU(), Dense(5, 17)).stepper()
        with pytest.raises(UsageError, match=r"^GRU\(\) got noise \['keep'\]; wanted \[\]$"):
            other(x, other.initial(2), {"keep": mask})

    def test_an_unknown_kind(self) -> None:
        kind: Any = "int4"
        with pytest.raises(UsageError) as caught:
            made(GRU(), Dense(5, 17)).stepper(kind)
        assert str(caught.value) == "weights is 'int4'; wanted one of full, bfloat16, int8"

    @pytest.mark.parametrize("kind", LESS)
    def test_weights_that_cannot_be_held(self, kind: Kind) -> None:
        layer = made(GRU(), Dense(5, 17))
        with pytest.raises(UsageError, match=rf"^input_weight is torch.float64; wanted torch.float32, to hold it as {kind}$"):
            made(GRU(), Dense(5, 17), torch.float64).stepper(kind)
        with torch.no_grad():
            layer.get_parameter("recur_weight")[3, 4] = torch.inf
        with pytest.raises(NumericError, match=r"^recur_weight has numbers that are not finite; wanted finite ones"):
            layer.stepper(kind)

    def test_after_an_error_it_goes_on(self) -> None:
        layer = made(LSTM(), Dense(5, 17))
        one, given = layer.stepper(), inputs(layer, 2, 4)
        wanted = stepped(one, *given)
        for bad in (LSTM.State(torch.zeros(2, 17), torch.zeros(2, 3)), LSTM.State(torch.zeros(5, 17), torch.zeros(5, 17))):
            with pytest.raises(ShapeError):
                one(given[0][:, 0], bad)
        equal(stepped(one, *given), wanted)

    def test_no_rows(self) -> None:
        for cell, wiring, width in ((LSTM(), Dense(5, 17), 17), (ProjectedLSTM(), Dense(5, 17, 9), 9)):
            one = made(cell, wiring).stepper()
            y, state = one(torch.zeros(0, 5), one.initial(0))
            assert y.shape == (0, width)
            assert state.c.shape == (0, 17)


class TestThreads:
    def test_many_share_one(self) -> None:
        layer = made(GRU(), Dense(5, 33))
        one, found = layer.stepper(), list[bool]()
        given = {batch: inputs(layer, batch) for batch in (1, 2, 3, 4)}
        wanted = {batch: whole(layer, *each) for batch, each in given.items()}

        def work(batch: int) -> None:
            for _ in range(20):
                y, state = stepped(one, *given[batch])
                found.append(y.equal(wanted[batch][0]) and state.h.equal(wanted[batch][1].h))

        run_all(partial(work, batch) for batch in given)
        assert found == [True] * 80

    def test_one_may_renew_the_weights_that_others_step_with(self) -> None:
        layer = made(GRU(), Dense(5, 33))
        one, (x, start, _) = layer.stepper(), inputs(layer, 2)
        wanted = [one(x[:, 0], start)[0]]
        original = {name: weight.clone() for name, weight in layer.state_dict().items()}
        in_place(layer)
        one.refresh()
        wanted.append(one(x[:, 0], start)[0])
        found = list[bool]()

        def step() -> None:
            for _ in range(200):
                y, _ = one(x[:, 0], start)
                found.append(any(y.equal(each) for each in wanted))

        def renew() -> None:
            for _ in range(20):
                layer.load_state_dict(original)
                one.refresh()
                in_place(layer)
                one.refresh()

        run_all([step, step, renew])
        assert found == [True] * 400

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_a_forked_child_goes_on_alone(self) -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            layer = made(LSTM(), Dense(256, 512))  # so large that two threads share a step
            one, (x, start, _) = layer.stepper(), inputs(layer, 1)
            wanted, _ = one(x[:, 0], start)
            assert one._team == 2
            child = os.fork()
            if child == 0:
                os._exit(0 if one(x[:, 0], start)[0].equal(wanted) else 1)
        finally:
            torch.set_num_threads(before)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0


def run_all(works: Any) -> None:
    workers = [threading.Thread(target=work) for work in works]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
