import math
import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

import recurra
from recurra.data import Dialogue
from recurra.errors import DataError, UsageError
from recurra.tasks import chat, costs, sequences, talking
from recurra.tasks.evaluation import Evaluation
from recurra.tasks.options import Conversation
from recurra.tasks.talking import TalkState
from tests.tasks.stopping import goes_on

SMALL = {"unit": "word", "hidden": 32, "embedding": 16, "dropout": 0.0, "smoothing": 0.0, "lr": 0.01, "batch": 32}
COLOURS = ["red", "green", "blue", "black"]


def dialogues(count: int, seed: int = 0) -> list[Dialogue]:
    """Two numbers, a colour, a nod, a question and the colour again: it takes three turns to know it."""
    draw = random.Random(seed)
    colours = [draw.choice(COLOURS) for _ in range(count)]
    return [(f"say {k % 20} {k // 20}", colour, "aha", "which ?", colour) for k, colour in enumerate(colours)]


def write(path: Path, found: Sequence[Dialogue]) -> Path:
    path.write_text("".join("\t".join(turns) + "\n" for turns in found))
    return path


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "talks.txt", dialogues(300))


def fit(data: Path, folder: Path, **options: Any) -> recurra.Run:
    run: recurra.Run = recurra.Chat(**SMALL | options).fit(data, out=folder, show=False)
    return run


@pytest.fixture(scope="module")
def run(talks: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    return fit(talks, tmp_path_factory.mktemp("runs") / "talks", steps=120, check=60)


@pytest.fixture(scope="module")
def evaluation(run: recurra.Run) -> Evaluation:
    found: Evaluation = run.evaluate()
    return found


def nats(run: recurra.Run, sources: Sequence[str], targets: Sequence[str]) -> float:
    """One pair after the other, symbol by symbol."""
    _, model, vocabulary = sequences.opened(run)
    total, count = 0.0, 0
    for source, target in zip(sources, targets, strict=True):
        memory, state = model.read(torch.from_numpy(vocabulary.source.encode(source))[None])
        x = torch.tensor([vocabulary.boundary])
        for symbol in [*vocabulary.target.encode(target).tolist(), vocabulary.boundary]:
            logits, state = model.decoder.step(x, state, memory)
            total -= logits.detach().log_softmax(1)[0, symbol].item()
            x, count = torch.tensor([symbol]), count + 1
    return total / count


class TestEvaluate:
    def test_what_stands_side_by_side(self, evaluation: Evaluation) -> None:
        names = ["nats per symbol", "perplexity per symbol", "exact match", "distinct-1", "distinct-2"]
        assert [each.name for each in evaluation.figures] == names
        others = {"most frequent response", "nearest context", "this run, drawn as it chats"}
        assert set(evaluation.figure("exact match").baselines) == others
        assert set(evaluation.figure("distinct-1").baselines) == others | {"the true responses"}

    def test_perplexities_are_those_of_one_pair_after_the_other(self, run: recurra.Run, evaluation: Evaluation) -> None:
        test = sequences.pairs(run, chat._read).test
        found = evaluation.figure("perplexity per symbol")
        last = ["\n" + source.split("\n")[-1] for source in test.sources]
        for value, sources in (
            (found.value, test.sources),
            (found.baselines["this run, told the last turn"], last),
            (found.baselines["this run, told nothing"], ["\n"] * len(test)),
        ):
            assert value == pytest.approx(math.exp(nats(run, sources, test.targets)), rel=1e-3)
        assert found.value == pytest.approx(math.exp(evaluation.figure("nats per symbol").value))
        assert found.interval[0] < found.value < found.interval[1]

    def test_turns_are_worth_what_was_hidden_in_them(self, evaluation: Evaluation) -> None:
        found = evaluation.figure("perplexity per symbol")
        assert found.value < 0.8 * min(found.baselines[f"this run, told {less}"] for less in ("the last turn", "nothing"))

    def test_distinct_words(self, run: recurra.Run, evaluation: Evaluation, tmp_path: Path) -> None:
        test = sequences.pairs(run, chat._read).test
        lines = (source.strip("\n").replace("\n", "\t") for source in test.sources)
        (tmp_path / "lines.txt").write_text("".join(f"{line}\n" for line in lines))
        said = [row["target"].split() for row in run.predict(tmp_path / "lines.txt")]
        true = [target.split() for target in test.targets]
        for found, turns in ((None, said), ("the true responses", true)):
            words = [word for turn in turns for word in turn]
            pairs = {pair for turn in turns for pair in pairwise(turn)}
            for name, kinds in (("distinct-1", set(words)), ("distinct-2", pairs)):
                each = evaluation.figure(name)
                value = each.value if found is None else each.baselines[found]
                assert value == pytest.approx(len(kinds) / len(words))
        hits = sum(a == b for a, b in zip(said, true, strict=True))
        assert evaluation.figure("exact match").value == pytest.approx(hits / len(test))

    def test_a_file_is_measured_whole(self, run: recurra.Run, tmp_path: Path) -> None:
        found = run.evaluate(write(tmp_path / "later.txt", dialogues(9, seed=1)))
        assert found.data == "later.txt"
        assert found.notes[0].startswith("36 responses, perplexity per word")

    def test_weights_in_fewer_bytes(self, run: recurra.Run, evaluation: Evaluation) -> None:
        found = run.evaluate(weights="int8")
        for name in ("perplexity per symbol", "exact match", "distinct-1"):
            held = found.figure(name).held
            assert held is not None
            assert held.full == pytest.approx(evaluation.figure(name).value)
            assert held.difference == pytest.approx(found.figure(name).value - held.full)

    def test_where_nothing_was_learnt_without_turns(self, talks: Path, tmp_path: Path) -> None:
        made = fit(talks, tmp_path / "run", steps=2, check=2, blank=0, turns=1)
        found = made.evaluate()
        assert "blank=0: nothing was learnt without turns" in found.notes[-1]
        assert "this run, told the last turn" not in found.figure("perplexity per symbol").baselines


class TestTalk:
    def test_it_knows_what_was_said(self, run: recurra.Run) -> None:
        talk = run.chat(temperature=0)
        for colour in COLOURS:
            nod, state = talk(colour, TalkState(("say 4 2",), 0))
            answer, after = talk("which ?", state)
            assert answer == colour
            assert after == TalkState((nod, "which ?", colour), 2)

    def test_it_reads_the_last_turns(self, run: recurra.Run, monkeypatch: pytest.MonkeyPatch) -> None:
        read, (_, model, vocabulary) = list[str](), sequences.opened(run)
        talk = talking.Talk(model, vocabulary, sequences.reach(run.options), 3, Conversation(temperature=0))
        source = model.read

        def spy(symbols: torch.Tensor, lengths: torch.Tensor) -> Any:
            read.append(vocabulary.source.decode(symbols[0].tolist()))
            return source(symbols, lengths)

        monkeypatch.setattr(model, "read", spy)
        first, state = talk(" red\t", talk.initial())
        second, state = talk("which ?", state)
        talk("say 3 4", state)
        assert read == ["\nred", f"\nred\n{first}\nwhich ?", f"\nwhich ?\n{second}\nsay 3 4"]

    def test_the_state_is_a_value(self, run: recurra.Run) -> None:
        talk = run.chat(temperature=1.5, seed=3)
        _, state = talk("red", talk.initial())
        assert talk("which ?", state) == talk("which ?", state) == run.chat(temperature=1.5, seed=3)("which ?", state)
        answers = {run.chat(temperature=9.0, longest=5, seed=seed)("which ?", state)[0] for seed in range(5)}
        assert len(answers) > 1
        _, after = talk("red", TalkState((), 7))
        assert after.answers == 8
        assert len({talk("hm", TalkState((), k))[0] for k in range(9)}) > 1  # each answer draws symbols of its own

    def test_a_beam_answers_as_predict_does(self, run: recurra.Run, tmp_path: Path) -> None:
        (tmp_path / "lines.txt").write_text("say 5 2\tblue\t  aha \twhich ?\n\n")
        row, empty = run.predict(tmp_path / "lines.txt")
        answer, _ = run.chat(beam=5)("which ?", TalkState(("say 5 2", "blue", "aha"), 0))
        assert row["target"] == answer == "blue"
        assert (empty["target"], empty["nats_per_symbol"]) == ("", None)

    def test_pieces_are_the_answer(self, run: recurra.Run) -> None:
        talk = run.chat(temperature=9.0, longest=6)
        pieces = list(talk.pieces("which ?", talk.initial()))
        assert 1 <= len(pieces) <= 6
        assert "".join(pieces) == talk("which ?", talk.initial())[0]
        assert "<unk>" not in "".join(pieces)

    def test_many_at_once_are_answered_as_one(self, run: recurra.Run) -> None:
        _, model, vocabulary = sequences.opened(run)
        reach, how = sequences.reach(run.options), Conversation(temperature=0)
        sources = ["\nred", "\ngreen\naha\nwhich ?", "\n", "\nsay 4 4"]
        alone = [talking.drawn(model, vocabulary, [source], how, reach)[0] for source in sources]
        assert talking.drawn(model, vocabulary, sources, how, reach) == alone
        assert alone[1] == "green"

    def test_other_tasks_do_not(self, trained: recurra.Run) -> None:
        with pytest.raises(UsageError, match="the task text does not chat"):
            trained.chat()

    def test_sources_to_show(self, run: recurra.Run) -> None:
        assert len(run.examples()) == 4
        assert set(run.examples()) < set(sequences.pairs(run, chat._read).test.sources)

    def test_bad_options(self, run: recurra.Run) -> None:
        with pytest.raises(UsageError, match="did you mean temperature"):
            run.chat(temprature=1)


def test_it_goes_on_as_if_nothing_had_happened(talks: Path, tmp_path: Path) -> None:
    options = recurra.Chat(**SMALL | {"dropout": 0.2, "steps": 6, "check": 2})
    goes_on(*(chat.begin(options, talks, tmp_path / name) for name in "ab"))


@pytest.mark.parametrize("model", ["recurrent", "transformer"])
def test_what_a_decoder_costs_that_attends_to_something(model: str, talks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "LENGTHS", (100, 200))
    monkeypatch.setattr(costs, "STEPPED", 0.01)
    found = costs.costs(chat.setup(recurra.Chat(**SMALL, model=model, heads=2), talks))
    assert found.step is not None
    assert found.step > 0
    assert 1.5 < found.memory[200] / found.memory[100] < 4


class TestData:
    def test_every_turn_but_the_first_answers_those_before_it(self, tmp_path: Path) -> None:
        for name in ("train", "valid", "test"):
            (tmp_path / f"{name}.txt").write_text(f"{name}\tb\tc\td\te\n{name} f\tg\n")
        pairs = chat._read(recurra.Chat(turns=2), tmp_path)
        assert pairs.learnt.sources == ["\ntrain", "\ntrain\nb", "\nb\nc", "\nc\nd", "\ntrain f"]
        assert pairs.learnt.targets == ["b", "c", "d", "e", "g"]
        assert pairs.test.sources[0] == "\ntest"
        blanks = chat._with_blanks(recurra.Chat(blank=0.4), pairs).learnt
        assert (blanks.sources[5:], blanks.targets[5:]) == (["\n", "\n"], ["d", "g"])
        assert len(chat._with_blanks(recurra.Chat(blank=1), pairs).learnt) == 10
        assert chat._with_blanks(recurra.Chat(blank=0), pairs).learnt.sources == pairs.learnt.sources

    def test_long_contexts_lose_their_beginning(self, tmp_path: Path) -> None:
        data = tmp_path / "talks.txt"
        data.write_text("".join(f"{k} x x\ty y\tz\t{'w ' * (5 * (k == 0))}w\n" for k in range(60)))
        begun = chat.begin(recurra.Chat(**SMALL, longest=4, held_out=0.3), data, tmp_path / "run")
        notes = " ".join(begun.facts["data"]["notes"])
        assert "sources longer than longest=4 symbols only the last 4 are read" in notes
        batches = chat.setup_of(begun).batches
        read = {begun_text(begun, row) for step in range(9) for row in sources(batches[step])}
        assert "y y\nz" in read
        assert not any("x" in text and "z" in text for text in read)

    def test_small_talk_where_nothing_is_named(self, tmp_path: Path) -> None:
        begun = chat.begin(recurra.Chat(**SMALL), None, tmp_path / "run")
        assert begun.facts["data"]["embedded"]
        assert begun.source == chat.SMALL_TALK
        pairs = sequences.pairs(begun, chat._read)
        assert 0.03 < len(pairs.test) / len(pairs.learnt) < 0.08

    @pytest.mark.parametrize(
        ("files", "said"),
        [
            ({"a.txt": "hello\nyou\n"}, "neither __eou__, nor blank lines, nor tabs"),
            ({"a.txt": ""}, "a.txt: no text in it; wanted dialogues"),
            ({"a.txt": "hi\tyou\n"}, "wanted at least 1 of each: give more, or a larger held_out of one file"),
            ({"train.txt": "hi\tyou\n", "test.txt": "oh\tno\n"}, "1 dialogue to learn from, 0 for looks during training"),
            ({"a.jsonl": '{"say": 1}\n'}, "a.jsonl, line 1: no turns; wanted a list of them under turns"),
            ({"a.txt": "".join(f"{k}\t{'very ' * 30}long\n" for k in range(99))}, "nothing is left to learn from"),
        ],
    )
    def test_bad_data(self, files: dict[str, str], said: str, tmp_path: Path) -> None:
        (folder := tmp_path / "data").mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        data = folder / next(iter(files)) if len(files) == 1 else folder
        with pytest.raises(DataError) as caught:
            chat.begin(recurra.Chat(**SMALL, longest=20), data, tmp_path / "run")
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run").exists()


def sources(item: Any) -> Iterator[list[int]]:
    for row, length in zip(item.batch.source.tolist(), item.batch.source_lengths.tolist(), strict=True):
        yield row[:length]


def begun_text(run: recurra.Run, row: list[int]) -> str:
    return sequences.known(run).source.decode(row)
