"""What a simulated model says is repeatable, and its log-probabilities tell right from wrong."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.simulated.answer import Ask, compose
from serving.simulated.draws import bell, fraction
from serving.simulated.pieces import are_structure, split
from serving.simulated.script import LogprobMode, ModelScript, ToolCall

PROMPTS = {f"ticket {number}": f'{{"intent": "{"abcdefg"[number % 7]}"}}' for number in range(700)}


def mean(script: ModelScript, prompt: str) -> float:
    logprobs = [token.logprob or 0.0 for token in compose(script, Ask(prompt=prompt, top=0)).tokens]
    return sum(logprobs) / len(logprobs)


@settings(deadline=None)
@given(st.text())
def test_pieces_join_to_their_text(text: str) -> None:
    assert "".join(split(text)) == text


def test_json_is_split_as_a_tokenizer_would() -> None:
    assert split('{"intent": "refund", "urgent": true}') == [
        *('{"', "intent", '":', ' "', "refund", '",'),
        *(' "', "urgent", '":', " true", "}"),
    ]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"intent": "refund"}', ["refund"]),
        ('{"a": {"b": [1, "x y"]}, "c": null}', [" 1"[1:], "x", " y", " null"]),
        ('{"say": "a \\" b"}', ["a", ' \\"', " b"]),
        ("no JSON: 1", []),
        ('{"empty": "", "x": ["", 0]}', [" 0"]),
        ('{"cut off', []),
    ],
)
def test_only_the_values_of_a_json_answer_are_no_structure(text: str, values: list[str]) -> None:
    pieces = split(text)
    flags = are_structure(pieces)
    found = [piece for piece, is_structure in zip(pieces, flags, strict=True) if not is_structure]
    assert found == (pieces if text.startswith("no JSON") else values)


@settings(deadline=None)
@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_structure_is_told_for_any_json(value: object) -> None:
    pieces = split(json.dumps(value, ensure_ascii=False))
    assert len(are_structure(pieces)) == len(pieces)


@pytest.mark.parametrize("accuracy", [0.0, 0.3, 0.9, 1.0])
def test_accuracy_is_the_share_of_right_answers(accuracy: float) -> None:
    script = ModelScript(name="model", answers=PROMPTS, accuracy=accuracy)
    said = {prompt: compose(script, Ask(prompt=prompt)).text for prompt in PROMPTS}
    right = sum(said[prompt] == answer for prompt, answer in PROMPTS.items()) / len(PROMPTS)
    assert right == pytest.approx(accuracy, abs=0.06)
    assert set(said.values()) <= set(PROMPTS.values())


def test_two_models_are_wrong_about_different_prompts() -> None:
    wrong = [
        {prompt for prompt, answer in PROMPTS.items() if compose(script, Ask(prompt=prompt)).text != answer}
        for script in (ModelScript(name=name, answers=PROMPTS, accuracy=0.5) for name in ("v1", "v2"))
    ]
    assert len(wrong[0] & wrong[1]) < 0.7 * len(wrong[0])


def test_an_answer_is_the_same_whenever_it_is_asked_for() -> None:
    script = ModelScript(name="model", answers=PROMPTS, accuracy=0.5, answer_spread=1.0, token_spread=0.5)
    for prompt in PROMPTS:
        assert compose(script, Ask(prompt=prompt, top=5)) == compose(script, Ask(prompt=prompt, top=5))


def test_the_seed_changes_what_is_drawn() -> None:
    said = [
        [compose(ModelScript(name="m", answers=PROMPTS, accuracy=0.5, seed=seed), Ask(prompt=p)).text for p in PROMPTS]
        for seed in (1, 2)
    ]
    assert said[0] != said[1]


def test_log_probabilities_have_exactly_the_levels_of_the_script() -> None:
    script = ModelScript(name="m", answers=PROMPTS, accuracy=0.5, right_logprob=-0.1, wrong_logprob=-2.0)
    for prompt, answer in PROMPTS.items():
        is_right = compose(script, Ask(prompt=prompt)).text == answer
        assert mean(script, prompt) == pytest.approx(-0.1 if is_right else -2.0)


def test_a_prompt_outside_the_table_sounds_unsure() -> None:
    script = ModelScript(name="m", answers=PROMPTS)
    assert compose(script, Ask(prompt="something else")).text == script.text
    assert mean(script, "something else") == pytest.approx(script.wrong_logprob)
    assert mean(ModelScript(name="no table"), "something else") == pytest.approx(-0.05)


def test_tokens_spread_around_a_mean_that_stays() -> None:
    script = ModelScript(name="m", text="one two three four five six", right_logprob=-0.5, token_spread=0.8)
    logprobs = [token.logprob or 0.0 for token in compose(script, Ask(prompt="x", top=0)).tokens]
    assert len(set(logprobs)) == 6
    for prefix in (2, 4, 6):
        assert sum(logprobs[:prefix]) / prefix == pytest.approx(-0.5)


def test_answers_spread_so_that_right_and_wrong_overlap() -> None:
    script = ModelScript(
        name="m", answers=PROMPTS, accuracy=0.5, right_logprob=-0.3, wrong_logprob=-0.9, answer_spread=0.8
    )
    levels: dict[bool, list[float]] = {True: [], False: []}
    for prompt, answer in PROMPTS.items():
        levels[compose(script, Ask(prompt=prompt)).text == answer].append(mean(script, prompt))
    assert min(levels[True]) < max(levels[False])
    pairs = [(right, wrong) for right in levels[True] for wrong in levels[False]]
    assert 0.7 < sum(right > wrong for right, wrong in pairs) / len(pairs) < 0.95


def test_the_structure_of_json_can_have_a_level_of_its_own() -> None:
    script = ModelScript(name="m", text='{"intent": "refund"}', right_logprob=-1.0, structure_logprob=-0.001)
    tokens = compose(script, Ask(prompt="x", top=0)).tokens
    assert {token.text: token.logprob for token in tokens if token.text == "refund"} == {"refund": -1.0}
    assert {token.logprob for token in tokens if token.text != "refund"} == {-0.001}


@settings(deadline=None)
@given(st.floats(-20, 0), st.integers(0, 20))
def test_alternatives_never_add_up_to_more_than_one(level: float, top: int) -> None:
    script = ModelScript(name="m", text="refund", right_logprob=level)
    (token,) = compose(script, Ask(prompt="x", top=top)).tokens
    listed = [token.logprob or 0.0, *(logprob for _, logprob in token.others)]
    assert len(listed) == max(top, 1)
    assert listed == sorted(listed, reverse=True)
    assert sum(map(math.exp, listed)) <= 1 + 1e-9
    assert len({token.text, *(text for text, _ in token.others)}) == len(listed)


def test_missing_and_zero_log_probabilities() -> None:
    missing = ModelScript(name="m", logprobs=LogprobMode.MISSING)
    zero = ModelScript(name="m", logprobs=LogprobMode.ZERO)
    assert {token.logprob for token in compose(missing, Ask(prompt="x", top=2)).tokens} == {None}
    assert {token.logprob for token in compose(zero, Ask(prompt="x", top=2)).tokens} == {0.0}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": " "}, "a model needs a name"),
        ({"accuracy": 1.1}, "accuracy must be from 0 to 1, not 1.1"),
        ({"latency_ms": -1}, "latency_ms must be 0 or more"),
        ({"latency_ms": math.nan}, "latency_ms must be 0 or more"),
        ({"tokens_per_second": 0}, "tokens_per_second must be above 0"),
        ({"jitter": 1}, "jitter must be from 0 to below 1"),
        ({"right_logprob": 0.1}, "right_logprob and wrong_logprob must be 0 or less"),
        ({"structure_logprob": 0.1}, "structure_logprob must be 0 or less"),
        ({"token_spread": 2}, "token_spread must be from 0 to 1"),
        ({"answer_spread": -1}, "answer_spread must be 0 or more"),
        ({"max_model_len": 0}, "max_model_len must be 1 or more"),
    ],
)
def test_a_script_that_exists_is_valid(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ModelScript(**{"name": "m", **settings})  # type: ignore[arg-type]


def test_a_tool_is_called_by_its_name_or_by_that_of_the_script() -> None:
    offered = compose(ModelScript(name="m", tool_call=ToolCall()), Ask(prompt="x", tool="weather"))
    named = compose(ModelScript(name="m", tool_call=ToolCall(name="time")), Ask(prompt="x", tool="weather"))
    assert offered.called is not None
    assert named.called is not None
    assert (offered.called.name, named.called.name) == ("weather", "time")
    assert compose(ModelScript(name="m", tool_call=ToolCall()), Ask(prompt="x")).called is None


@settings(deadline=None)
@given(st.integers(), st.lists(st.text()))
def test_draws_are_fractions_and_repeat(seed: int, about: list[str]) -> None:
    assert 0 <= fraction(seed, *about) < 1
    assert fraction(seed, *about) == fraction(seed, *about)
    assert math.isfinite(bell(seed, *about))


def test_draws_keep_their_values() -> None:
    # Which prompts a model gets wrong must not change between versions: documented runs depend on it.
    assert fraction(0, "accuracy", "model", "hello", "0") == pytest.approx(0.250809081626413, abs=1e-15)
