"""A version's training set, read strictly, as summaries of what its requests are like: no text of it goes further.

    {"messages": [{"role": "user", "content": …}, …, {"role": "assistant", …}]}    a chat, with the answer to learn
    {"prompt": text or messages, …}, {"text": …, …}                                a text

One JSON object a line. The rows are dealt out to chunks in turn, so that a file that is sorted by its labels makes
chunks that are alike.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

from routing.drift.describe import InputFacts, describe_input, last_user_text
from routing.drift.summary import Gatherer, Summary

CHUNKS: Final = 20
MIN_ROWS: Final = 200
"""Ten a chunk."""
MOST_ROWS: Final = 20_000
"""Of a longer file every second, third, … row is described."""
MAX_LINE_BYTES: Final = 4 * 1024 * 1024
MAX_FILE_BYTES: Final = 4 * 1024**3
_FORMS: Final = "there is none of messages with a user's text, prompt, and text"


class BadTrainingSet(Exception):
    """Why a file cannot be read as a training set, with the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """What a file comes to."""

    sha256: str
    """Of the file, 64 hexadecimal digits."""
    rows: int
    """All that there are."""
    described: int
    chunks: tuple[Summary, ...]


def read_training_set(path: Path, most_rows: int = MOST_ROWS) -> TrainingSet:
    """Read it twice: once to count and to hash, once to describe `most_rows` of it.

    Raises:
        BadTrainingSet: it cannot be read, is too large, has a line that is no row, or too few rows.
    """
    try:
        digest, rows = _measure(path)
        every = -(-rows // most_rows) or 1
        gatherers = [Gatherer() for _ in range(CHUNKS)]
        described = 0
        with path.open("rb") as file:
            for number, facts in enumerate(_described(path, file, every)):
                gatherers[number % CHUNKS].see()
                gatherers[number % CHUNKS].add_input(facts)
                described += 1
    except OSError as error:
        raise BadTrainingSet(f"{path}: {error.strerror}") from None
    if rows < MIN_ROWS:
        raise BadTrainingSet(f"{path}: has {rows} rows; a reference takes {MIN_ROWS} or more")
    chunks = tuple(gatherer.take() for gatherer in gatherers)
    return TrainingSet(sha256=digest, rows=rows, described=described, chunks=chunks)


def facts_of(row: Mapping[str, Any]) -> InputFacts | None:
    """What a row's request is like; `None` where it has no text.

    How many messages a plain text came with is not known, and left out.
    """
    messages = row.get("messages", row.get("prompt"))
    if isinstance(messages, list) and messages and isinstance(messages[0], dict):
        found = last_user_text({"messages": _asked(messages)})
        return None if found is None else describe_input(*found)
    text = row.get("prompt", row.get("text"))
    if not isinstance(text, str):
        return None
    facts = describe_input(text, 1)
    return replace(facts, numbers={name: value for name, value in facts.numbers.items() if name != "turns"})


def _asked(messages: list[Any]) -> list[Any]:
    """The request without the answers at its end, which the version was to learn."""
    end = len(messages)
    while end and isinstance(messages[end - 1], dict) and messages[end - 1].get("role") == "assistant":
        end -= 1
    return messages[:end]


def _measure(path: Path) -> tuple[str, int]:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise BadTrainingSet(f"{path}: is larger than {MAX_FILE_BYTES // 1024**3} GiB")
    digest, rows = sha256(), 0
    with path.open("rb") as file:
        for _, line in _lines(path, file):
            digest.update(line)
            rows += bool(line.strip())
    return digest.hexdigest(), rows


def _lines(path: Path, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, none of them longer than what may be kept in memory."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise BadTrainingSet(f"{path}:{number}: the line is longer than {MAX_LINE_BYTES // 1024**2} MiB")
        yield number, line


def _described(path: Path, file: BinaryIO, every: int) -> Iterator[InputFacts]:
    at = 0
    for number, line in _lines(path, file):
        if not line.strip():
            continue
        if at % every == 0:
            facts = facts_of(_row(f"{path}:{number}", line))
            if facts is None:
                raise BadTrainingSet(f"{path}:{number}: {_FORMS}")
            yield facts
        at += 1


def _row(where: str, line: bytes) -> Mapping[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadTrainingSet(f"{where}: is not UTF-8") from None
    except RecursionError:
        raise BadTrainingSet(f"{where}: is nested too deeply") from None
    except ValueError as error:
        raise BadTrainingSet(f"{where}: is not a JSON object a line ({error})") from None
    if not isinstance(row, dict):
        raise BadTrainingSet(f'{where}: is not a JSON object, as in {{"messages": [...]}}')
    return row
