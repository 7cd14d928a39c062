"""The verb `cells`: a table that fits a terminal, one member whole, and the same as JSON."""

import json

import pytest
from typer.testing import CliRunner

from recurra.cli.main import app
from recurra.layers import FAMILY


def cells(*words: str, columns: int = 100) -> str:
    done = CliRunner().invoke(app, ["cells", *words], env={"COLUMNS": str(columns)}, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


class TestTable:
    def test_every_member_has_its_line(self) -> None:
        lines = cells("--size", "8").splitlines()
        firsts = [line.split()[0] for line in lines if line and not line.startswith(" ")]
        assert [name for name in firsts if name in FAMILY] == list(FAMILY)

    def test_it_says_what_runs_in_python_by_decision(self) -> None:
        assert "In Python by decision" in cells("--size", "8")

    def test_it_fits_a_hundred_columns_and_no_equation_is_broken(self) -> None:
        assert all(19 + 8 + 11 + 2 + len(one.equation) <= 100 for one in FAMILY.values())


class TestOne:
    def test_the_equation_is_shown_as_it_runs(self) -> None:
        text = cells("lstm")
        assert "gates: input, forget, cell, output\n" in text
        assert "biases that do not start at 0: forget 1.0\n" in text
        assert "c = f * s.c + i * g" in text
        assert "526,336" in text

    def test_formulas_in_words_are_read_as_letters(self) -> None:
        text = cells("lru")
        assert "sqrt(1 - |λ|^2)" in text
        assert "\\" not in text
        assert ">>>" not in text

    @pytest.mark.parametrize("name", ["mlstm", "qrnn", "slstm", "antisymmetric"])
    def test_all_kinds_have_a_page(self, name: str) -> None:
        assert cells(name).startswith(f"{name}: {FAMILY[name].equation}\n")
        assert "def step(" in cells(name)


class TestJson:
    def test_all(self) -> None:
        told = json.loads(cells("--json", "--size", "10"))
        assert [one["name"] for one in told] == list(FAMILY)
        assert {one["name"]: one["parameters"] for one in told}["lstm"] == 880  # 10 to 10, two biases
        assert {one["engine"] for one in told} == {"sweep", "torch", "python"}

    def test_counts_are_those_of_layers(self) -> None:
        told = {one["name"]: one["parameters"] for one in json.loads(cells("--json", "--size", "8"))}
        for name in ("lstm-projected", "lru", "slstm", "antisymmetric", "orthogonal"):
            assert told[name] == sum(weight.numel() for weight in FAMILY[name].build(8, 8).parameters())

    def test_one(self) -> None:
        [told] = json.loads(cells("janet", "--json"))
        assert told["gates"] == ["forget", "cell"]
        assert told["step"].startswith("def step(self")
