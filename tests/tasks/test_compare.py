import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import recurra
from recurra.errors import BusyError, DataError, NumericError, Stopped, UsageError
from recurra.metrics import few_mean
from recurra.tasks import compare as comparing
from recurra.tasks import costs
from recurra.tasks.compare import compare
from recurra.tasks.compared import Compared, Gap, Trained, Variant
from recurra.train import Report
from recurra.train.guard import locked
from tests.conftest import sentences
from tests.tasks.stopping import stop_after

FIXED = ["hidden=8", "layers=1", "window=16", "batch=4", "embedding=8", "check=3", "warmup=0", "engine=torch"]
WORDS = [*FIXED, "steps=6", "cell=elman,gru", "seeds=2"]
NAMES, SEEDS = ("elman", "gru"), (0, 1)


@pytest.fixture(scope="module", autouse=True)
def _short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "LENGTHS", (20,))
        patch.setattr(costs, "STEPPED", 0.01)
        yield


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "book.txt"
    path.write_text(sentences(60), "utf-8")
    return path


@pytest.fixture(scope="module")
def found(book: Path, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    return run(book, tmp_path_factory.mktemp("compare") / "cells")


def run(book: Path, out: Path, *words: str) -> Compared:
    return compare("text", book, words or WORDS, out=out, show=False)


def values(compared: Compared) -> dict[str, list[float]]:
    return {row.name: [each.value for each in row.trainings.values()] for row in compared.variants}


def gives(compared: Compared, sentence: str) -> bool:
    return any(each.startswith(sentence) for each in compared.sentences)


class TestCompare:
    def test_trainings_are_ordinary_runs(self, found: Compared, book: Path, tmp_path: Path) -> None:
        for row in found.variants:
            assert tuple(row.trainings) == SEEDS
            for seed, training in row.trainings.items():
                folder = found.folder / "trainings" / row.name / str(seed)
                measured = recurra.load(folder).read("evaluation.json")["metrics"]["bits per character, state carried"]
                assert training.value == measured["value"]
                assert measured["baselines"] == found.baselines
                assert training.updates == 6
        alone = recurra.Text.parse([*FIXED, "steps=6", "cell=gru", "seed=1"]).fit(book, out=tmp_path / "alone", show=False)
        same = found.folder / "trainings" / "gru" / "1"
        for name in ("weights.safetensors", "evaluation.json"):
            assert (alone.folder / name).read_bytes() == (same / name).read_bytes()

    def test_speed_is_that_of_the_log(self, found: Compared) -> None:
        training = found.variants[0].trainings[0]
        assert training.items_per_second * training.seconds == pytest.approx(6 * 4 * 16, rel=0.01)

    def test_costs(self, found: Compared) -> None:
        elman, gru = (row.costs for row in found.variants)
        assert elman is not None
        assert gru is not None
        assert gru.parameters - elman.parameters == 2 * 8 * (8 + 8 + 1) + 16  # two gates more, and biases inside the step
        assert gru.memory[20] > elman.memory[20] > 20 * 8 * 4
        assert elman.step is not None

    def test_what_is_kept(self, found: Compared) -> None:
        assert json.loads((found.folder / "comparison.json").read_text()) == json.loads(json.dumps(found.as_json()))

    def test_a_budget_becomes_updates(self, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        paces = iter((0.5, 1.0))
        monkeypatch.setattr(comparing, "pace", lambda options, setup, budget: next(paces))
        compared = run(book, tmp_path / "cells", *FIXED, "cell=elman,gru", "budget=4s", "schedule=cosine")
        assert [row.trainings[0].updates for row in compared.variants] == [8, 4]
        for row, steps in zip(compared.variants, (8, 4), strict=True):
            assert recurra.load(compared.folder / "trainings" / row.name / "0").options.steps == steps
        assert gives(compared, "elman trained for 0.")
        assert gives(compared, "One seed each")
        again = run(book, tmp_path / "cells", *FIXED, "cell=elman,gru", "budget=4s", "schedule=cosine")
        assert values(again) == values(compared)  # and nothing was timed again

    def test_a_machine_that_became_slow(self, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Timed as if two hundred updates fitted, a training ends at its first look after one and a half budgets."""
        monkeypatch.setattr(comparing, "pace", lambda options, setup, budget: budget / 200)
        words = [*FIXED, "cell=elman,gru", "budget=0.001s"]
        compared = run(book, tmp_path / "cells", *words)
        for row in compared.variants:
            [training] = row.trainings.values()
            assert (training.updates, training.cut) == (3, True)
            assert training.seconds > 0.0015
            assert gives(compared, f"{row.name} was ended at 1.5 budgets before its last update, seeds 0: ")
            assert gives(compared, f"{row.name} trained for 0.")
        assert run(book, tmp_path / "cells", *words).as_json() == compared.as_json()

    def test_forecasts_are_judged_by_scaled_errors(self, tmp_path: Path) -> None:
        words = ["hidden=8", "model=linear,segment", "steps=4", "check=2"]
        compared = compare("forecast", None, words, out=tmp_path / "models", show=False)
        assert compared.figure == "scaled MAE"
        assert "seasonal naive 12" in compared.baselines
        linear, segment = (row.costs for row in compared.variants)
        assert linear is not None
        assert segment is not None
        assert (linear.step, linear.memory) == (None, {})
        assert segment.memory


def trained(*scores: float) -> dict[int, Trained]:
    return {seed: Trained(score, (score - 0.5, score + 0.5), 9, 1.0, 1.0) for seed, score in enumerate(scores)}


def table(**scores: tuple[float, ...]) -> Compared:
    rows = tuple(Variant(name, {"cell": name}, trained(*each), None, {}) for name, each in scores.items())
    return Compared(Path(), "text", "bits", tuple(range(max(map(len, scores.values())))), 0, {}, rows)


class TestNoise:
    def test_intervals(self) -> None:
        many, one, none = Variant("a", {}, trained(1, 2, 3), None, {}), Variant("b", {}, trained(1), None, {}), table(c=())
        assert many.interval == few_mean([1.0, 2.0, 3.0])[1:]
        assert one.interval == (0.5, 1.5)
        assert (none.variants[0].interval, none.variants[0].value) == (None, None)

    def test_differences_are_paired(self) -> None:
        compared = table(lstm=(1.0, 2.0, 3.0), gru=(1.1, 2.1, 3.11))  # seeds differ by far more than cells do
        assert compared.gaps == [Gap("lstm", "gru", few_mean([1.1 - 1.0, 2.1 - 2.0, 3.11 - 3.0]), 3)]
        [sentence] = compared.sentences
        assert sentence == "lstm is better than gru by 0.103 (95 % interval 0.089 to 0.118)"

    def test_what_lies_within_noise_is_said(self) -> None:
        compared = table(gru=(1.2, 0.9), lstm=(1.0, 1.0), elman=(2.0, 2.01))
        assert [gap[:2] for gap in compared.gaps] == [("lstm", "gru"), ("lstm", "elman"), ("gru", "elman")]
        assert gives(compared, "lstm and gru cannot be told apart with 2 seeds: the difference is 0.05 (95 % interval -1.8")
        assert gives(compared, "lstm is better than elman by 1")

    def test_one_seed_tells_nothing(self) -> None:
        compared = table(gru=(1.2,), lstm=(1.0,))
        assert not compared.gaps
        assert compared.sentences == ["One seed each: what is luck cannot be told; give seeds=3 or more."]

    def test_seeds_that_failed_are_in_no_pair(self) -> None:
        compared = table(gru=(1.0, 2.0, 6.0), lstm=(1.1, 2.1))
        assert [row.name for row in compared.ranked] == ["lstm", "gru"]
        [gap] = compared.gaps
        assert (gap.better, gap.worse, gap.seeds) == ("gru", "lstm", 2)


class TestResume:
    @pytest.mark.parametrize("cut", [0, 5])
    def test_a_stop_and_the_rest_are_the_whole(
        self, cut: int, found: Compared, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            stop_after(cut, 6, patched)
            message = r"^training \d of 4: \w+, seed \d: stopped at step \d of 6; the same command goes on$"
            with pytest.raises(Stopped, match=message):
                run(book, tmp_path / "cells")
        again = run(book, tmp_path / "cells")
        assert values(again) == values(found)
        for path in found.folder.glob("trainings/*/*/weights.safetensors"):
            assert (again.folder / path.relative_to(found.folder)).read_bytes() == path.read_bytes()

    def test_nothing_is_done_again_and_seeds_add(
        self, found: Compared, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copytree(found.folder, tmp_path / "cells")
        trained, train = [], recurra.Run.reports

        def noted(run: recurra.Run) -> Iterator[Report]:
            trained.append(run.options.seed)
            yield from train(run)

        monkeypatch.setattr(recurra.Run, "reports", noted)
        assert run(book, tmp_path / "cells").as_json() == found.as_json()
        assert not trained
        more = run(book, tmp_path / "cells", *WORDS[:-1], "seeds=3")
        assert trained == [2, 2]
        assert [each[:2] for each in values(more).values()] == list(values(found).values())

    def test_another_comparison_in_the_folder(self, found: Compared, book: Path) -> None:
        with pytest.raises(UsageError, match="holds another comparison, its variants differ; give the same words, or choose"):
            run(book, found.folder, *WORDS[:-2], "cell=elman,lstm")
        with pytest.raises(UsageError, match="its fixed differ"):
            run(book, found.folder, *WORDS, "lr=0.1")

    def test_data_that_changed(self, book: Path, tmp_path: Path) -> None:
        data = tmp_path / "book.txt"
        data.write_text(book.read_text())
        run(data, tmp_path / "cells", *WORDS[:-1])
        data.write_text(book.read_text() + "more\n")
        with pytest.raises(DataError, match="changed since this comparison began"):
            run(data, tmp_path / "cells")
        data.write_text(book.read_text())
        assert len(run(data, tmp_path / "cells").variants[0].trainings) == 2

    def test_two_at_once(self, found: Compared, book: Path) -> None:
        with locked(found.folder), pytest.raises(BusyError):
            run(book, found.folder)


class TestFailures:
    def test_options_that_the_data_do_not_admit(self, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        words = [*FIXED[:2], *FIXED[3:], "window=1000000,16", "steps=3", "seeds=2"]
        compared = run(book, tmp_path / "cells", *words)
        bad, good = compared.variants
        assert (bad.value, bad.costs) == (None, None)
        assert "give more text" in bad.failed["all"]
        assert len(good.trainings) == 2
        assert [row.name for row in compared.ranked] == ["window=16", "window=1000000"]
        assert gives(compared, "window=1000000: ")
        monkeypatch.setattr(recurra.Run, "reports", lambda run: pytest.fail("trained again"))
        assert run(book, tmp_path / "cells", *words).as_json() == compared.as_json()

    def test_one_that_diverges(self, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        train = recurra.Run.reports

        def diverges(run: recurra.Run) -> Iterator[Report]:
            if run.options.cell == "elman" and run.options.seed == 1:
                raise NumericError("step 5: loss nan")
            yield from train(run)

        monkeypatch.setattr(recurra.Run, "reports", diverges)
        elman, gru = run(book, tmp_path / "cells").variants
        assert (dict(elman.failed), list(elman.trainings), dict(gru.failed)) == ({"1": "step 5: loss nan"}, [0], {})

    def test_all_diverge(self, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def diverged(run: recurra.Run) -> Iterator[Report]:
            raise NumericError("step 5: loss nan")
            yield

        monkeypatch.setattr(recurra.Run, "reports", diverged)
        with pytest.raises(NumericError, match="no training came to its end; elman/0: step 5: loss nan"):
            run(book, tmp_path / "cells", *WORDS[:-1])


class TestBad:
    @pytest.mark.parametrize(
        ("task", "words", "message"),
        [
            ("txt", WORDS, "txt: no such task; "),
            ("text", ["hidden=64"], "nothing to compare"),
            ("text", ["cell=elman,grru"], "cell=grru: did you mean gru?"),
            ("text", ["cell=elman,gru", "hiden=8"], "hiden: no such option of Text"),
        ],
    )
    def test_what_cannot_be_leaves_no_folder(
        self, task: str, words: list[str], message: str, book: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(UsageError) as caught:
            compare(task, book, words, out=tmp_path / "cells", show=False)
        assert str(caught.value).startswith(message)
        assert not list(tmp_path.iterdir())

    def test_data_that_are_none(self, tmp_path: Path) -> None:
        with pytest.raises(DataError):
            run(tmp_path / "none.txt", tmp_path / "cells")
        assert not list(tmp_path.iterdir())

    def test_a_folder_of_something_else(self, found: Compared, book: Path) -> None:
        with pytest.raises(UsageError, match="is there already and is no comparison; choose another --out"):
            run(book, found.folder / "trainings" / "gru" / "0")
