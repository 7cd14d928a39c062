import pytest
import torch

from recurra.bench import Bench, Contender, Shape
from recurra.bench import family as part
from recurra.bench.family import family
from recurra.layers import FAMILY


def test_every_member_beside_lstm_and_its_own_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "FAMILY", {name: FAMILY[name] for name in ("elman", "indrnn", "qrnn")})
    plan = Bench(quick=True).plan()._replace(family=(Shape(2, 5, 4),), rounds=(2, 2))
    found = {measure.subject: measure for measure in family(plan, torch.get_num_threads())}
    assert list(found) == ["elman", "indrnn", "qrnn"]
    assert set(found["indrnn"].seconds) == {Contender.OURS, Contender.OURS_LSTM, Contender.FOLD}
    assert set(found["qrnn"].seconds) == {Contender.OURS, Contender.OURS_LSTM}
    assert all(seconds > 0 for measure in found.values() for seconds in measure.seconds.values())
