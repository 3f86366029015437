"""Scripts are read from a file and from options, and what is wrong in them is told with its place."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from serving.simulated.configuration import describe, load_scripts, parse_option, patched
from serving.simulated.faults import Fault, FaultName
from serving.simulated.script import DrawBy, LogprobMode, ModelScript, ToolCall

FILE = """
models:
  support-v1:
    answers: answers.jsonl
    accuracy: 0.8
    latency_ms: 40
    tokens_per_second: 90
    jitter: 0.2
    right_logprob: -0.1
    wrong_logprob: -0.9
    faults: [429:30@0.01, cut, 500, {name: slow, argument: "20", share: 0.5}]
    draw_by: request_id
  large:
    text: refund
    logprobs: missing
    tool_call: {name: lookup, arguments: '{"id": 1}'}
  plain:
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "simulated.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_gives_a_script_for_each_model(tmp_path: Path) -> None:
    rows = [
        {"prompt": " my money ", "answer": "refund"},
        {
            "messages": [{"role": "user", "content": "stop"}, {"role": "assistant", "content": "cancel"}],
            "split": "test",
        },
        {"prompt": "both", "answer": {"intent": "refund"}},
    ]
    lines = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "answers.jsonl").write_text(f"{lines}\n\n", encoding="utf-8")
    support, large, plain = load_scripts(write(tmp_path, FILE))
    assert support.answers == {"my money": "refund", "stop": "cancel", "both": '{"intent":"refund"}'}
    assert support.faults == (
        Fault(name=FaultName.TOO_MANY_REQUESTS, argument="30", share=0.01),
        Fault(name=FaultName.CUT),
        Fault(name=FaultName.STATUS, argument="500"),
        Fault(name=FaultName.SLOW, argument="20", share=0.5),
    )
    assert (support.accuracy, support.latency_ms, support.draw_by) == (0.8, 40, DrawBy.REQUEST_ID)
    assert (large.logprobs, large.tool_call) == (LogprobMode.MISSING, ToolCall(name="lookup", arguments='{"id": 1}'))
    assert plain == ModelScript(name="plain")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("models: [", "is not YAML"),
        ("models: {}", "needs `models:`"),
        ("- a", "needs `models:`"),
        ("models: {a: }\nmodel: {}", "unknown: model"),
        ("models: {a: 3}", "models.a: a script is a mapping of settings, not 3"),
        ("models: {a: {speed: 3}}", "models.a: unknown: speed"),
        ("models: {a: {latency_ms: fast}}", "models.a: latency_ms: Expected `float`, got `str`"),
        ("models: {a: {accuracy: 2}}", "models.a: accuracy must be from 0 to 1"),
        ("models: {a: {logprobs: some}}", "models.a: logprobs: Invalid enum value 'some'"),
        ("models: {a: {faults: [meltdown]}}", "models.a: there is no fault 'meltdown'"),
        ("models: {a: {faults: cut}}", "models.a: faults: Expected `array`"),
        ("models: {a: {answers: none.jsonl}}", "models.a: answers: cannot read"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"simulated\.yaml") as caught:
        load_scripts(write(tmp_path, text))
    assert sentence in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        load_scripts(tmp_path / "nothing.yaml")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [("{", "line 2"), ('{"prompt": "a"}', "line 2"), ('{"messages": [3]}', "line 2"), ("[]", "line 2")],
)
def test_a_wrong_line_of_answers_is_told_by_its_number(tmp_path: Path, line: str, sentence: str) -> None:
    (tmp_path / "rows.jsonl").write_text(f'{{"prompt": "a", "answer": "b"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=sentence):
        parse_option("m:answers=rows.jsonl", tmp_path)


def test_a_table_without_answers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no line with a prompt"):
        parse_option("m:answers=rows.jsonl", tmp_path)


def test_an_option_gives_a_name_and_settings() -> None:
    assert parse_option("model", Path()) == ModelScript(name="model")
    assert parse_option("org/name:8b:latency_ms=20,text=a: b,faults=429:30@0.1+cut", Path()) == ModelScript(
        name="org/name:8b",
        latency_ms=20,
        text="a: b",
        faults=(Fault.parse("429:30@0.1"), Fault.parse("cut")),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a model needs a name"),
        (":latency_ms=1", "a model needs a name"),
        ("m:latency_ms=1,fast", "'fast' is not key=value"),
        ("m:latency_ms=x", "latency_ms: Expected `float`"),
        ("m:name=x", "unknown: name"),
        ("m:accuracy=[", "accuracy"),
    ],
)
def test_a_wrong_option_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="--model") as caught:
        parse_option(text, Path())
    assert sentence in str(caught.value)


def test_a_patch_changes_what_it_names_and_null_gives_the_default_back() -> None:
    script = ModelScript(name="m", latency_ms=5, accuracy=0.5, answers={"a": "b"}, faults=(Fault.parse("cut"),))
    changed = patched(script, {"latency_ms": None, "faults": [500], "logprobs": "zero"})
    assert changed == ModelScript(
        name="m", accuracy=0.5, answers={"a": "b"}, faults=(Fault.parse("500"),), logprobs=LogprobMode.ZERO
    )


def test_a_description_can_be_given_back_as_a_patch() -> None:
    script = ModelScript(name="m", faults=(Fault.parse("429:3@0.5"),), tool_call=ToolCall(name="x"))
    described = json.loads(json.dumps(describe(script)))
    del described["name"], described["answers"]
    assert patched(script, described) == script


def test_the_reference_page_names_every_fault_and_setting_and_its_example_loads(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/simulate.md").read_text(encoding="utf-8")
    names = {name.value for name in FaultName} | {field.name for field in fields(ModelScript)} - {"name"}
    assert {name for name in names if f"`{name}`" not in page} == set()
    (tmp_path / "tickets.jsonl").write_text('{"prompt": "a", "answer": "b"}\n', encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    assert [script.name for script in load_scripts(write(tmp_path, example))] == ["support-v1", "large"]
