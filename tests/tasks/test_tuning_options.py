import pytest

from recurra.errors import UsageError
from recurra.tasks.options import TASKS, TaskOptions, Text, Tuning
from recurra.tasks.options.tuning import Choices, Dimension, Range, space


class TestSpace:
    @pytest.mark.parametrize(
        ("word", "found"),
        [
            ("hidden=64..512", Range(64, 512, whole=True, log=False)),
            ("hidden=64..640", Range(64, 640, whole=True, log=True)),
            ("lr=1e-4..1e-2", Range(1e-4, 1e-2, whole=False, log=True)),
            ("lr=.002...02", Range(0.002, 0.02, whole=False, log=True)),
            ("dropout=0..0.5", Range(0, 0.5, whole=False, log=False)),
            ("epochs=1..9.9", Range(1, 9.9, whole=False, log=False)),
            ("cell=lstm,gru", Choices(("lstm", "gru"))),
            ("hidden=64,128", Choices(("64", "128"))),
            ("schedule=cosine,exponential", Choices(("cosine", "exponential"))),
            ("tied=true,false", Choices(("true", "false"))),
        ],
    )
    def test_what_is_searched(self, word: str, found: Dimension) -> None:
        assert space(Text, [word]).searched == {word.partition("=")[0]: found}

    @pytest.mark.parametrize("word", ["hidden=64", "cell=gru", "encoding=a,b", "encoding=a..b", "carry=false"])
    def test_what_is_fixed(self, word: str) -> None:
        assert space(Text, ["lr=1e-4..1e-2", word]).fixed == (word,)

    @pytest.mark.parametrize("word", ["hidden=64..512", "lr=0.0001..0.01", "cell=lstm,gru", "dropout=0..0.5"])
    def test_it_says_itself(self, word: str) -> None:
        [(name, found)] = space(Text, [word]).searched.items()
        assert f"{name}={found}" == word
        assert space(Text, [f"{name}={found}"]).searched[name] == found

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ([], "nothing to search; give a range or choices, such as hidden=64..512 or cell=lstm,gru"),
            (["hidden=64"], "nothing to search; give a range or choices, such as hidden=64..512 or cell=lstm,gru"),
            (["hiden=64..512"], "hiden: no such option of Text; did you mean hidden?"),
            (["hiden"], "hiden: wanted name=value; did you mean hidden?"),
            (["hidden=0..512"], "hidden=0: wanted whole number >= 1 <= 100000"),
            (["hidden=64..512.5"], "hidden=512.5: wanted whole number >= 1 <= 100000"),
            (["hidden=64.."], "hidden=: wanted whole number >= 1 <= 100000"),
            (["hidden=512..64"], "hidden=512..64: wanted the lower end first, and another one above it"),
            (["hidden=64..64"], "hidden=64..64: wanted the lower end first, and another one above it"),
            (["dropout=0..1"], "dropout=1: wanted number >= 0 < 1"),
            (["schedule=cosine,none"], "schedule=none: wanted constant|cosine|exponential|plateau|onecycle"),
            (["cell=lstm,lstm"], "cell=lstm,lstm: a choice stands twice"),
            (["lr=1..2", "lr=2..3"], "lr is given twice, as 1..2 and 2..3"),
            (["lr=1..2", "lr=2"], "lr is given twice, as 1..2 and 2"),
            (["lr=2", "lr=1..2"], "lr is given twice, once as 1..2"),
            (["lr=1..2", "hidden=5", "hidden=6"], "hidden is given twice, as 5 and 6"),
            (
                ["unit=word,subword"],
                "unit=word,subword: unit changes what is measured, so scores would not compare; give one value",
            ),
            (["lr=1..2", "hidden=x"], "hidden=x: wanted whole number >= 1 <= 100000"),
        ],
    )
    def test_what_is_said(self, words: list[str], message: str) -> None:
        with pytest.raises(UsageError) as caught:
            space(Text, words)
        assert str(caught.value) == message


@pytest.mark.parametrize("kind", TASKS.values())
def test_options_of_tasks_and_of_the_search_are_apart(kind: type[TaskOptions]) -> None:
    assert not set(kind.model_fields) & set(Tuning.model_fields)
    assert kind.not_searched <= set(kind.model_fields)
