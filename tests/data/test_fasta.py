from pathlib import Path

import pytest

from recurra.data import read_inputs, read_labelled
from recurra.data.fasta import read_fasta
from recurra.errors import DataError
from tests.data.reading import Write


@pytest.mark.parametrize(
    ("head", "label"),
    [("one label=EI", "EI"), ("one|class:EI;source=x y", "EI"), ("one some gene EI", "EI"), ("gi|12|EI", "EI"), ("one", "")],
)
def test_where_the_label_stands(write: Write, head: str, label: str) -> None:
    assert read_fasta(write(f">{head}\nACGT\nAC\n", "t.fa")).labels == [label]


def test_what_bases_may_look_like(write: Write) -> None:
    text = ">a x\nACGT\nacgt\n>b y\nAC--GT.\n>c x\nACNNRT\n; a remark\n>d y\nMKWEL*\n>e x\n"
    read = read_fasta(write(text, "t.fa"))
    assert read.inputs == ["ACGTACGT", "ACGT", "ACNNRT", "MKWEL", ""]
    assert read.notes == (
        "t.fa: 1 text with small letters (line 1): read as capitals",
        "t.fa: 1 text with gaps (line 4): the gaps are left out",
        "t.fa: 1 text with letters that are no bases, as of proteins (line 9): kept",
        "t.fa: 1 text with letters for several bases, as N (line 6): kept as letters of their own",
    )
    assert read_fasta(write(">p x\nMKVELF\n", "t.fa")).notes == ("t.fa: read as proteins",)


def test_labels_from_a_table(write: Write, tmp_path: Path) -> None:
    write("name,kind\na,u\nb,v\n", "kinds.csv")
    path = write("".join(f">{name} gene\n{'ACGT' * k}\n" for k in range(1, 9) for name in "abc"), "t.fasta")
    read = read_labelled(path, label="kinds.csv", held_out=0.5)
    assert set(read.learnt.labels) == {"u", "v"}
    assert any("texts without a label" in told for told in read.notes)
    with pytest.raises(DataError, match=r"t.fasta: label=no.csv: no such file; wanted a table of two columns, name and label"):
        read_labelled(path, label="no.csv")


def test_bad_files(write: Write) -> None:
    for text, message in (
        (">a\nAC1T\n", "t.fa, line 2: '1'; wanted letters of bases or amino acids, gaps as - or ."),
        ("ACGT\n>a\n", "t.fa, line 1: 'ACGT'; wanted a line > with a name before any sequence"),
    ):
        with pytest.raises(DataError) as caught:
            read_inputs(write(text, "t.fa"))
        assert str(caught.value).rpartition("/")[2] == message
