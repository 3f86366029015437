import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.assignment.targeting import Condition, Target, TargetPlace, Value, find_target, parse_place
from routing.words import ModelName

V1, V2 = ModelName("v1"), ModelName("v2")
NAMES = st.sampled_from(["a", "b"])
VALUES = st.one_of(st.sampled_from(["0", "gold", ""]), st.integers(0, 1), st.booleans(), st.sampled_from([0.0, 0.5]))


def condition(place: str, *values: Value) -> Condition:
    kind, name = parse_place(place)
    return Condition(place=kind, name=name, values=values)


def target(arm: ModelName, *when: Condition) -> Target:
    return Target(when=when, arm=arm)


def found(
    *targets: Target,
    headers: dict[bytes, bytes] | None = None,
    body: dict[str, object] | None = None,
    key_name: str = "app",
) -> ModelName | None:
    return find_target(targets, headers or {}, body or {}, key_name)


def test_without_targets_the_split_decides() -> None:
    assert found() is None


@pytest.mark.parametrize(
    ("place", "value", "request_"),
    [
        ("header:X-Tier", "gold", {"headers": {b"x-tier": b"gold"}}),
        ("header:x-tier", "Zoë", {"headers": {b"x-tier": "Zoë".encode()}}),
        ("header:x-tier", "Zoë", {"headers": {b"x-tier": "Zoë".encode("latin-1")}}),
        ("key", "app", {}),
        ("metadata:team", "a", {"body": {"metadata": {"team": "a"}}}),
        ("body:temperature", 0, {"body": {"temperature": 0.0}}),
        ("body:stream", True, {"body": {"stream": True}}),
        ("body:user", "ann", {"body": {"user": "ann"}}),
    ],
)
def test_a_target_is_found_by_each_place(place: str, value: Value, request_: dict[str, dict[str, object]]) -> None:
    assert found(target(V2, condition(place, value)), **request_) == V2  # type: ignore[arg-type]
    assert found(target(V2, condition(place, "other", value)), **request_) == V2  # type: ignore[arg-type]
    assert found(target(V2, condition(place, "other")), **request_) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["header:x-tier", "metadata:team", "body:user"])
@pytest.mark.parametrize("body", [{}, {"metadata": "team"}, {"metadata": None}, {"user": None}])
def test_what_a_request_lacks_meets_nothing(place: str, body: dict[str, object]) -> None:
    assert found(target(V2, condition(place, "", 0, False)), body=body) is None


@pytest.mark.parametrize(
    ("value", "sent"), [(1, True), (True, 1), (0, False), (False, 0), (0, "0"), ("0", 0), ("true", True)]
)
def test_text_numbers_and_truth_are_never_the_same(value: Value, sent: object) -> None:
    assert found(target(V2, condition("body:x", value)), body={"x": sent}) is None


def test_a_field_that_is_a_list_or_an_object_meets_nothing() -> None:
    for sent in ([], ["a"], {"a": 1}):
        assert found(target(V2, condition("body:x", "a", 1)), body={"x": sent}) is None


def test_the_case_of_a_value_counts_and_that_of_a_headers_name_does_not() -> None:
    wanted = target(V2, condition("header:X-TIER", "Gold"))
    assert found(wanted, headers={b"x-tier": b"Gold"}) == V2
    assert found(wanted, headers={b"x-tier": b"gold"}) is None


@given(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=3), st.dictionaries(NAMES, VALUES))
def test_all_conditions_have_to_hold(when: list[tuple[str, Value]], body: dict[str, object]) -> None:
    conditions = [condition(f"body:{name}", value) for name, value in when]
    each = [found(target(V2, one), body=body) is not None for one in conditions]
    assert (found(target(V2, *conditions), body=body) is not None) == all(each)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5), st.dictionaries(NAMES, VALUES))
def test_the_first_target_that_fits_counts(order: list[tuple[str, Value]], body: dict[str, object]) -> None:
    targets = [target(ModelName(str(at)), condition(f"body:{name}", value)) for at, (name, value) in enumerate(order)]
    fitting = [one.arm for one in targets if found(one, body=body)]
    assert found(*targets, body=body) == (fitting[0] if fitting else None)


@pytest.mark.parametrize("text", ["", "key:app", "header", "header:", "cookie:a", "request", "Body:x"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no place in a request"):
        parse_place(text)


def test_places_are_read() -> None:
    assert parse_place("key") == (TargetPlace.KEY, "")
    assert parse_place("metadata:Team:x") == (TargetPlace.METADATA, "Team:x")
