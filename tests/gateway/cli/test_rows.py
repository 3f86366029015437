"""A person's own CSV file: what is read, and what is said about what cannot be."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gateway.cli.rows import BadRows, Table, read_table

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_one(text: str) -> Path:
        path = tmp_path / "rows.csv"
        path.write_bytes(text.encode())
        return path

    return write_one


def test_cells_are_trimmed_and_empty_lines_are_skipped(write: Write) -> None:
    table = read_table(write('\ufeffscore , name\r\n 0.5,"a, b"\r\n\r\n1e-3,\r\n'))
    assert table.columns == {"score": ["0.5", "1e-3"], "name": ["a, b", ""]}
    assert table.lines == [2, 4]
    assert table.numbers("score").tolist() == [0.5, 0.001]


def test_an_empty_cell_is_a_missing_value(write: Write) -> None:
    table = read_table(write("correct,x\n1,\n,2\n"))
    assert np.isnan(table.outcomes("correct")).tolist() == [False, True]
    assert np.isnan(table.numbers("x")).tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: a header and rows are needed"),
        ("\n\n", "is empty: a header and rows are needed"),
        ("x,y\n", "has a header but no rows"),
        ("x,,y\n1,2,3\n", "column 2 of the header has no name"),
        ("x,y,x\n1,2,3\n", "two columns are called x"),
        ("x,y\n1,2\n1\n", "line 3: 1 cells, but the header names 2 columns"),
        ("x,y\n1,2,3\n", "line 2: 3 cells, but the header names 2 columns"),
        ('x\n"1"2\n', "is not a CSV file"),
        ('x\n"1\n', "is not a CSV file"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_a_sentence(write: Write, text: str, said: str) -> None:
    with pytest.raises(BadRows, match=said):
        read_table(write(text))


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRows, match="No such file"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(BadRows, match="Is a directory"):
        read_table(tmp_path)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"x\n\xff\xfe\n")
    with pytest.raises(BadRows, match="not a text file in UTF-8"):
        read_table(binary)


def numbers(table: Table) -> object:
    return table.numbers("x")


def outcomes(table: Table) -> object:
    return table.outcomes("x")


def shares(table: Table) -> object:
    return table.numbers("x", least=0, most=1)


@pytest.mark.parametrize(
    ("cell", "read", "said"),
    [
        ("abc", numbers, "line 3, column x: 'abc' is not a number$"),
        ("nan", numbers, "'nan' is not a number; leave the cell empty if the value is missing"),
        ("N/A", numbers, "leave the cell empty"),
        ("inf", numbers, "'inf' is not a number$"),
        ("1_000", numbers, "'1_000' is not a number"),
        ("1e999", numbers, "'1e999' is not a number"),
        ("0.5", outcomes, "line 3, column x: '0.5' is neither 0 nor 1"),
        ("true", outcomes, "'true' is not a number"),
        ("1.5", shares, "line 3, column x: 1.5 is not from 0 to 1"),
    ],
)
def test_a_cell_that_will_not_do_is_named(write: Write, cell: str, read: Callable[[Table], object], said: str) -> None:
    with pytest.raises(BadRows, match=said):
        read(read_table(write(f"x\n1\n{cell}\n")))


def test_a_missing_column_is_named_beside_those_that_are_there(write: Write) -> None:
    table = read_table(write("x,y\n1,2\n"))
    table.require("x", "y")
    with pytest.raises(BadRows, match="has no column a, b; its columns are x, y"):
        table.require("a", "x", "b")
