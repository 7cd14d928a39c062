import math
from itertools import islice
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from recurra.decode import Sampling, sample
from recurra.errors import NumericError, UsageError
from recurra.layers import LSTM
from recurra.models import LanguageModel
from tests.tolerance import close, equal

V = 9
PROMPT = torch.tensor([[1, 2, 3], [4, 4, 4]])
SEEDS = st.integers(0, 1000)


def logits(seed: int, rows: int = 4) -> Tensor:
    return 3 * torch.randn(rows, V, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    torch.manual_seed(0)
    made = LanguageModel(V, 4, LSTM(4, 8), 8).double().eval()
    nn.init.normal_(made.output.weight, std=3)
    return made


def drawn(model: nn.Module, sampling: Sampling, length: int, seed: int = 0, **options: Any) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.stack(list(islice(sample(model, PROMPT, sampling, generator, **options), length)), 1)  # type: ignore[arg-type]


class TestFilters:
    @given(SEEDS)
    @settings(deadline=None)
    def test_none(self, seed: int) -> None:
        close(Sampling().probabilities(logits(seed)), logits(seed).softmax(-1))

    @given(SEEDS, st.floats(0.05, 20))
    @settings(deadline=None)
    def test_temperature(self, seed: int, temperature: float) -> None:
        close(Sampling(temperature=temperature).probabilities(logits(seed)), (logits(seed) / temperature).softmax(-1))

    @given(SEEDS)
    @settings(deadline=None)
    def test_temperature_0_is_the_most_probable(self, seed: int) -> None:
        p = Sampling(temperature=0).probabilities(logits(seed))
        assert p.argmax(-1).equal(logits(seed).argmax(-1))
        assert p.amax(-1).equal(torch.ones(4, dtype=p.dtype))

    @pytest.mark.parametrize("temperature", [1e-300, 1e-40, 1e-7, 1e7, 1e39, 1e300])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_temperatures_at_the_ends(self, temperature: float, dtype: torch.dtype) -> None:
        x = logits(0).to(dtype)
        x[:, 0] = -math.inf
        p = Sampling(temperature=temperature).probabilities(x)
        wanted = torch.full_like(p, 1 / (V - 1)) if temperature > 1 else Sampling(temperature=0).probabilities(x)
        torch.testing.assert_close(p[:, 1:], wanted[:, 1:], atol=1e-5, rtol=0)
        assert not p[:, 0].any()

    @given(SEEDS, st.integers(0, 2 * V))
    @settings(deadline=None)
    def test_top_k(self, seed: int, k: int) -> None:
        full, p = logits(seed).softmax(-1), Sampling(top_k=k).probabilities(logits(seed))
        for row, kept in zip(full, p, strict=True):
            best = set(row.topk(min(k or V, V)).indices.tolist())
            close(kept, renormalised(row, best))

    @given(SEEDS, st.floats(0.01, 1))
    @settings(deadline=None)
    def test_top_p(self, seed: int, share: float) -> None:
        full, p = logits(seed).softmax(-1), Sampling(top_p=share).probabilities(logits(seed))
        for row, kept in zip(full, p, strict=True):
            best, total = set[int](), 0.0
            for place in row.argsort(descending=True).tolist():
                if total >= share and share < 1:
                    break
                best.add(place)
                total += row[place].item()
            close(kept, renormalised(row, best))

    @given(SEEDS, st.floats(0, 1))
    @settings(deadline=None)
    def test_min_p(self, seed: int, share: float) -> None:
        full, p = logits(seed).softmax(-1), Sampling(min_p=share).probabilities(logits(seed))
        for row, kept in zip(full, p, strict=True):
            close(kept, renormalised(row, {i for i in range(V) if row[i] >= share * row.max()}))

    @given(SEEDS, st.floats(0.01, 0.99))
    @settings(deadline=None)
    def test_typical(self, seed: int, share: float) -> None:
        x = logits(seed)
        x[0, 3] = -math.inf
        full, p = x.softmax(-1), Sampling(typical=share).probabilities(x)
        for row, kept in zip(full, p, strict=True):
            surprise = [-math.log(q) if q else math.inf for q in row.tolist()]
            expected = sum(q * s for q, s in zip(row.tolist(), surprise, strict=True) if q)
            best, total = set[int](), 0.0
            for place in sorted(range(V), key=lambda i: abs(surprise[i] - expected)):
                if total >= share:
                    break
                best.add(place)
                total += row[place].item()
            close(kept, renormalised(row, best))

    @given(SEEDS, st.floats(0.01, 100))
    @settings(deadline=None)
    def test_repetition(self, seed: int, penalty: float) -> None:
        x, seen = logits(seed), logits(seed + 1) > 0
        wanted = [[v / penalty if v > 0 else v * penalty for v in row] for row in x.tolist()]
        changed = torch.where(seen, torch.tensor(wanted, dtype=x.dtype), x)
        close(Sampling(repetition=penalty).probabilities(x, seen), changed.softmax(-1))
        close(Sampling(repetition=penalty).probabilities(x), x.softmax(-1))

    @given(SEEDS, st.floats(0, 3), st.integers(0, V), st.floats(0.01, 1), st.floats(0, 1), st.floats(0.5, 2))
    @settings(deadline=None)
    def test_together_they_are_probabilities(self, seed: int, t: float, k: int, p: float, m: float, r: float) -> None:
        sampling = Sampling(temperature=t, top_k=k, top_p=p, min_p=m, repetition=r)
        kept = sampling.probabilities(logits(seed), logits(seed + 1) > 0)
        close(kept.sum(-1), torch.ones(4, dtype=kept.dtype))
        assert (kept >= 0).all()

    def test_they_apply_in_order(self) -> None:
        x = torch.tensor([[4.0, 3.0, 2.0, 1.0]]).log()  # 0.4 0.3 0.2 0.1
        close(Sampling(top_k=2, top_p=0.5).probabilities(x), torch.tensor([[1.0, 0, 0, 0]]))  # of 4/7, 3/7
        close(Sampling(top_p=0.5, min_p=0.76).probabilities(x), torch.tensor([[1.0, 0, 0, 0]]))
        close(Sampling(temperature=0.5, top_p=0.5).probabilities(x), torch.tensor([[1.0, 0, 0, 0]]))  # 16/30 alone

    def test_arguments_are_not_changed(self) -> None:
        x, seen = logits(0), torch.ones(4, V, dtype=torch.bool)
        Sampling(0.5, 2.0, 3, 0.5, 0.5).probabilities(x, seen)
        equal(x, logits(0))


def renormalised(p: Tensor, kept: set[int]) -> Tensor:
    mask = torch.tensor([i in kept for i in range(V)])
    return torch.where(mask, p, torch.zeros_like(p)) / p[mask].sum()


class TestBadValues:
    @pytest.mark.parametrize(
        ("name", "value", "wanted"),
        [
            ("temperature", -0.1, "0 or more"),
            ("temperature", math.inf, "0 or more"),
            ("temperature", math.nan, "0 or more"),
            ("top_k", -1, "0 or more"),
            ("top_p", 0.0, "above 0, up to 1"),
            ("top_p", 1.1, "above 0, up to 1"),
            ("top_p", math.nan, "above 0, up to 1"),
            ("min_p", -0.1, "0 to 1"),
            ("min_p", 1.1, "0 to 1"),
            ("typical", 0.0, "above 0, up to 1"),
            ("repetition", 0.0, "0.01 to 100"),
            ("repetition", -1.0, "0.01 to 100"),
            ("repetition", 1e39, "0.01 to 100"),
        ],
    )
    def test_they_are_refused(self, name: str, value: float, wanted: str) -> None:
        with pytest.raises(UsageError) as caught:
            Sampling(**{name: value})  # type: ignore[arg-type]
        assert str(caught.value) == f"{name} is {value}; wanted {wanted}"


class TestSample:
    def test_the_most_probable_symbols_are_those_of_reading_again(self, model: LanguageModel) -> None:
        text = drawn(model, Sampling(temperature=0), 12)
        whole = torch.cat([PROMPT, text], 1)
        for t in range(12):
            logits, _ = model(whole[:, : 3 + t])
            assert logits[:, -1].argmax(-1).equal(text[:, t])

    def test_every_symbol_follows_the_probabilities_of_reading_again(self, model: LanguageModel) -> None:
        sampling = Sampling(temperature=0.7, top_k=5, top_p=0.9, min_p=0.01, repetition=1.5)
        text, generator = drawn(model, sampling, 12, seed=3), torch.Generator().manual_seed(3)
        whole = torch.cat([PROMPT, text], 1)
        for t in range(12):
            before = whole[:, : 3 + t]
            seen = torch.zeros(2, V, dtype=torch.bool).scatter(1, before, value=True)
            p = sampling.probabilities(model(before)[0][:, -1], seen)
            assert torch.multinomial(p, 1, generator=generator)[:, 0].equal(text[:, t])

    def test_something_else_may_step(self, model: LanguageModel) -> None:
        text = drawn(model, Sampling(temperature=0), 40)
        assert drawn(model, Sampling(temperature=0), 40, step=model.stepper()).equal(text)
        steps: list[Tensor] = []

        def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
            steps.append(x)
            return model.step(x, state)

        assert drawn(model, Sampling(temperature=0), 4, step=step).equal(text[:, :4])
        assert torch.stack(steps, 1).equal(text[:, :3])

    def test_a_seed_says_all(self, model: LanguageModel) -> None:
        one, other, another = (drawn(model, Sampling(temperature=2.0), 40, seed) for seed in (5, 5, 6))
        assert one.equal(other)
        assert not one.equal(another)

    def test_the_random_state_of_others_is_left_alone(self, model: LanguageModel) -> None:
        before = torch.get_rng_state()
        drawn(model, Sampling(), 5)
        assert torch.get_rng_state().equal(before)

    @pytest.mark.parametrize("temperature", [0.0, 1.0, 50.0])
    def test_never(self, model: LanguageModel, temperature: float) -> None:
        text = drawn(model, Sampling(temperature=temperature), 200, never=(0, 3, 5))
        assert not torch.isin(text, torch.tensor([0, 3, 5])).any()

    def test_all_others_come(self, model: LanguageModel) -> None:
        assert set(drawn(model, Sampling(temperature=50.0), 200).flatten().tolist()) == set(range(V))

    def test_no_history_is_kept(self, model: LanguageModel) -> None:
        generator = torch.Generator().manual_seed(0)
        for symbol in islice(sample(model, PROMPT, Sampling(), generator), 3):
            assert not symbol.requires_grad
            assert torch.is_grad_enabled()

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    @pytest.mark.parametrize("temperature", [0.0, 1.0])
    def test_a_diverged_model(self, value: float, temperature: float) -> None:
        torch.manual_seed(0)
        broken = LanguageModel(V, 4, LSTM(4, 8), 8).double().eval()
        nn.init.constant_(broken.output.bias, value)
        with pytest.raises(NumericError, match="training diverged"):
            drawn(broken, Sampling(temperature=temperature), 1)
