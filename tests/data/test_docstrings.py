import sys
from pathlib import Path

import pytest

from recurra.data import DocstringPairs, docstring_pairs
from recurra.errors import DataError, UsageError

BODY = "All that there is to say of it, in more than just eight words."
FILE = f'''"""What the file is for.

{BODY} File.
"""

class Ship:
    """A ship of the line.

    {BODY} Ship.

    >>> Ship()
    """

    async def sail(self):
        """Go   where the
        wind blows."""

    if True:
        def sink(self):
            r"""Go down with all hands.

            {BODY}
                Sink \\d.
            """
            def inner():
                """Deep inside of it.

                {BODY} Inner.
                """

def short():
    """Too short a body.

    Only five words of it.
    """

def examples():
    """Nothing but examples below.

    >>> one, two, three = 1, 2, 3
    >>> [one, two, three]
    [1, 2, 3]
    """

def colon():
    """These are the arguments:

    {BODY} Colon.
    """

def lines():
    """A summary that goes on
    in a second line.

    {BODY} Lines.
    """

def repeats():
    """Say it all again.

    {BODY} Say it all again, and more.
    """

def same_summary():
    """A ship of the line.

    {BODY} Other.
    """

def same_body():
    """The body of another.

    {BODY} Ship.

    >>> Ship()
    """

def brief():
    """Two words.

    {BODY} Brief.
    """
'''


@pytest.fixture(scope="module")
def library() -> DocstringPairs:
    return docstring_pairs()


def test_what_is_taken_and_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text(FILE)
    assert list(zip(*docstring_pairs(tmp_path), strict=True)) == [
        (f"{BODY} File.", "What the file is for.", "pack:"),
        (f"{BODY} Ship. >>> Ship()", "A ship of the line.", "pack:Ship"),
        (f"{BODY} Sink \\d.", "Go down with all hands.", "pack:Ship.sink"),
        (f"{BODY} Inner.", "Deep inside of it.", "pack:Ship.sink.inner"),
    ]


def test_files_that_are_no_python_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def (")
    (tmp_path / "b.py").write_bytes(b"x = '\xff'")
    (tmp_path / "c.py").write_bytes(b"\0")
    (tmp_path / "d.py").write_text(f'"""A fine \\. summary.\n\n{BODY}"""')  # with an escape that Python warns of
    (tmp_path / "e.py").write_text("x = " + "(" * 5000)
    assert docstring_pairs(tmp_path).names == ("d:",)


def test_a_folder_with_nothing_in_it_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no docstring with a summary line and a body in 0 Python files$"):
        docstring_pairs(tmp_path)


def test_the_standard_library_has_enough(library: DocstringPairs) -> None:
    assert 1500 < len(library.sources) < 2500
    assert len(set(library.sources)) == len(set(library.targets)) == len(set(library.names)) == len(library.names)
    assert not any("\n" in text for text in (*library.sources, *library.targets))
    assert {name.split(":")[0].split(".")[0] for name in library.names} < sys.stdlib_module_names


def test_no_source_has_its_summary(library: DocstringPairs) -> None:
    assert not [name for source, target, name in zip(*library, strict=True) if target.rstrip(".") in source]


def test_reading_it_imports_none_of_it(library: DocstringPairs) -> None:
    assert "antigravity" not in sys.modules


def test_no_package_stands_on_both_sides(library: DocstringPairs) -> None:
    learnt, held_out = library.split(0.1)
    homes = [{name.split(":")[0].split(".")[0] for name in side.names} for side in (learnt, held_out)]
    assert not homes[0] & homes[1]
    assert sorted(learnt.names + held_out.names) == sorted(library.names)
    assert 0.08 * len(library.names) < len(held_out.names) <= 0.1 * len(library.names)
    assert library.fingerprint != learnt.fingerprint


def test_which_package_is_held_out_does_not_depend_on_its_text() -> None:
    names = tuple(f"m{k}:f" for k in range(40))
    one, other = (DocstringPairs((text,) * 40, (text,) * 40, names).split(0.2) for text in "ab")
    assert one[1].names == other[1].names
    assert len(one[1].names) == 8


def test_no_share_and_all_of_it_are_refused(library: DocstringPairs) -> None:
    for share in (0.0, 1.0):
        with pytest.raises(UsageError, match="wanted one between 0 and 1"):
            library.split(share)
