import gzip
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF

from recurra.errors import UsageError
from recurra.metrics import TranslationTotals, sequence_baselines
from tests.places import dataset

LINES = st.lists(st.tuples(*[st.lists(st.sampled_from(["a", "B", "cat", "sat.", "(on)", "ö"]), max_size=7).map(" ".join)] * 2))
WORDS = np.array(["the", "a", "cat", "dog", "sat", "lay", "on", "under", "mat", "tree", ",", ".", "big", "small"])


def system(seed: int, noise: float, lines: int = 30) -> tuple[list[str], list[str]]:
    """Outputs, and references that differ from them in a share of their words."""
    random = np.random.default_rng(0)
    wanted = [random.integers(len(WORDS), size=random.integers(3, 20)) for _ in range(lines)]
    random = np.random.default_rng(seed)
    given = [np.where(random.random(len(line)) < noise, random.integers(len(WORDS), size=len(line)), line) for line in wanted]
    outputs, references = ([" ".join(WORDS[line]) for line in side] for side in (given, wanted))
    return outputs, references


def totals(outputs: list[str], references: list[str]) -> TranslationTotals:
    made = TranslationTotals()
    made.add(outputs, references)
    return made


@settings(max_examples=60)
@given(LINES.filter(bool))
def test_figures_are_those_of_the_library(lines: list[tuple[str, str]]) -> None:
    outputs, references = ([line[side] for line in lines] for side in (0, 1))
    found = totals(outputs, references).figures()
    assert found["BLEU"] == pytest.approx(BLEU(tokenize="13a").corpus_score(outputs, [references]).score, abs=1e-9)
    assert found["chrF"] == pytest.approx(CHRF().corpus_score(outputs, [references]).score, abs=1e-9)


def test_parts_give_what_the_whole_gives() -> None:
    outputs, references = system(1, 0.3)
    parts = totals(outputs[:20], references[:20])
    parts += totals(outputs[20:], references[20:])
    assert parts.figures() == totals(outputs, references).figures()
    assert parts.interval("BLEU") == totals(outputs, references).interval("BLEU")


@pytest.mark.parametrize(("name", "metric"), [("BLEU", BLEU(tokenize="13a", force=True)), ("chrF", CHRF())])
def test_the_interval_is_that_of_scoring_each_sample_anew(
    name: str, metric: BLEU | CHRF, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recurra.metrics.pairs.RESAMPLES", 50)
    (outputs, references), (others, _) = system(1, 0.3), system(2, 0.35)
    random, scores = np.random.default_rng(0), []
    for _ in range(50):
        rows = random.integers(30, size=30)
        wanted = [references[row] for row in rows]
        scores.append([metric.corpus_score([side[row] for row in rows], [wanted]).score for side in (outputs, others)])
    own, other = np.array(scores).T
    made = totals(outputs, references)
    assert made.interval(name) == pytest.approx(tuple(np.quantile(own, [0.025, 0.975])))
    difference = made.difference(totals(others, references), name)
    assert difference[1:] == pytest.approx(tuple(np.quantile(own - other, [0.025, 0.975])))
    assert difference.low < difference.value < difference.high


def test_a_better_system_is_seen_to_be_better() -> None:
    (good, references), (bad, _) = system(1, 0.2), system(2, 0.6)
    assert totals(good, references).difference(totals(bad, references), "BLEU").low > 0


def test_perfect_and_hopeless() -> None:
    _, references = system(1, 0.0)
    assert totals(references, references).figures() == pytest.approx({"BLEU": 100, "chrF": 100})
    for output in ("", "zzz"):
        assert totals([output] * 30, references).figures() == {"BLEU": 0, "chrF": 0}
    assert totals(["", "a"], ["", ""]).figures() == {"BLEU": 0, "chrF": 0}


def test_case_counts() -> None:
    assert totals(["The Cat Sat Down"], ["the cat sat down"]).figures()["BLEU"] == 0


def test_nothing_is_said_of_text_cut_into_words(caplog: pytest.LogCaptureFixture) -> None:
    totals(["a cat ."] * 150, ["a dog ."] * 150)
    assert not caplog.records


def test_signatures_are_the_librarys() -> None:
    metric = BLEU(tokenize="13a")
    metric.corpus_score(["a"], [["a"]])
    found = TranslationTotals().signatures
    assert found["BLEU"] == str(metric.get_signature())
    assert found["chrF"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(UsageError, match=r"^BLEU and chrF need the sacrebleu library; type: pip install 'recurra\[metrics\]'$"):
        totals(["a"], ["b"])


@pytest.mark.data
def test_naive_translations_of_multi30k() -> None:
    folder = dataset("multi30k")
    names = ("train.en", "train.de", "test_2016_flickr.en", "test_2016_flickr.de")
    sources, targets, asked, wanted = (
        gzip.decompress((folder / f"{name}.gz").read_bytes()).decode().splitlines() for name in names
    )
    found = {
        name: totals(baseline(asked), wanted).figures()["BLEU"]
        for name, baseline in sequence_baselines(sources, targets).items()
    }
    assert 0.3 < found["copy the source"] < 0.7
    assert found["most frequent target"] < 0.5
    assert 8 < found["nearest source"] < 11
