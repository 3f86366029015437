"""The table of right answers: a JSONL file, one prompt with its answer a line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec


def load_answers(path: Path) -> dict[str, str]:
    """Read a table: prompt -> right answer, both as texts, prompts stripped.

    A line is either {"prompt": ..., "answer": ...} or a chat in the form that fine-tuning takes, {"messages": [...]},
    whose last user and last assistant message count; other keys are left alone. Raises ValueError with the file, the
    line and a sentence.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"answers: cannot read {path}: {error}") from None
    answers: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            prompt, answer = _pair(msgspec.json.decode(line, type=dict[str, Any]))
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise ValueError(
                f'answers: {path}, line {number}: write {{"prompt": ..., "answer": ...}} or {{"messages": [...]}} '
                f"({type(error).__name__}: {error})"
            ) from None
        answers[prompt.strip()] = answer
    if not answers:
        raise ValueError(f"answers: {path} has no line with a prompt and its answer")
    return answers


def _pair(row: Mapping[str, Any]) -> tuple[str, str]:
    if "messages" in row:
        said = {message["role"]: message["content"] for message in row["messages"]}
        return _text(said["user"]), _text(said["assistant"])
    return _text(row["prompt"]), _text(row["answer"])


def _text(written: object) -> str:
    """Return a text as it is, and a JSON answer that was not quoted as JSON."""
    return written if isinstance(written, str) else msgspec.json.encode(written).decode()
