"""A training set, read as summaries."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.cli import training_set
from gateway.cli.training_set import CHUNKS, BadTrainingSet, facts_of, read_training_set
from routing.drift.describe import describe_input
from routing.drift.summary import total_of

SYSTEM = {"role": "system", "content": "Label the ticket."}


def chat(text: str, *, turns: int = 1) -> dict[str, object]:
    earlier = [{"role": role, "content": "earlier"} for _ in range(turns - 1) for role in ("user", "assistant")]
    asked = [SYSTEM, *earlier, {"role": "user", "content": text}]
    return {"messages": [*asked, {"role": "assistant", "content": "an answer that nobody describes"}]}


def write(path: Path, rows: list[dict[str, object]] | list[str]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture
def rows() -> list[dict[str, object]]:
    return [chat(f"my parcel number {number} has not arrived, where is it?") for number in range(400)]


def test_a_file_comes_to_chunks_that_are_alike_and_say_nothing_of_answers(
    tmp_path: Path, rows: list[dict[str, object]]
) -> None:
    path = write(tmp_path / "train.jsonl", rows)
    found = read_training_set(path)
    assert (found.rows, found.described) == (400, 400)
    assert found.sha256 == sha256(path.read_bytes()).hexdigest()
    assert [chunk.inputs for chunk in found.chunks] == [400 / CHUNKS] * CHUNKS
    total = total_of(found.chunks)
    assert (total.seen, total.inputs, total.outputs) == (400, 400, 0)
    assert total.sums["turns"] == (2 * 400 * 10**6, 4 * 400 * 10**6)
    assert "nob" not in total.top_grams


def test_what_is_kept_holds_no_text(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    found = read_training_set(write(tmp_path / "train.jsonl", rows))
    kept = json.dumps([chunk.as_document() for chunk in found.chunks])
    assert "parcel" not in kept
    assert "arrived" not in kept


def test_a_sorted_file_makes_the_same_kind_of_chunk_everywhere(tmp_path: Path) -> None:
    sorted_rows = [chat("a"), chat("something much longer than that one")]
    path = write(tmp_path / "train.jsonl", [row for row in sorted_rows for _ in range(200)])
    lengths = [chunk.sums["input_length"][0] for chunk in read_training_set(path).chunks]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        (chat("where is it?"), 2),
        (chat("where is it?", turns=3), 6),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "where is it?"}]}]}, 1),
        ({"prompt": [SYSTEM, {"role": "user", "content": "where is it?"}], "completion": []}, 2),
        ({"prompt": "where is it?", "completion": "there"}, None),
        ({"text": "where is it?", "label": "delivery"}, None),
    ],
)
def test_every_form_of_row_is_the_request_that_it_was(row: dict[str, object], turns: int | None) -> None:
    found = facts_of(row)
    assert found is not None
    wanted = describe_input("where is it?", turns or 1)
    assert found.template == wanted.template
    assert found.grams == wanted.grams
    assert found.numbers.get("turns") == turns


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", ":201: is not a JSON object a line ("),
        ("[1]", ":201: is not a JSON object, as in"),
        ('{"messages": [{"role": "assistant", "content": "x"}]}', ":201: there is none of messages with a user's"),
        ('{"messages": []}', ":201: there is none of"),
        ('{"prompt": 3}', ":201: there is none of"),
        ("{}", ":201: there is none of"),
        ("[" * 100_000, ":201: is n"),
    ],
)
def test_a_line_that_is_no_row_is_told_with_its_number(
    tmp_path: Path, rows: list[dict[str, object]], line: str, said: str
) -> None:
    path = write(tmp_path / "train.jsonl", [json.dumps(row) for row in rows[:200]] + [line])
    with pytest.raises(BadTrainingSet) as refused:
        read_training_set(path)
    assert f"{path}{said}" in str(refused.value)


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    path = write(tmp_path / "train.jsonl", rows)
    path.write_bytes(b"\n" + b'{"text": "caf\xe9"}\n' + path.read_bytes())
    with pytest.raises(BadTrainingSet, match=":2: is not UTF-8"):
        read_training_set(path)


def test_few_rows_are_no_reference(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    with pytest.raises(BadTrainingSet, match="has 199 rows; a reference takes 200 or more"):
        read_training_set(write(tmp_path / "train.jsonl", rows[:199]))
    with pytest.raises(BadTrainingSet, match="has 0 rows"):
        read_training_set(write(tmp_path / "train.jsonl", []))


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadTrainingSet, match=r"nowhere\.jsonl: No such file or directory"):
        read_training_set(tmp_path / "nowhere.jsonl")


def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_set, "MAX_LINE_BYTES", 1024 * 1024)
    path = write(tmp_path / "train.jsonl", ['{"text": "' + "x" * 1024 * 1024 + '"}'])
    with pytest.raises(BadTrainingSet, match=":1: the line is longer than 1 MiB"):
        read_training_set(path)


def test_of_a_long_file_rows_are_taken_from_all_of_it(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    found = read_training_set(write(tmp_path / "train.jsonl", rows), 150)
    assert (found.rows, found.described) == (400, 134)


def test_empty_lines_are_no_rows(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    path = write(tmp_path / "train.jsonl", [line for row in rows for line in (json.dumps(row), "  ")])
    assert read_training_set(path).rows == 400
