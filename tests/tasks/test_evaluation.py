import json
import math

from recurra.tasks.evaluation import Evaluation, Figure, Held, Rows


def test_json() -> None:
    figures = (Figure("bits", 1.5, (1.4, 1.6), {"unigram": 4.0}), Figure("other", 2.0, (math.nan, math.nan), {}))
    assert Evaluation("text", "here", figures, ("a note",)).as_json() == {
        "task": "text",
        "data": "here",
        "metrics": {
            "bits": {"value": 1.5, "interval": [1.4, 1.6], "baselines": {"unigram": 4.0}},
            "other": {"value": 2.0, "interval": [None, None], "baselines": {}},
        },
        "notes": ["a note"],
    }


def test_what_weights_in_fewer_bytes_cost() -> None:
    figure = Figure("bits", 1.5, (1.4, 1.6), {}, Held("int8", 1.25, 0.25, (0.125, math.nan)))
    made = Evaluation("text", "here", (figure,), ()).as_json()
    assert made["metrics"]["bits"] == {
        "value": 1.5,
        "interval": [1.4, 1.6],
        "baselines": {},
        "weights": {"held": "int8", "full": 1.25, "difference": 0.25, "interval": [0.125, None]},
    }


def test_what_is_not_finite_is_null() -> None:
    made = Evaluation("text", "x", (Figure("a", math.nan, (-math.inf, math.inf), {"b": math.inf}),), ()).as_json()
    assert json.loads(json.dumps(made, allow_nan=False))["metrics"]["a"] == {
        "value": None,
        "interval": [None, None],
        "baselines": {"b": None},
    }


def test_tables_are_rows_of_objects() -> None:
    rows = Rows("by label", ("label", "recall", "count"), (("a", math.nan, 3), ("b", 0.5, 4)))
    told = Evaluation("classify", "here", (), (), (rows,)).as_json()
    assert told["tables"] == {
        "by label": [{"label": "a", "recall": None, "count": 3}, {"label": "b", "recall": 0.5, "count": 4}]
    }
    assert json.dumps(told, allow_nan=False)
