"""Scripts as they are written down: a YAML file, an option of the command, a change by JSON."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from serving.simulated.faults import Fault
from serving.simulated.script import ModelScript, ToolCall

_FIELDS: Final = {field.name for field in fields(ModelScript) if field.init}


def load_scripts(path: Path) -> list[ModelScript]:
    """Read the models of a YAML file: `models:` with a mapping of names to scripts.

    `answers` names a JSONL file, beside the YAML file unless absolute. Raises ValueError with the place and a sentence.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from None
    models = document.get("models") if isinstance(document, dict) else None
    if not isinstance(models, dict) or not models:
        raise ValueError(f"{path}: needs `models:`, a mapping of model names to their scripts")
    scripts = []
    for name, written in models.items():
        try:
            scripts.append(build_script(str(name), written or {}, path.parent))
        except ValueError as error:
            raise ValueError(f"{path}: models.{name}: {error}") from None
    return scripts


def build_script(name: str, written: Mapping[str, Any], beside: Path) -> ModelScript:
    """Build one script from what is written under its name."""
    return _convert({**_with_answers(_checked(written), beside), "name": name})


def parse_option(text: str, beside: Path) -> ModelScript:
    """Read `NAME` or `NAME:key=value,key=value`; several faults are joined with `+`."""
    before, has_settings, _ = text.partition("=")
    if not has_settings:
        return ModelScript(name=text)
    name = before.rpartition(":")[0]
    written: dict[str, Any] = {}
    for setting in text[len(name) + 1 :].split(","):
        key, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--model {text}: '{setting}' is not key=value")
        written[key] = value.split("+") if key == "faults" else value if key == "text" else yaml.safe_load(value)
    try:
        return build_script(name, written, beside)
    except ValueError as error:
        raise ValueError(f"--model {text}: {error}") from None


def patched(script: ModelScript, patch: Mapping[str, Any]) -> ModelScript:
    """Return `script` with the given fields replaced; null sets a field back to its default.

    Raises ValueError with a sentence where the patch does not fit.
    """
    if "name" in patch or "answers" in patch:
        raise ValueError("name and answers cannot be changed at run time")
    now = {field.name: getattr(script, field.name) for field in fields(ModelScript) if field.init}
    changed = {key: value for key, value in _checked(patch).items() if value is not None}
    kept = {key: value for key, value in now.items() if key not in patch}
    return _convert({**kept, **changed})


def describe(script: ModelScript) -> dict[str, Any]:
    """Return a script as JSON; of the answers only how many there are."""
    described: dict[str, Any] = {name: getattr(script, name) for name in sorted(_FIELDS)}
    called = script.tool_call
    return described | {
        "answers": len(script.answers),
        "faults": [str(fault) for fault in script.faults],
        "tool_call": called and {"name": called.name, "arguments": called.arguments},
    }


def load_answers(path: Path) -> dict[str, str]:
    """Read a table of right answers, one JSON object a line.

    A line is either {"prompt": ..., "answer": ...} or a chat in the form that fine-tuning takes, {"messages": [...]},
    whose last user and assistant messages count.
    """
    answers: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"answers: {path} cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                prompt, answer = _row(msgspec.json.decode(line, type=dict[str, Any]))
            except (msgspec.DecodeError, KeyError, TypeError) as error:
                raise ValueError(f"answers: {path}, line {number}: not a prompt with its answer: {error}") from None
            answers[prompt.strip()] = answer
    return answers


def _row(row: Mapping[str, Any]) -> tuple[str, str]:
    if "messages" in row:
        said = {message["role"]: str(message["content"]) for message in row["messages"]}
        return said["user"], said["assistant"]
    return str(row["prompt"]), str(row["answer"])


def _checked(written: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(written, Mapping):
        raise ValueError(f"a script is a mapping, not {written!r}")
    unknown = sorted(str(key) for key in written if key not in _FIELDS)
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; there are: {', '.join(sorted(_FIELDS - {'name'}))}")
    read = dict(written)
    if isinstance(read.get("faults"), list):
        read["faults"] = tuple(_fault(fault) for fault in read["faults"])
    return read


def _fault(written: object) -> object:
    return Fault.parse(str(written)) if isinstance(written, str | int) else written


def _with_answers(written: dict[str, Any], beside: Path) -> dict[str, Any]:
    if isinstance(written.get("answers"), str):
        written["answers"] = load_answers(beside / written["answers"])
    return written


def _convert(written: Mapping[str, Any]) -> ModelScript:
    """Check the types; whole things that were built before are passed as they are."""
    plain = dict(written)
    built = {key: plain.pop(key) for key in ("faults", "tool_call") if isinstance(plain.get(key), tuple | ToolCall)}
    if not all(isinstance(fault, Fault) for fault in built.get("faults", ())):
        raise ValueError("faults: each is a text such as `429:30@0.1`")
    return replace(msgspec.convert(plain, ModelScript), **built)
