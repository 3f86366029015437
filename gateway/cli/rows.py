"""A person's own CSV file, read strictly, and how a command on such files says what it found or what is wrong."""

import csv
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

Json = dict[str, Any]
Floats = NDArray[np.float64]


class BadRows(Exception):
    """What is wrong with a file; the message is for whoever wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The cells of a file, trimmed, by column; an empty one is a missing value."""

    name: str
    """Of the file, for messages."""
    columns: dict[str, list[str]]
    lines: list[int]
    """In which line of the file each row ends."""

    def __len__(self) -> int:
        return len(self.lines)

    def require(self, *names: str) -> None:
        """Raise `BadRows` unless all these columns are there."""
        missing = [name for name in names if name not in self.columns]
        if missing:
            raise BadRows(
                f"{self.name} has no column {', '.join(missing)}; its columns are {', '.join(self.columns) or 'none'}"
            )

    def numbers(self, name: str, least: float = -inf, most: float = inf) -> Floats:
        """A column of finite numbers, NaN where a cell is empty.

        Raises:
            BadRows: there is no such column, or a cell is not a number from `least` to `most`.
        """
        self.require(name)
        return np.array([self._number(name, row, least, most) for row in range(len(self))], dtype=np.float64)

    def outcomes(self, name: str) -> Floats:
        """A column of 0 and 1, NaN where a cell is empty."""
        values = self.numbers(name)
        odd = np.flatnonzero(~np.isnan(values) & (values != 0) & (values != 1))
        if len(odd):
            raise BadRows(f"{self._place(name, odd[0])}: {self.columns[name][odd[0]]!r} is neither 0 nor 1")
        return values

    def _number(self, name: str, row: int, least: float, most: float) -> float:
        text = self.columns[name][row]
        if not text:
            return float("nan")
        try:
            # Python reads 1_000 as a number; no other program that writes or reads such files does.
            value = float(text) if "_" not in text else inf
        except ValueError:
            value = inf
        if not isfinite(value):
            hint = "; leave the cell empty if the value is missing" if text.lower() in MISSING_ELSEWHERE else ""
            raise BadRows(f"{self._place(name, row)}: {text[:40]!r} is not a number{hint}")
        if not least <= value <= most:
            raise BadRows(f"{self._place(name, row)}: {text} is not from {least:g} to {most:g}")
        return value

    def _place(self, name: str, row: int) -> str:
        return f"{self.name}, line {self.lines[row]}, column {name}"


MISSING_ELSEWHERE = {"nan", "na", "n/a", "null", "none", "-", "."}


def read_table(path: Path) -> Table:
    """Read a comma-separated file with a header.

    Raises:
        BadRows: it cannot be read, has no header or no rows, or a row does not fit the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            rows = [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        raise BadRows(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadRows(f"{path} is not a text file in UTF-8") from None
    except csv.Error as error:
        raise BadRows(f"{path} is not a CSV file: {error}") from None
    _check_header(path, header)
    if not rows:
        raise BadRows(f"{path} has a header but no rows")
    for line, row in rows:
        if len(row) != len(header):
            raise BadRows(f"{path}, line {line}: {len(row)} cells, but the header names {len(header)} columns")
    columns = {name: [row[at].strip() for _, row in rows] for at, name in enumerate(header)}
    return Table(name=str(path), columns=columns, lines=[line for line, _ in rows])


def _check_header(path: Path, header: Sequence[str]) -> None:
    if not any(header):
        raise BadRows(f"{path} is empty: a header and rows are needed")
    for at, name in enumerate(header):
        if not name:
            raise BadRows(f"{path}: column {at + 1} of the header has no name")
        if name in header[:at]:
            raise BadRows(f"{path}: two columns are called {name}")


def warn(command: str, sentence: str) -> None:
    """Say something about the rows that does not stop the command."""
    print(f"fallgate {command}: {sentence}", file=sys.stderr)


def run_offline(command: str, act: Callable[[], Json], show: Callable[[Json], None], *, as_json: bool) -> None:
    """Compute something from files and show it.

    Exit 1 with a sentence when the files are bad; with `as_json` standard output is one object either way, and then
    its only key is `error`.
    """
    try:
        found = act()
    except BadRows as failure:
        if as_json:
            print(json.dumps({"error": {"message": str(failure), "code": None}}, ensure_ascii=False))
        else:
            print(f"fallgate {command}: {failure}", file=sys.stderr)
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps(found, ensure_ascii=False, allow_nan=False))
    else:
        show(found)
