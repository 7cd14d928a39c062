"""The face of each package is a list, and everything on it is explained."""

import inspect
import re
import subprocess
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from tests.test_floors import MODULES

NAMES = ["recurra" + (f".{name}" if name else "") for name in MODULES]
PACKAGES = [name for name, path in zip(NAMES, MODULES.values(), strict=True) if path.name == "__init__.py"]
LISTED = [name for name in NAMES if not name.endswith("__main__")]


def order(name: str) -> tuple[int, list[tuple[int, str]]]:
    """CONSTANTS, then Classes, then all else; numbers inside names by value (ruff's RUF022)."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def public(module: ModuleType) -> list[str]:
    names = getattr(module, "__all__", None)
    assert names is not None, f"{module.__name__} has no __all__"
    return list(names)


@pytest.mark.parametrize("name", LISTED)
def test_every_module_says_what_it_is(name: str) -> None:
    doc = import_module(name).__doc__
    assert doc
    assert doc.strip()


@pytest.mark.parametrize("name", LISTED)
def test_the_list_is_sorted_and_true(name: str) -> None:
    module = import_module(name)
    if name not in PACKAGES and not hasattr(module, "__all__"):
        return
    names = public(module)
    assert names == sorted(set(names), key=order)
    assert all(hasattr(module, one) for one in names)


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_thing_is_explained(name: str) -> None:
    module = import_module(name)
    mute = [one for one in public(module) if _wants_words(getattr(module, one)) and not _words(getattr(module, one))]
    assert not mute


def _wants_words(thing: Any) -> bool:
    return inspect.isclass(thing) or inspect.isroutine(thing)


def _words(thing: Any) -> str:
    doc = thing.__doc__ or ""
    made = doc.startswith(f"{thing.__name__}(")  # what dataclass and NamedTuple write by themselves
    return "" if made else doc.strip()


def test_the_package_asks_for_nothing() -> None:
    code = "import sys, recurra; print(*sorted({'torch', 'numpy', 'matplotlib', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
