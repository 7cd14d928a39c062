import gzip
import json
from pathlib import Path

import pytest

from recurra.data import Tagged, notices, of_words, read_tagged, read_tagged_parts, split_tagged
from recurra.errors import DataError, UsageError
from tests.places import dataset


def conll(*sentences: str) -> str:
    return "".join("".join(f"{pair.replace('/', chr(9))}\n" for pair in sentence.split()) + "\n" for sentence in sentences)


SMALL = ("Ann/B-PER runs/O", "Bo/B-PER runs/O", "in/O Rome/B-LOC")


def test_parts_of_a_folder(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "eng.train.gz", "wt") as out:
        out.write(conll(*SMALL))
    (tmp_path / "eng.testa").write_text(conll("Cy/B-PER"))
    (tmp_path / "eng.testb").write_text(conll("Di/B-X"))
    (tmp_path / "PROVENANCE.md").write_text("trained on tests")
    parts = read_tagged_parts(tmp_path)
    assert [each.sentences[0].words[0] for each in (parts.learnt, parts.validation, parts.test)] == ["Ann", "Cy", "Di"]
    assert parts.notes[-2] == "eng.testb: entities with labels that are not learnt: X; none of them can be found"
    assert parts.notes[-1].endswith("3 to learn from, 1 for looks during training, 1 to measure on; 2 labels: LOC, PER")
    for name in ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"):
        (tmp_path / "other").mkdir(exist_ok=True)
        (tmp_path / "other" / name).write_text(conll(*SMALL))
    (tmp_path / "other" / "strain.conll").write_text("no part of it")
    parts = read_tagged_parts(tmp_path / "other")
    assert len(parts.learnt) == len(parts.validation) == len(parts.test) == 3


def test_a_file_is_split_by_its_words(tmp_path: Path) -> None:
    rows = [f"w{k % 40}/B-A x{k % 40}/O" for k in range(200)]
    (tmp_path / "a.tags").write_text(conll(*rows))
    parts = read_tagged_parts(tmp_path / "a.tags", held_out=0.4)
    sides = [{one.words for one in side.sentences} for side in (parts.learnt, parts.validation, parts.test)]
    assert sum(map(len, sides)) == len(sides[0] | sides[1] | sides[2]) == 40
    assert all(sides)
    every = [
        of_words(["new"]),
        *(sentence for side in (parts.test, parts.validation, parts.learnt) for sentence in side.sentences),
    ]
    more = split_tagged(Tagged("a", every, "iob2"), held_out=0.4)
    assert sides[2] <= {one.words for one in more.test.sentences}


def test_the_fingerprint_knows_words_and_entities(tmp_path: Path) -> None:
    found = set()
    for k, text in enumerate([SMALL, SMALL, (*SMALL[:2], "in/O Rome/B-PER"), (*SMALL[:2], "in/O Roma/B-LOC")]):
        (folder := tmp_path / str(k)).mkdir()
        for part in ("train", "dev", "test"):
            (folder / f"{part}.txt").write_text(conll(*text))
        found.add(read_tagged_parts(folder).fingerprint)
    assert len(found) == 3


def test_json_lines(tmp_path: Path) -> None:
    rows = [{"text": f"Ann {k}", "spans": [[0, 3, "PER"]]} for k in range(30)]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    tagged = read_tagged(tmp_path / "a.jsonl")
    assert (len(tagged), tagged.scheme, tagged.labels) == (30, "spans", ["PER"])
    assert tagged.take([3]).sentences[0].text == "Ann 3"


BAD = [
    ("", "a.conll: no sentence in it"),
    ("\n\n", "a.conll: no sentence in it"),
    (conll("a/B-X b/O"), "wanted at least 2, 1 and 1: give more sentences, or a larger held_out"),
    (conll(*(f"{k}/O x/O" for k in range(50))), "no entity in what is to be learnt, every tag is O"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_too_little(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text(text)
    with pytest.raises(DataError, match=said):
        read_tagged_parts(tmp_path / "a.conll")


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    (tmp_path / "dev.txt").write_text("a O\n")
    with pytest.raises(DataError, match=r"no file with train in its name; there is dev.txt: name a file instead"):
        read_tagged_parts(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        read_tagged(tmp_path / "nothing.conll")
    with pytest.raises(UsageError, match="held_out=1"):
        split_tagged(notices(), held_out=1)


def test_notices_depend_on_the_seed_alone() -> None:
    made = notices(40, seed=3)
    assert made.sentences == notices.__wrapped__(40, seed=3).sentences
    assert made.sentences != notices(40, seed=4).sentences
    assert notices().labels == ["DATE", "MONEY", "PERSON", "PLACE", "TIME"]
    for sentence in made.sentences:
        assert [sentence.text[a:b] for a, b in sentence.places] == list(sentence.words)


@pytest.mark.data
def test_a_shared_task() -> None:
    parts = read_tagged_parts(dataset("wnut17_ner"))
    assert [len(part) for part in (parts.learnt, parts.validation, parts.test)] == [3394, 1009, 1287]
    assert sum(len(sentence.entities) for sentence in parts.test.sentences) == 1079
    assert parts.notes[0] == "wnut17train.conll: words in column 1, tags in column 2 of 2: IOB2"
