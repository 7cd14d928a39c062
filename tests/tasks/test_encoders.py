import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import recurra
from recurra import store
from recurra.errors import ModelFileError, UsageError
from recurra.tasks import sequences, translate
from recurra.train import Report

READING: dict[str, Any] = {"unit": "character", "hidden": 16, "embedding": 8}
PAIRS = "".join(f"{a}{b}{c}\t{c}{b}z\n" for a in "abcdef" for b in "abcde" for c in "ace")
KINDS = [{"model": "transformer", "heads": 2}, {"norm": "layer", "zoneout": 0.1, "weight_drop": 0.1}]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "pairs.tsv"
    path.write_text(PAIRS)
    return path


def masked(folder: Path, **options: Any) -> Path:
    (folder / "raw.txt").write_text("abcdefg\n" * 60)
    recurra.Mask(**READING | {"steps": 2, "window": 16} | options).fit(folder / "raw.txt", out=folder / "raw", show=False)
    return folder / "raw"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return masked(tmp_path_factory.mktemp("masked"), cell="lstm", layers=2)


def begin(pairs: Path, folder: Path, raw: Path, **options: Any) -> recurra.Run:
    return translate.begin(recurra.Translate(encoder=str(raw), steps=2, **options), pairs, folder)


def train(run: recurra.Run) -> list[Report]:
    return list(run.reports())


def check_start(run: recurra.Run, tensors: dict[str, torch.Tensor]) -> None:
    """The network starts with these weights of an encoder, and for each known symbol its vector."""
    encoder, symbols = run.setup().model.encoder, len(sequences.known(run).source)
    found = encoder.state_dict()
    assert {f"encoder.{name}" for name in found} == {name for name in tensors if name.startswith("encoder.")}
    for name, weight in found.items():
        count = symbols if name == "embedding.weight" else None
        assert torch.equal(weight[:count], tensors[f"encoder.{name}"][:count]), name


@pytest.mark.parametrize("options", [{}, {"shared": True, "copying": True, "cell": "gru", "layers": 1, "hidden": 16}])
def test_training_starts_from_the_weights_of_the_run(options: dict[str, Any], pairs: Path, raw: Path, tmp_path: Path) -> None:
    run = begin(pairs, tmp_path / "run", raw, **options)
    tensors = store.read_tensors(raw / "weights.safetensors")
    check_start(run, tensors)
    assert sequences.known(run).source.as_json() == store.read_json(raw / "vocabulary.json")
    assert len(run.setup().model.encoder.embedding.weight) == 9 + bool(options)  # one more is the boundary
    train(run)
    learnt = store.read_tensors(run.folder / "weights.safetensors")["encoder.embedding.weight"]
    assert not torch.equal(learnt[:9], tensors["encoder.embedding.weight"][:9])


def test_what_the_run_fixes_is_taken(pairs: Path, raw: Path, tmp_path: Path) -> None:
    options = begin(pairs, tmp_path / "run", raw).options.model_dump()
    assert {name: options[name] for name in ("cell", "layers", "encoder_cell", "encoder_layers", "bidirectional")} == {
        "cell": "gru",
        "layers": 1,
        "encoder_cell": "lstm",
        "encoder_layers": 2,
        "bidirectional": True,
    }
    assert {name: options[name] for name in READING} == READING


@pytest.mark.parametrize("options", KINDS, ids=lambda options: next(iter(options)))
def test_other_encoders(options: dict[str, Any], pairs: Path, tmp_path: Path) -> None:
    raw = masked(tmp_path, **options)
    run = begin(pairs, tmp_path / "run", raw)
    check_start(run, store.read_tensors(raw / "weights.safetensors"))
    assert len(train(run)) == 2


def test_all_goes_on_when_the_run_is_gone(pairs: Path, raw: Path, tmp_path: Path) -> None:
    other = shutil.copytree(raw, tmp_path / "other")
    there, whole = (begin(pairs, tmp_path / name, other) for name in ("there", "whole"))
    losses = [report.loss for report in train(whole)]
    shutil.rmtree(other)
    assert [report.loss for report in train(recurra.load(there.folder))] == losses
    assert recurra.load(there.folder).evaluate().figures
    (tmp_path / "lines.txt").write_text("ab\n")
    assert len(list(there.predict(tmp_path / "lines.txt"))) == 1


def test_each_of_several_seeds_starts_there(pairs: Path, raw: Path, tmp_path: Path) -> None:
    other = shutil.copytree(raw, tmp_path / "other")
    tensors = store.read_tensors(raw / "weights.safetensors")
    run = begin(pairs, tmp_path / "run", other, seeds=2, check=1)
    shutil.rmtree(other)
    run.train(show=False)
    for seed in "01":
        check_start(recurra.load(run.folder / "seeds" / seed), tensors)


def test_symbols_that_its_vocabulary_lacks_are_told(pairs: Path, raw: Path, tmp_path: Path) -> None:
    learnt = sequences.pairs(begin(pairs, tmp_path / "one", raw), translate._read).learnt
    strange = sum(map("xyz".count, "".join(learnt.targets)))
    [note] = [note for note in begin(pairs, tmp_path / "two", raw, shared=True).facts["data"]["notes"] if "unknown" in note]
    assert f": {strange} of {sum(map(len, [*learnt.sources, *learnt.targets])):,} symbols are unknown to its vocabulary" in note
    assert "unknown" not in str(recurra.load(tmp_path / "one").facts["data"]["notes"])


def test_without_a_run_folder(pairs: Path, raw: Path) -> None:
    options = recurra.Translate(encoder=str(raw))
    found = translate.setup(options, pairs).model.state_dict()
    tensors = store.read_tensors(raw / "weights.safetensors")
    names = [name for name in tensors if name.startswith("encoder.layers.")]
    assert names
    assert all(torch.equal(found[name], tensors[name]) for name in names)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": 32}, "hidden=32: the run encoder=.* has 16; leave hidden out"),
        ({"unit": "word"}, "unit=word: .* has character"),
        ({"vocabulary": 300}, "vocabulary=300: .* has 8000"),
        ({"embedding": 4}, "embedding=4: .* has 8"),
        ({"encoder_cell": "gru"}, "encoder_cell=gru: .* has lstm"),
        ({"encoder_layers": 1}, "encoder_layers=1: .* has 2"),
        ({"bidirectional": False}, "bidirectional=false: .* has true"),
        ({"model": "transformer"}, "model=transformer: .* has recurrent"),
    ],
)
def test_contradictions(options: dict[str, Any], said: str, pairs: Path, raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        begin(pairs, tmp_path / "run", raw, **options)
    assert not (tmp_path / "run").exists()


def test_runs_that_cannot_be(pairs: Path, raw: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="nowhere: not a run folder"):
        begin(pairs, tmp_path / "run", tmp_path / "nowhere")
    other = translate.begin(recurra.Translate(unit="character"), pairs, tmp_path / "translated")
    with pytest.raises(UsageError, match="a run of the task translate; wanted one of the task mask"):
        begin(pairs, tmp_path / "run", other.folder)
    bare = shutil.copytree(raw, tmp_path / "bare")
    (bare / "weights.safetensors").unlink()
    with pytest.raises(ModelFileError, match=r"weights.safetensors: not there yet; recurra resume"):
        begin(pairs, tmp_path / "run", bare)
    store.write_tensors(bare / "weights.safetensors", {"encoder.embedding.weight": torch.zeros(10, 8)})
    with pytest.raises(ModelFileError, match="not the weights of an encoder of these options"):
        begin(pairs, tmp_path / "run", bare)
    assert not (tmp_path / "run").exists()
