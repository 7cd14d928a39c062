import gc
import time
from collections.abc import Callable

import pytest

from recurra.bench.timing import TICK, Timer


class Clock:
    """Time passes only where a call takes some."""

    def __init__(self) -> None:
        self.now, self.order = 0.0, list[str]()

    def __call__(self) -> float:
        return self.now

    def takes(self, name: str, *seconds: float) -> Callable[[], None]:
        """A call that takes these seconds in turn, the last of them from then on."""
        left = list(seconds)

        def call() -> None:
            self.order.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "perf_counter", made)
    return made


def test_contenders_take_turns_after_a_warm_up(clock: Clock) -> None:
    """Once each to warm up, then rounds, each of which another one begins."""
    Timer(3, 3, 0.0).medians({"a": clock.takes("a", 1.0), "b": clock.takes("b", 2.0)})
    assert "".join(clock.order) == "ab ab ba ab".replace(" ", "")


def test_the_median_forgets_the_warm_up_and_what_is_odd(clock: Clock) -> None:
    found = Timer(5, 5, 0.0).medians({"a": clock.takes("a", 90.0, 1.0, 2.0, 70.0, 3.0, 0.5)})
    assert found == {"a": 2.0}


def test_short_calls_are_repeated(clock: Clock) -> None:
    found = Timer(3, 3, 0.0).medians({"short": clock.takes("short", TICK / 100), "long": clock.takes("long", 1.0)})
    assert found == {"short": pytest.approx(TICK / 100), "long": 1.0}
    assert clock.order.count("short") == 2 + 2 * 100
    assert clock.order.count("long") == 4


@pytest.mark.parametrize(("budget", "rounds"), [(0.0, 3), (4.5, 5), (100.0, 9)])
def test_rounds_as_the_budget_lets(budget: float, rounds: int, clock: Clock) -> None:
    Timer(3, 9, budget).medians({"a": clock.takes("a", 1.0)})
    assert len(clock.order) == 1 + rounds


def test_no_garbage_is_collected_meanwhile() -> None:
    seen = set[bool]()
    Timer(3, 3, 0.0).medians({"a": lambda: seen.add(gc.isenabled())})
    assert False in seen
    assert gc.isenabled()
