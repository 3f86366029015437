"""Scripts as they are written down: a YAML file, an option of the command, a change by JSON."""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from serving.simulated.answer_table import load_answers
from serving.simulated.faults import Fault
from serving.simulated.script import ModelScript

_FIELDS: Final = tuple(field.name for field in fields(ModelScript))
_SETTABLE: Final = frozenset(_FIELDS) - {"name"}
_MISFIT: Final = re.compile(r"(?P<sentence>.*) - at `\$\.(?P<where>.*)`")  # how msgspec words it


def load_scripts(path: Path) -> list[ModelScript]:
    """Read the models of a YAML file: `models:`, a mapping of names to scripts.

    `answers` names a JSONL file, beside the YAML file unless absolute. Raises ValueError with the place and a sentence.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from None
    models = document.get("models") if isinstance(document, dict) else None
    if not isinstance(models, dict) or not models:
        raise ValueError(f"{path}: needs `models:`, a mapping of model names to their scripts")
    unknown = sorted(str(key) for key in document if key != "models")
    if unknown:
        raise ValueError(f"{path}: unknown: {', '.join(unknown)}; there is only `models`")
    scripts = []
    for name, written in models.items():
        try:
            scripts.append(build_script(str(name), {} if written is None else written, beside=path.parent))
        except ValueError as error:
            raise ValueError(f"{path}: models.{name}: {error}") from None
    return scripts


def parse_option(text: str, beside: Path) -> ModelScript:
    """Read `NAME` or `NAME:key=value,key=value`; several faults are joined with `+`.

    A name may hold colons: what follows the last one before the first `=` is the first key.
    """
    before, has_settings, _ = text.partition("=")
    name = before.rpartition(":")[0] if has_settings else text
    settings = text[len(name) + 1 :].split(",") if has_settings else []
    written: dict[str, Any] = {}
    try:
        for setting in settings:
            key, equals, value = setting.partition("=")
            if not equals:
                raise ValueError(f"'{setting}' is not key=value")
            written[key] = _parse_value(key, value)
        return build_script(name, written, beside=beside)
    except ValueError as error:
        raise ValueError(f"--model {text}: {error}") from None


def build_script(name: str, written: Mapping[str, Any], *, beside: Path) -> ModelScript:
    """Build one script from what is written under its name."""
    settings = _checked(written)
    if isinstance(settings.get("answers"), str):
        settings["answers"] = load_answers(beside / settings["answers"])
    return _convert({**settings, "name": name})


def patched(script: ModelScript, patch: Mapping[str, Any]) -> ModelScript:
    """Return `script` with the fields of `patch` replaced; null sets one back to its default.

    Raises ValueError with a sentence where the patch does not fit.
    """
    settings = _checked(patch)
    if "answers" in settings:
        raise ValueError("answers: cannot be changed at run time")
    given = {key: value for key, value in settings.items() if value is not None}
    new = _convert({**given, "name": script.name})
    return replace(script, **{key: getattr(new, key) for key in settings})


def describe(script: ModelScript) -> dict[str, Any]:
    """Return a script as JSON; of the answers only how many there are."""
    called = script.tool_call
    return {name: getattr(script, name) for name in _FIELDS} | {
        "answers": len(script.answers),
        "faults": [str(fault) for fault in script.faults],
        "tool_call": called and {"name": called.name, "arguments": called.arguments},
    }


def _parse_value(key: str, value: str) -> object:
    if key == "faults":
        return value.split("+")
    if key in ("text", "answers", "end_token"):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        raise ValueError(f"{key}: '{value}' is not a value") from None


def _checked(written: object) -> dict[str, Any]:
    """Check the names of the settings, and read the faults, which may be written as texts."""
    if not isinstance(written, Mapping):
        raise ValueError(f"a script is a mapping of settings, not {written!r}")
    unknown = sorted(str(key) for key in written if key not in _SETTABLE)
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; there are: {', '.join(sorted(_SETTABLE))}")
    settings = dict(written)
    if isinstance(settings.get("faults"), list):
        settings["faults"] = [_fault(fault) for fault in settings["faults"]]
    return settings


def _fault(written: object) -> object:
    """Return a fault as the mapping it may also be written as. A status alone is a number to YAML and JSON."""
    if not isinstance(written, str | int):
        return written
    fault = Fault.parse(str(written))
    return {"name": fault.name, "argument": fault.argument, "share": fault.share}


def _convert(settings: Mapping[str, Any]) -> ModelScript:
    """Check types and values. Raises ValueError that leads with the setting at fault."""
    try:
        return msgspec.convert(settings, ModelScript)
    except msgspec.ValidationError as error:
        if error.__cause__ is not None:  # the sentence of a constructor
            raise ValueError(str(error.__cause__).removeprefix(f"model '{settings['name']}': ")) from None
        raise ValueError(_MISFIT.sub(r"\g<where>: \g<sentence>", str(error))) from None
