import dataclasses
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.memory import digits, languages
from benchmarks.memory.adding import Adding
from benchmarks.memory.copying import Copying
from benchmarks.memory.digits import Digits
from benchmarks.memory.languages import CycleNavigation, EvenPairs, Language, ModularArithmetic, Parity
from benchmarks.memory.options import MemoryOptions
from benchmarks.memory.recall import Recall
from benchmarks.memory.task import Task, wilson
from benchmarks.memory.tasks import TASKS, make
from recurra.errors import DataError, UsageError
from tests.places import dataset

MADE = [make(name, MemoryOptions()) for name in TASKS if not name.startswith("mnist")]


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def ignorant(task: Task, targets: Tensor) -> Tensor:
    """What is likeliest for whoever has read nothing."""
    if isinstance(task, Adding):
        return torch.ones(targets.shape)
    if isinstance(task, Copying):
        answers = torch.zeros(*targets.shape, task.outputs)
        answers[:, :-10, 8], answers[:, -10:, 8] = 1e9, -1e9
        return answers
    return torch.zeros(*targets.shape, task.outputs)


@pytest.mark.parametrize("task", MADE, ids=str)
class TestEveryTask:
    def test_a_batch_is_a_function_of_its_generator(self, task: Task) -> None:
        one, same, other = (task.batch(draw(seed), 5, task.length) for seed in (3, 3, 4))
        assert one.x.shape[::2] == (5, task.inputs)
        assert torch.equal(one.x, same.x)
        assert torch.equal(one.targets, same.targets)
        assert not torch.equal(one.targets, other.targets)

    def test_chance(self, task: Task) -> None:
        batches = islice(task.held_out(draw(1), whole=True), 10)
        scores = torch.cat([task.scores(ignorant(task, batch.targets), batch.targets) for batch in batches])
        error = 4 * float(scores.std()) / len(scores) ** 0.5
        assert float(scores.mean()) == pytest.approx(task.chance, abs=error + 1e-6)


def parity(word: list[int]) -> int:
    return word.count(1) % 2


def even_pairs(word: list[int]) -> int:
    return sum(a != b for a, b in pairwise(word)) % 2


def navigation(word: list[int]) -> int:
    place = 0
    for symbol in word:
        place = {0: (place - 1) % 5, 1: place, 2: (place + 1) % 5}[symbol]
    return place


def arithmetic(word: list[int]) -> int:
    value = eval("".join("01234+-*"[symbol] for symbol in word))
    return int(value) % 5


@pytest.mark.parametrize(
    ("language", "automaton"),
    [(Parity(), parity), (EvenPairs(), even_pairs), (CycleNavigation(), navigation), (ModularArithmetic(), arithmetic)],
    ids=["parity", "even-pairs", "cycle-navigation", "modular-arithmetic"],
)
class TestLanguages:
    def test_classes(self, language: Language, automaton: Callable[[list[int]], int]) -> None:
        batch = language.batch(draw(), 20, 40)
        for word, told in zip(batch.x.argmax(-1).tolist(), batch.targets.tolist(), strict=True):
            ends = range(0, 40, language.step)
            assert [place for place, target in enumerate(told) if target >= 0] == list(ends)
            assert [automaton(word[: end + 1]) for end in ends] == [told[end] for end in ends]

    def test_one_question_a_row(self, language: Language, automaton: Callable[[list[int]], int]) -> None:
        """As in the paper."""
        asked, whole = (dataclasses.replace(language, prefixes=prefixes).batch(draw(), 500, 40) for prefixes in (False, True))
        rows, ends = (asked.targets >= 0).nonzero().T
        assert rows.tolist() == list(range(500))
        assert torch.equal(asked.targets[rows, ends], whole.targets[rows, ends])
        assert set(ends.tolist()) == set(range(0, 40, language.step))

    def test_longer_words_to_be_measured_on(
        self, language: Language, automaton: Callable[[list[int]], int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert languages.LONGEST == 500
        monkeypatch.setattr(languages, "LONGEST", 60)
        batches = list(language.held_out(draw(), whole=True))
        assert [batch.x.shape[1] for batch in batches] == list(range(41, 61, language.step))
        last = batches[-1]
        assert [automaton(word) for word in last.x.argmax(-1).tolist()] == last.targets[:, -1].tolist()


def test_adding_by_its_definition() -> None:
    batch = Adding(11).batch(draw(), 300, 11)
    for row, target in zip(batch.x, batch.targets, strict=True):
        [first, second] = row[:, 1].nonzero().flatten().tolist()
        assert first < 5 <= second
        assert float(target) == pytest.approx(float(row[first, 0] + row[second, 0]))
        assert 0 <= row[:, 0].min() <= row[:, 0].max() < 1


def test_copying_by_its_definition() -> None:
    batch = Copying(7).batch(draw(), 50, 7)
    for symbols, targets in zip(batch.x.argmax(-1).tolist(), batch.targets.tolist(), strict=True):
        assert len(symbols) == 7 + 20
        assert set(symbols[:10]) <= set(range(8))
        assert symbols[10:] == [8] * 6 + [9] + [8] * 10
        assert targets == [8] * 17 + symbols[:10]


def test_recall_by_its_definition() -> None:
    batch = Recall(4).batch(draw(), 200, 4)
    for symbols, told in zip(batch.x.argmax(-1).tolist(), batch.targets.tolist(), strict=True):
        pairs = dict(zip(symbols[:8:2], symbols[1:8:2], strict=True))
        assert len(pairs) == 4
        assert told[:8] == [-100] * 8
        assert pairs[symbols[8]] == 26 + told[8]


def test_recall_asks_for_several_keys_in_learning_alone() -> None:
    task = Recall(4, queries=3)
    batch = task.batch(draw(), 200, 4)
    for symbols, told in zip(batch.x.argmax(-1).tolist(), batch.targets.tolist(), strict=True):
        pairs = dict(zip(symbols[:8:2], symbols[1:8:2], strict=True))
        assert [pairs[key] for key in symbols[8:]] == [26 + value for value in told[8:]]
        assert len(set(symbols[8:])) == 3
    assert task.batch(draw(), 5, 2).x.shape == (5, 6, 36)  # while a curriculum lasts
    for one, other in zip(task.held_out(draw(), whole=True), Recall(4).held_out(draw(), whole=True), strict=True):
        assert torch.equal(one.x, other.x)
        assert one.x.shape == (500, 9, 36)
    with pytest.raises(UsageError, match="queries=5: recall asks for each of 4 pairs once"):
        Recall(4, queries=5)


class TestDigits:
    @pytest.fixture(autouse=True)
    def images(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Images of which every pixel is its place, modulo 256, and the class its row's number."""
        made = np.arange(60_000 * 2, dtype=np.uint8).repeat(1)[:60_000]
        whole = np.broadcast_to(np.arange(784, dtype=np.uint8).reshape(28, 28), (60_000, 28, 28))
        monkeypatch.setattr(digits, "mnist", lambda part: (whole, made % 10))

    def test_orders(self) -> None:
        rows, pixels, permuted = (Digits(order).batch(draw(), 3, 0).x for order in ("rows", "pixels", "permuted"))
        assert rows.shape == (3, 28, 28)
        assert torch.equal(rows.reshape(3, 784, 1), pixels)
        order = np.random.default_rng(0).permutation(784)
        assert torch.equal(permuted[0, :, 0], pixels[0, order, 0])

    def test_shifts_move_a_digit_whole(self) -> None:
        still = Digits("rows").batch(draw(), 1, 0).x[0]
        seen = set()
        for moved in Digits("rows", shift=2).batch(draw(), 200, 0).x:
            [place] = [
                (down, right)
                for down in range(-2, 3)
                for right in range(-2, 3)
                if torch.equal(moved[2 + down : 26 + down, 2 + right : 26 + right], still[2:26, 2:26])
            ]
            seen.add(place)
        assert len(seen) == 25

    def test_what_is_measured_was_not_learnt(self) -> None:
        learnt = digits.LEARNT
        looked = sum(len(batch.x) for batch in Digits().held_out(draw(), whole=False))
        assert learnt + looked == 60_000


def test_data_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRA_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: not there; RECURRA_DATA names"):
        Digits().batch(draw(), 1, 0)


@pytest.mark.data
def test_real_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRA_DATA", str(dataset("mnist").parent))
    task = Digits()
    assert task.chance == 0.1135
    batches = list(task.held_out(draw(), whole=True))
    assert sum(len(batch.x) for batch in batches) == 10_000
    assert batches[0].targets[:5].tolist() == [7, 2, 1, 0, 4]
    assert float(batches[0].x.max()) == 1.0


@pytest.mark.parametrize(
    ("name", "words", "complaint"),
    [
        ("addin", [], "addin: no such memory task; did you mean adding?"),
        ("mnist-rows", ["length=3"], "length=3: mnist-rows takes none"),
        ("copy", ["shift=1"], "shift=1: copy takes none"),
    ],
)
def test_what_cannot_be_made(name: str, words: list[str], complaint: str) -> None:
    with pytest.raises(UsageError) as error:
        make(name, MemoryOptions.parse(words))
    assert complaint in str(error.value)


def test_wilson() -> None:
    low, high = wilson(90, 100)  # Newcombe 1998 works such intervals out in the same way
    assert (round(low, 4), round(high, 4)) == (0.8256, 0.9448)
    assert wilson(50, 50)[1] == 1.0
