import json
import math
from typing import Any, Literal, get_origin

import pytest
from pydantic import Field

import recurra
from recurra.cells import CELLS
from recurra.engine import ENGINES
from recurra.errors import UsageError
from recurra.tasks.options import TASKS, Options, TaskOptions, Text, TextGeneration, described
from recurra.train import OPTIMIZERS

ALL = [*TASKS.values(), TextGeneration]


class TestParse:
    def test_words_become_values(self) -> None:
        made = Text.parse(["hidden=64", "lr=1e-3", "residual=true", "cell=gru", "schedule=plateau", "encoding="])
        assert made == Text(hidden=64, lr=0.001, residual=True, cell="gru", schedule="plateau", encoding="")

    def test_a_value_may_hold_anything(self) -> None:
        assert TextGeneration.parse(["prompt=a=b = c\n"]).prompt == "a=b = c\n"

    def test_nothing_is_the_default(self) -> None:
        assert Text.parse([]) == Text()

    @pytest.mark.parametrize("kind", ALL)
    def test_values_survive_json(self, kind: type[Options]) -> None:
        made = kind()
        assert kind(**json.loads(json.dumps(made.model_dump()))) == made

    @pytest.mark.parametrize("kind", ALL)
    def test_what_help_shows_is_the_default(self, kind: type[Options]) -> None:
        assert kind.parse([f"{option.name}={option.default}" for option in described(kind)]) == kind()

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["hiden=64"], "hiden: no such option of Text; did you mean hidden?"),
            (["Hidden=64"], "Hidden: no such option of Text; did you mean hidden?"),
            (["hidden=64", "droput=1"], "droput: no such option of Text; did you mean dropout?"),
            (["hidden=64", "hidden=65"], "hidden is given twice, as 64 and 65"),
            (["hidden=64", "hidden=64"], "hidden is given twice, as 64 and 64"),
            (["hiden"], "hiden: wanted name=value; did you mean hidden?"),
            (["hidden=x"], "hidden=x: wanted whole number >= 1 <= 100000"),
            (["hidden="], "hidden=: wanted whole number >= 1 <= 100000"),
            (["hidden=0"], "hidden=0: wanted whole number >= 1 <= 100000"),
            (["hidden=-5"], "hidden=-5: wanted whole number >= 1 <= 100000"),
            (["hidden=64.5"], "hidden=64.5: wanted whole number >= 1 <= 100000"),
            (["hidden=64,65"], "hidden=64,65: wanted whole number >= 1 <= 100000"),
            (["hidden=1e10"], "hidden=1e10: wanted whole number >= 1 <= 100000"),
            (["layers=two"], "layers=two: wanted whole number >= 1 <= 1000"),
            (["dropout=1"], "dropout=1: wanted number >= 0 < 1"),
            (["dropout=10%"], "dropout=10%: wanted number >= 0 < 1"),
            (["lr=0"], "lr=0: wanted number > 0 <= 1000"),
            (["lr=nan"], "lr=nan: wanted number > 0 <= 1000"),
            (["lr=inf"], "lr=inf: wanted number > 0 <= 1000"),
            (["lr=1e999"], "lr=1e999: wanted number > 0 <= 1000"),
            (["epochs=inf"], "epochs=inf: wanted number > 0 <= 1000000"),
            (["residual=maybe"], "residual=maybe: wanted true|false"),
            (["optimizer=adamm"], "optimizer=adamm: wanted adamw|adam|nadam|rmsprop|sgd|nt-asgd"),
            (["schedule=Cosine"], "schedule=Cosine: wanted constant|cosine|exponential|plateau|onecycle"),
            (["unit=letters"], "unit=letters: wanted character|word|subword|unigram"),
            (["held_out=0"], "held_out=0: wanted number > 0 < 1"),
            (["held_out=1"], "held_out=1: wanted number > 0 < 1"),
            (["vocabulary=299"], "vocabulary=299: wanted whole number >= 300 <= 1000000"),
            (["seed=-1"], "seed=-1: wanted whole number >= 0 <= 4294967295"),
            (["seed=99999999999999999999"], "seed=99999999999999999999: wanted whole number >= 0 <= 4294967295"),
            (["=5"], ": no such option of Text; choose from accumulate, "),
        ],
    )
    def test_what_is_said(self, words: list[str], message: str) -> None:
        with pytest.raises(UsageError) as caught:
            Text.parse(words)
        assert str(caught.value) == message or (message.endswith(" ") and str(caught.value).startswith(message))

    @pytest.mark.parametrize(
        "word",
        ["temperature=-1", "temperature=inf", "top_p=0", "top_p=2", "min_p=2", "repetition=0", "length=0", "length=1e30"],
    )
    def test_generation_has_bounds_too(self, word: str) -> None:
        with pytest.raises(UsageError, match=f"^{word}: wanted "):
            TextGeneration.parse([word])


class TestKeywords:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"hiden": 64}, "hiden: no such option of Text; did you mean hidden?"),
            ({"hidden": 0}, "hidden=0: wanted whole number >= 1 <= 100000"),
            ({"hidden": "many"}, "hidden=many: wanted whole number >= 1 <= 100000"),
            ({"hidden": None}, "hidden=None: wanted whole number >= 1 <= 100000"),
            ({"hidden": [64]}, "hidden=[64]: wanted whole number >= 1 <= 100000"),
            ({"lr": math.nan}, "lr=nan: wanted number > 0"),
            ({"lr": math.inf}, "lr=inf: wanted number > 0"),
            ({"cell": 5}, "cell=5: wanted text"),
            ({"unit": "letter"}, "unit=letter: wanted character|word|subword|unigram"),
            ({"task": "text"}, "task: no such option of Text; choose from"),
        ],
    )
    def test_they_are_usage_errors(self, values: dict[str, Any], message: str) -> None:
        with pytest.raises(UsageError) as caught:
            recurra.Text(**values)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)

    def test_a_value_does_not_change(self) -> None:
        with pytest.raises(Exception, match="frozen"):
            recurra.Text().hidden = 5


class TestDescribed:
    @pytest.mark.parametrize("kind", ALL)
    def test_every_option_is(self, kind: type[Options]) -> None:
        assert [option.name for option in described(kind)] == list(kind.model_fields)
        assert all(option.kind and option.help for option in described(kind))
        assert all(option.help[-1] not in ". " and option.help[0] != " " for option in described(kind))

    def test_kinds(self) -> None:
        class Odd(Options):
            a: int = Field(1, ge=0, le=9)
            b: float = Field(0.5, gt=0, lt=1)
            c: bool = True
            d: str = "x"
            e: Literal["p", "q"] = "p"

        assert [option.kind for option in described(Odd)] == [
            "whole number >= 0 <= 9",
            "number > 0 < 1",
            "true|false",
            "text",
            "p|q",
        ]
        assert [option.default for option in described(Odd)] == ["1", "0.5", "true", "x", "p"]

    @pytest.mark.parametrize(
        ("name", "choices"),
        [("optimizer", set(OPTIMIZERS)), ("engine", {"auto", *ENGINES})],
    )
    def test_choices_are_those_there_are(self, name: str, choices: set[str]) -> None:
        field = Text.model_fields[name]
        assert get_origin(field.annotation) is Literal
        assert set({option.name: option.kind for option in described(Text)}[name].split("|")) == choices

    @pytest.mark.parametrize("kind", TASKS.values())
    def test_what_is_common_has_one_group(self, kind: type[TaskOptions]) -> None:
        grouped = [name for names in kind.headings.values() for name in names if name in kind.model_fields]
        assert len(grouped) == len(set(grouped))
        assert set(TaskOptions.model_fields) <= set(grouped)
        assert {name for names in kind.headings.values() for name in names} <= {
            name for task in TASKS.values() for name in task.model_fields
        }

    def test_the_default_cell_is_there(self) -> None:
        assert Text().cell in CELLS

    def test_tasks_are_named_by_themselves(self) -> None:
        assert all(name == kind.task and kind.summary for name, kind in TASKS.items())
