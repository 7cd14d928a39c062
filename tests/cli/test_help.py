import subprocess
import sys

import pytest

from recurra.cli.words import option_help, split
from recurra.errors import UsageError
from recurra.tasks.options import TASKS, EvaluationOptions, Options, Text, TextGeneration, described
from tests.cli.process import recurra

COMMANDS = ["train", "resume", "evaluate", "predict", "generate", "tasks", "cells", "cache"]


class TestHelp:
    def test_of_everything(self) -> None:
        text = recurra("--help").stdout
        assert [text.index(f"\n  {name} ") for name in COMMANDS] == sorted(text.index(f"\n  {name} ") for name in COMMANDS)
        assert all(f"{code} " in text for code in (0, 2, 3, 4, 5, 6, 7, 8, 75))
        assert all(len(line) <= 120 for line in text.splitlines())

    def test_of_a_task(self) -> None:
        text = recurra("train", "text", "--help").stdout
        for option in described(Text):
            assert f"    {option.name}={option.default}" in text
            assert option.kind.split()[0] in text
        assert "--out RUN" in text

    @pytest.mark.parametrize(("verb", "kind"), [("generate", TextGeneration), ("evaluate", EvaluationOptions)])
    def test_of_other_options(self, verb: str, kind: type[Options]) -> None:
        text = recurra(verb, "--help").stdout
        assert all(f"    {option.name}={option.default}" in text for option in described(kind))

    @pytest.mark.parametrize("words", [["train"], []])
    def test_nothing_asked_is_answered_with_help(self, words: list[str]) -> None:
        done = recurra(*words, code=2)
        assert "Usage: " in done.stdout + done.stderr
        assert "text" in done.stdout + done.stderr or "train" in done.stdout + done.stderr

    @pytest.mark.parametrize(
        "words", [[], ["--help"], ["train", "text", "--help"], ["generate", "--help"], ["tasks"], ["cache"]]
    )
    def test_it_needs_neither_torch_nor_numpy(self, words: list[str]) -> None:
        code = (
            "import sys, recurra.cli\n"
            f"sys.argv = ['recurra', *{words!r}]\n"
            f"try: {'recurra.cli.main()' if words else 'pass'}\n"
            "except SystemExit: pass\n"
            "print('loaded', *sorted({'torch', 'numpy', 'matplotlib', 'safetensors', 'tokenizers'} & set(sys.modules)))\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "loaded"

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["trian"], "Did you mean 'train'"),
            (["train", "txt"], "Did you mean 'text'"),
            (["train", "text", "a.txt", "--hidden", "5"], "No such option"),
            (["evaluate"], "Missing argument"),
            (["evaluate", "a", "b", "c"], "c: one DATA is enough, b stands there already"),
            (["resume", "a", "b"], "unexpected extra argument"),
            (["cells", "--size", "many"], "Invalid value for '--size'"),
        ],
    )
    def test_words_that_are_none(self, words: list[str], message: str) -> None:
        assert message in recurra(*words, code=2).stderr


class TestWords:
    @pytest.mark.parametrize(
        ("words", "data", "pairs"),
        [
            ([], None, []),
            (["a.txt"], "a.txt", []),
            (["hidden=5", "a.txt", "lr=1"], "a.txt", ["hidden=5", "lr=1"]),
            (["./a=b.txt"], "a=b.txt", []),
            (["/x/a=b.txt"], "/x/a=b.txt", []),
            (["prompt=a b=c"], None, ["prompt=a b=c"]),
            (["encoding="], None, ["encoding="]),
            (["a b=c"], "a b=c", []),
            (["größe=5"], None, ["größe=5"]),
        ],
    )
    def test_split(self, words: list[str], data: str | None, pairs: list[str]) -> None:
        found, rest = split(words)
        assert (None if found is None else str(found), rest) == (data, pairs)

    def test_one_data_is_enough(self) -> None:
        with pytest.raises(UsageError, match=r"^b: one DATA is enough, a stands there already; options are name=value$"):
            split(["a", "hidden=5", "b"])
        with pytest.raises(UsageError, match="one DATA"):
            split(["hidden", "=", "5"])

    def test_options_are_shown_by_what_they_are_about(self) -> None:
        text = option_help(Text)
        order = [
            "Options, as name=value:",
            "  unit=",
            "Recurrent layers:",
            "  cell=",
            "Regularisation:",
            "  zoneout=0.0",
            "Run:",
        ]
        assert [text.index(f"\n{part}") for part in order] == sorted(text.index(f"\n{part}") for part in order)
        assert not any(line.endswith((">=", "<=", "<", ">", "number")) for line in text.splitlines())  # bounds stay together
        assert ":" not in option_help(EvaluationOptions).partition("name=value:")[2]

    @pytest.mark.parametrize("kind", [*TASKS.values(), TextGeneration, EvaluationOptions])
    def test_option_help(self, kind: type[Options]) -> None:
        lines = option_help(kind).splitlines()
        assert all(len(line) <= 104 for line in lines)
        assert "".join(lines).count("=") >= len(described(kind))
