import pytest

from recurra.errors import UsageError
from recurra.tasks.options import Comparison, Text
from recurra.tasks.options.comparison import variants


@pytest.mark.parametrize(("budget", "seconds"), [("90s", 90), ("5m", 300), ("1.5h", 5400), ("", 0)])
def test_budgets(budget: str, seconds: float) -> None:
    assert Comparison(budget=budget).seconds == seconds


def test_every_combination() -> None:
    found = variants(Text, ["hidden=8,16", "layers=2", "cell=lstm,gru", "seeds=3", "tied=true,false"])
    assert found.options == ("hidden", "cell", "tied")
    assert len(found.words) == 8
    assert found.words["hidden=16 gru tied=false"] == ("hidden=16", "cell=gru", "tied=false")
    assert found.fixed == ("layers=2", "seeds=3")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hidden=64"], "nothing to compare; give an option two values or more, such as cell=lstm,gru"),
        (["cell=lstm,lstm"], "cell=lstm,lstm: a choice stands twice"),
        (["hiden=8,16"], "hiden: no such option of Text; did you mean hidden?"),
        (["hidden=8,many"], "hidden=many: wanted whole number"),
        (["hidden=8..16"], "hidden=8..16: wanted values, such as hidden=8,16"),
        (["cell=lstm,gru", "seeds=1,2"], "seeds=1,2: every variant has the same seeds; give seeds=N"),
        (["cell=lstm,gru", "seed=1,2"], "seed=1,2: every variant has the same seeds"),
        (["unit=word,character"], "unit=word,character: unit changes what is measured"),
        (["cell=lstm,gru", "budget=5"], "budget=5: wanted a time, such as 90s, 5m or 1h; a number of updates is steps=N"),
        (["cell=lstm,gru", "budget=0s"], "budget=0s: wanted a time"),
        (["cell=lstm,gru", "budget=5m", "steps=9"], "budget=5m and steps both say how long to train; give one of them"),
        (["epochs=1,2", "budget=5m"], "budget=5m and epochs both say how long"),
        (["cell=lstm,gru", "budget=5m", "budget=6m"], "budget is given twice"),
    ],
)
def test_bad(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        variants(Text, words)
    assert str(caught.value).startswith(message)
