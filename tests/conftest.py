"""One small trained run that many tests look at; none of them changes it."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import recurra

settings.register_profile("house", deadline=None)  # cores are shared: no example is too slow
settings.load_profile("house")

WORDS = ["the", "cat", "dog", "sat", "on", "a", "mat", "and", "then", "ran", "far", "away", "home", "to", "sleep"]
SMALL = {"hidden": 16, "embedding": 8, "layers": 1, "window": 16, "batch": 4, "steps": 120, "check": 30, "lr": 0.02}


def sentences(count: int, seed: int = 0) -> str:
    """Lines of eight random words, the first one always the same."""
    chance = random.Random(seed)
    return "".join(f"once {' '.join(chance.choice(WORDS) for _ in range(7))}.\n" for _ in range(count))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the engine compiles in tests stays among the tests; all workers share it."""
    base = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECURRA_CACHE", str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"))
        yield


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About fifteen thousand characters in 26 letters."""
    path = tmp_path_factory.mktemp("data") / "book.txt"
    path.write_text(sentences(400), "utf-8")
    return path


@pytest.fixture(scope="session")
def trained(book: Path, tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    """A finished run over the book."""
    run: recurra.Run = recurra.Text(**SMALL).fit(book, out=tmp_path_factory.mktemp("runs") / "trained", show=False)
    return run
