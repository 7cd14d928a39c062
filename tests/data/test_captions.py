from pathlib import Path

import pytest

from recurra.data.archives import Place
from recurra.data.captions import MOST, caption
from recurra.errors import DataError


def test_a_file_and_a_member_of_an_archive(tmp_path: Path) -> None:
    (file := tmp_path / "a.txt").write_bytes(" eins\n zwei\n".encode("utf-8-sig"))
    assert caption(Place(file), file) == "eins zwei"
    assert caption(Place(tmp_path / "a.tar", "a.txt"), b"gr\xfcn", "latin-1") == "grün"


@pytest.mark.parametrize(
    ("content", "encoding", "said"),
    [
        (b"a\n\xe4", "utf-8", "a.tar:b.txt, line 2, byte 1: 0xe4 is not utf-8; say encoding=latin-1, or what it is"),
        (b"a", "utf-99", "a.tar:b.txt: encoding=utf-99 is unknown; wanted utf-8, latin-1, cp1252, utf-16, ..."),
        (
            b"a" * (MOST + 1),
            "utf-8",
            "a.tar:b.txt: 1,000,001 bytes; wanted at most 1,000,000",
        ),
    ],
)
def test_what_is_refused(content: bytes, encoding: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        caption(Place(Path("a.tar"), "b.txt"), content, encoding)
    assert str(caught.value).startswith(said)
