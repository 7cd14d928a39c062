from collections import Counter

from recurra.data import syllables


def test_they_are_the_same_each_time_and_stand_once_in_a_script() -> None:
    names, scripts = found = syllables()
    assert found == syllables()
    assert len(names) == len(scripts) == len(set(zip(names, scripts, strict=True)))
    assert all(name.islower() and name.isascii() for name in names)


def test_of_each_script_there_are_some() -> None:
    names, scripts = syllables()
    counts = Counter(scripts)
    assert len(counts) == 6
    assert min(counts.values()) > 200
    assert max(counts.values()) == 600
    assert {"ka", "ki", "ku"} <= set(names)
