import gzip
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import recurra as package
from recurra import store
from recurra.data import Corpus
from recurra.train import guard
from tests.cli.process import SMALL, Ended, recurra
from tests.places import dataset

DOCUMENTED = {0, 2, 3, 4, 5, 6, 7, 8, 75}


FILES: dict[str, bytes] = {
    "empty": b"",
    "blank": b"\n \t\n" * 50,
    "binary": bytes(range(256)) * 20,
    "latin": b"first line\n" + "deuxième ligne, café\n".encode("latin-1") * 50,
    "utf16": ("hello there\n" * 50).encode("utf-16"),
    "short": b"only a few letters",
    "good": b"the cat sat on the mat and so on\n" * 60,
}
TRAIN: list[tuple[list[str], int, str]] = [
    (["gone.txt"], 3, "gone.txt: no such file or folder"),
    (["empty"], 3, "empty: no text in it"),
    (["blank"], 3, "blank: no text in it"),
    (["binary"], 3, "binary: byte 0 is 0, so this is no text in utf-8; wanted a text file"),
    (["latin"], 3, "latin, line 2, byte 6: 0xe8 is not utf-8; say encoding=latin-1, or what it is"),
    (["utf16"], 3, "utf16: byte 3 is 0, so this is no text in utf-8"),
    (["good", "encoding=klingon"], 3, "encoding=klingon is unknown"),
    (["short"], 3, "give more text"),
    (["good", "window=5000"], 3, "give more text"),
    (["good", "held_out=0.0001"], 3, "held_out=0.0001: 0 symbols to measure on"),
    (["folder"], 3, "folder: no *.txt file in this folder"),
    (["good/below"], 3, "cannot be read"),
    (["good", "hiden=5"], 2, "hiden: no such option of Text; did you mean hidden?"),
    (["good", "hidden=five"], 2, "hidden=five: wanted whole number"),
    (["good", "hidden=0"], 2, "hidden=0: wanted whole number >= 1"),
    (["good", "lr=-1"], 2, "lr=-1: wanted number > 0"),
    (["good", "seed=1", "seed=2"], 2, "seed is given twice, as 1 and 2"),
    (["good", "short"], 2, "short: one DATA is enough, good stands there already"),
    (["good", "cell=lsmt"], 2, "cell=lsmt: did you mean lstm?"),
    (["good", "device=tpu"], 2, "device=tpu: not on this machine"),
    (["good", "device=meta"], 2, "device=meta: not on this machine"),
    (["good", "unit=letter"], 2, "unit=letter: wanted character|word|subword|unigram"),
    (["good", "seed=99999999999999999999999"], 2, "wanted whole number"),
    (["a=b.txt"], 2, "a: no such option of Text"),
    (["--hidden", "5"], 2, "No such option"),
    (["good", "--out"], 2, "requires an argument"),
]


class TestTrain:
    @pytest.mark.parametrize(
        ("words", "code", "message"), TRAIN, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
    )
    def test_what_cannot_be(
        self, words: list[str], code: int, message: str, command: Callable[..., Ended], tmp_path: Path
    ) -> None:
        for name, content in FILES.items():
            (tmp_path / name).write_bytes(content)
        (tmp_path / "folder").mkdir()
        small = [option for option in SMALL if option.split("=")[0] not in " ".join(words)]
        ended = command("train", "text", *small, "steps=2", *words)
        assert ended.code == code, ended
        assert message in ended.err
        assert ended.out == ""
        assert ended.err.count("\n") == 1 or code == 2
        assert {path.name for path in tmp_path.iterdir()} == {*FILES, "folder"}

    @pytest.mark.parametrize(
        ("out", "code", "message"),
        [
            ("good/run", 6, "good/run: cannot be written"),
            ("/proc/run", 6, "/proc/run: cannot be written"),
            ("full", 2, "full: is there already and is not empty; choose another --out"),
            ("good", 2, "good: is there already and is not empty"),
            (".", 2, "name one that is not there yet"),
            ("", 2, "name one that is not there yet"),
            ("x" * 300, 6, "File name too long"),
        ],
    )
    def test_where_no_run_can_be(
        self, out: str, code: int, message: str, command: Callable[..., Ended], tmp_path: Path
    ) -> None:
        (tmp_path / "good").write_bytes(FILES["good"])
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "mine").write_text("mine")
        ended = command("train", "text", "good", *SMALL, "steps=2", "--out", out)
        assert (ended.code, ended.out) == (code, ""), ended
        assert message in ended.err
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["full", "good", "mine"]

    @pytest.mark.skipif(torch.cuda.is_available(), reason="has the device")
    def test_a_device_that_is_absent(self, command: Callable[..., Ended], tmp_path: Path) -> None:
        (tmp_path / "good").write_bytes(FILES["good"])
        ended = command("train", "text", "good", "device=cuda")
        assert (ended.code, "device=cuda: not on this machine (" in ended.err) == (2, True)

    @pytest.mark.slow
    def test_a_line_of_ten_million_letters(self, command: Callable[..., Ended], tmp_path: Path) -> None:
        (tmp_path / "long").write_text("abcdefghij" * 1_000_000)
        ended = command("train", "text", "long", *SMALL, "steps=2", "check=2", "held_out=0.001")
        assert ended.code == 0, ended

    def test_a_name_that_is_not_unicode(self, command: Callable[..., Ended], tmp_path: Path) -> None:
        name = b"caf\xe9.txt".decode("utf-8", "surrogateescape")
        (tmp_path / name).write_bytes(FILES["good"])
        assert command("train", "text", name, *SMALL, "steps=2", "--out", "run").code == 0
        assert command("evaluate", "run", "--json").code == 0
        assert command("evaluate", "run", name, "--json").code == 0
        assert command("evaluate", "run", name).code == 0

    def test_data_that_change_while_a_run_waits(self, command: Callable[..., Ended], tmp_path: Path) -> None:
        (tmp_path / "good").write_bytes(FILES["good"])
        assert command("train", "text", "good", *SMALL, "steps=2", "--out", "run").code == 0
        (tmp_path / "good").write_bytes(FILES["good"] + b"more\n")
        ended = command("resume", "run")
        assert ended.code == 3
        assert "good: changed since this run began; bring the old data back, or train anew" in ended.err

    def test_a_full_disk(self, command: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        (tmp_path / "good").write_bytes(FILES["good"])
        monkeypatch.setattr("os.fsync", full)
        ended = command("train", "text", "good", *SMALL, "steps=2", "--out", "run")
        assert ended.code == 6
        assert "No space left on device); free space or choose another folder" in ended.err
        assert [path.name for path in tmp_path.iterdir()] == ["good"]

    def test_no_memory(self, command: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def none(_: Corpus, __: float) -> None:
            raise MemoryError

        (tmp_path / "good").write_bytes(FILES["good"])
        monkeypatch.setattr(Corpus, "split", none)
        ended = command("train", "text", "good", *SMALL, "steps=2", "--out", "run")
        assert ended.code == 6, ended
        assert "out of memory" in ended.err

    def test_a_network_that_is_too_large(self, command: Callable[..., Ended], tmp_path: Path) -> None:
        (tmp_path / "good").write_bytes(FILES["good"])
        ended = command("train", "text", "good", "hidden=100000", "layers=1000", "window=16", "--out", "run")
        assert ended.code == 6, ended
        assert "out of memory" in ended.err
        assert [path.name for path in tmp_path.iterdir()] == ["good"]

    @pytest.mark.data
    @pytest.mark.slow
    @pytest.mark.parametrize("unit", ["character", "word"])
    def test_noisy_files(self, unit: str, command: Callable[..., Ended], tmp_path: Path) -> None:
        for file in sorted(dataset("noisy_inputs/text").resolve().iterdir()):
            began = time.monotonic()
            ended = command("train", "text", file, *SMALL, f"unit={unit}", "steps=2", "--out", tmp_path / file.name)
            assert ended.code in (0, 3), (file, ended)
            assert (tmp_path / file.name).exists() == (ended.code == 0), file
            if file.suffix == ".gz" and ended.code == 3:
                (tmp_path / "plain").write_bytes(gzip.decompress(file.read_bytes()))
                assert command("train", "text", tmp_path / "plain", *SMALL, "steps=2").code in (0, 3)
            if ended.code == 0:
                assert command("predict", tmp_path / file.name, file).code == 0
            assert time.monotonic() - began < 20


def damage(pattern: str, content: bytes) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        paths = list(run.glob(pattern))
        assert paths
        for path in paths:
            path.write_bytes(content)

    return apply


def options(**values: object) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        facts = json.loads((run / "run.json").read_text())
        store.write_json(run / "run.json", facts | {"options": facts["options"] | values})

    return apply


DAMAGED: list[tuple[str, Callable[[Path], None], int, str]] = [
    ("evaluate RUN", damage("weights.safetensors", b"not weights"), 4, "weights.safetensors: not a sound safetensors file"),
    ("generate RUN", damage("weights.safetensors", b""), 4, "weights.safetensors: not a sound safetensors file"),
    ("predict RUN RUN/run.json", damage("weights.safetensors", b""), 4, "not a sound safetensors file"),
    ("generate RUN", lambda run: (run / "weights.safetensors").unlink(), 4, "not there yet; recurra resume"),
    ("generate RUN", options(hidden=17), 4, "weights.safetensors: not the weights of"),
    ("generate RUN", options(cell="gru"), 4, "weights.safetensors: not the weights of"),
    ("generate RUN", options(cell="gone"), 2, "cell=gone: choose from"),
    ("evaluate RUN", damage("vocabulary.json", b"{}"), 4, "vocabulary: not one that recurra writes"),
    ("evaluate RUN", lambda run: (run / "vocabulary.json").unlink(), 4, "vocabulary.json: no such file"),
    ("resume RUN", damage("run.json", b'{"format": 1'), 4, "run.json: not the JSON that recurra writes"),
    ("resume RUN", damage("run.json", b"{}"), 4, "run.json: not what recurra writes"),
    ("resume RUN", options(hidden=0), 4, "run.json: not what recurra writes"),
    ("resume RUN", options(hidden=17), 5, "checkpoints: not those of the model in"),
    ("resume RUN", options(optimizer="gone"), 4, "run.json: not what recurra writes"),
    ("resume RUN", lambda run: (run / "run.json").unlink(), 4, "not a run folder, it has no run.json"),
    ("resume RUN", damage("checkpoints/*/manifest.json", b"{}"), 5, "no checkpoint is sound: remove"),
    ("resume RUN", damage("checkpoints/*/tensors.safetensors", b"x"), 5, "no checkpoint is sound: remove"),
    ("resume RUN/weights.safetensors", lambda run: None, 4, "not a run folder"),
    ("resume gone", lambda run: None, 4, "gone: not a run folder, it has no run.json; recurra train makes one"),
    ("evaluate .", lambda run: None, 4, "not a run folder"),
    ("evaluate RUN gone.txt", lambda run: None, 3, "gone.txt: no such file or folder"),
    ("evaluate RUN weights=int4", lambda run: None, 2, "weights=int4: wanted full|bfloat16|int8"),
    ("evaluate RUN weight=int8", lambda run: None, 2, "weight: no such option of EvaluationOptions; did you mean weights?"),
    ("evaluate RUN a.txt b.txt", lambda run: None, 2, "b.txt: one DATA is enough, a.txt stands there already"),
    ("evaluate RUN RUN/weights.safetensors", lambda run: None, 3, "so this is no text in utf-8"),
    ("predict RUN gone.txt", lambda run: None, 3, "gone.txt: no such file or folder"),
    ("predict RUN RUN", lambda run: None, 3, "cannot be read (Is a directory)"),
    ("predict RUN RUN/run.json --out gone/x", lambda run: None, 6, "gone/x: cannot be written"),
    ("predict RUN", lambda run: None, 2, "predict wants a file of lines: recurra predict run FILE"),
    ("generate RUN prompt=☃", lambda run: None, 3, "prompt: '☃' at place 1 is none of the"),
    ("generate RUN prompt=\udcff", lambda run: None, 3, "at place 1 is none of the"),
    ("generate RUN once", lambda run: None, 2, "once: wanted name=value, such as prompt='once'"),
    (
        "generate RUN temprature=1",
        lambda run: None,
        2,
        "temprature: no such option of TextGeneration; did you mean temperature?",
    ),
    ("generate RUN length=0", lambda run: None, 2, "length=0: wanted whole number"),
    ("generate RUN top_p=7", lambda run: None, 2, "top_p=7: wanted number > 0 <= 1"),
    ("cells --size 0", lambda run: None, 2, "input_size is 0; wanted at least 1"),
]


class TestRuns:
    @pytest.mark.parametrize(
        ("words", "apply", "code", "message"), DAMAGED, ids=lambda value: value if isinstance(value, str) else ""
    )
    def test_what_cannot_be(
        self,
        words: str,
        apply: Callable[[Path], None],
        code: int,
        message: str,
        command: Callable[..., Ended],
        trained: package.Run,
        tmp_path: Path,
    ) -> None:
        run = Path(shutil.copytree(trained.folder, tmp_path / "run"))
        apply(run)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        ended = command(*words.replace("RUN", "run").split(" "))
        assert ended.code == code, ended
        assert message in ended.err
        assert ended.err.count("\n") == 1 or code == 2
        after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
        assert after == {path: content for path, content in before.items() if path.name != ".lock"}

    def test_a_damaged_newest_checkpoint_is_told(
        self, command: Callable[..., Ended], trained: package.Run, tmp_path: Path
    ) -> None:
        run = Path(shutil.copytree(trained.folder, tmp_path / "run"))
        (max((run / "checkpoints").iterdir()) / "tensors.safetensors").write_bytes(b"x")
        ended = command("resume", "run")
        assert ended.code == 0, ended
        assert "note: run/checkpoints/step-000000120/tensors.safetensors: damaged" in ended.out.replace("\n", " ")
        assert (run / "weights.safetensors").read_bytes() == (trained.folder / "weights.safetensors").read_bytes()

    def test_strange_bytes_in_a_prompt_of_words(self, command: Callable[..., Ended], tmp_path: Path) -> None:
        (tmp_path / "good").write_bytes(FILES["good"])
        for unit in ("word", "subword"):
            assert command("train", "text", "good", *SMALL, f"unit={unit}", "steps=2", "--out", unit).code == 0
            ended = command("generate", unit, "prompt=the \udcff", "length=5")
            assert ended.code in DOCUMENTED, ended

    def test_a_run_in_use(self, command: Callable[..., Ended], trained: package.Run, tmp_path: Path) -> None:
        run = Path(shutil.copytree(trained.folder, tmp_path / "run"))
        with guard.locked(run):
            assert command("resume", "run").code == 8
            assert command("generate", "run", "length=5").code == 0


def test_a_label_is_not_searched_for(command: Callable[..., Ended], tmp_path: Path) -> None:
    rows = [f'{{"strokes": [[[0, 0], [{k}, {k % 2}]]], "text": "{"ab"[k % 2]}"}}\n' for k in range(1, 41)]
    (tmp_path / "ink.jsonl").write_text("".join(rows))
    small = ["output=label", "hidden=4", "channels=2", "steps=1", "held_out=0.5"]
    assert command("train", "read", "ink.jsonl", *small, "pooling=mean", "--out", "run").code == 0
    assert command("predict", "run", "ink.jsonl", "best=2").code == 0
    ended = command("predict", "run", "ink.jsonl", "beam=16")
    told = "recurra: run: beam=16: a label is not searched for; wanted a run with output=text, or no beam\n"
    assert (ended.code, ended.err) == (2, told)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["train", "text", "empty"], 3, "recurra: empty: no text in it; wanted at least a few thousand characters\n"),
        (["train", "text", "empty", "hiden=5"], 2, "recurra: hiden: no such option of Text; did you mean hidden?\n"),
        (["resume", "gone"], 4, "recurra: gone: not a run folder, it has no run.json; recurra train makes one\n"),
    ],
)
def test_the_process_says_the_same(words: list[str], code: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    done = recurra(*words, code=code, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", message)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_debug_shows_where(command: Callable[..., Ended]) -> None:
    for words in (["--debug", "resume", "gone"], ["resume", "gone", "--debug"]):
        ended = command(*words)
        assert ended.code == 4
        assert "Traceback" in ended.err
        assert ended.err.splitlines()[-1].startswith("recurra: gone: not a run folder")
