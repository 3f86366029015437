import pytest

from routing.assignment.units import MAX_UNIT_CHARS, UnitPlace, UnitSource, find_unit

USER_HEADER = UnitSource.parse("header:X-User-Id")
USER_BODY = UnitSource.parse("body:user")
SAFETY = UnitSource.parse("body:safety_identifier")
KEY = UnitSource.parse("key")
REQUEST = UnitSource.parse("request")
DEFAULT = (USER_HEADER, USER_BODY, SAFETY, REQUEST)


@pytest.mark.parametrize(
    ("text", "place", "name"),
    [
        ("header:x-user-id", UnitPlace.HEADER, "x-user-id"),
        ("header:X-User-Id", UnitPlace.HEADER, "x-user-id"),
        ("body:safety_identifier", UnitPlace.BODY, "safety_identifier"),
        ("body:User", UnitPlace.BODY, "User"),
        ("body:a:b", UnitPlace.BODY, "a:b"),
        ("key", UnitPlace.KEY, ""),
        ("request", UnitPlace.REQUEST, ""),
    ],
)
def test_a_unit_source_is_read(text: str, place: UnitPlace, name: str) -> None:
    assert UnitSource.parse(text) == UnitSource(place=place, name=name)


@pytest.mark.parametrize("text", ["", "header", "header:", "body:", "body", "key:app", "request:1", "cookie:id", "Key"])
def test_what_is_no_unit_source_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(ValueError, match="use header:NAME, body:FIELD, key or request") as refused:
        UnitSource.parse(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("sources", "headers", "body", "unit"),
    [
        pytest.param(DEFAULT, {b"x-user-id": b"anna"}, {"user": "bob"}, "anna", id="the first source that is there"),
        pytest.param(DEFAULT, {}, {"user": "bob", "safety_identifier": "c"}, "bob", id="a field of the body"),
        pytest.param(DEFAULT, {}, {"safety_identifier": "c"}, "c", id="a later source when earlier ones are absent"),
        pytest.param(DEFAULT, {}, {}, "req-1", id="the request when nothing else is there"),
        pytest.param(DEFAULT, {b"x-user-id": b""}, {"user": "bob"}, "bob", id="an empty header is absent"),
        pytest.param(DEFAULT, {}, {"user": "", "safety_identifier": "c"}, "c", id="an empty field is absent"),
        pytest.param(DEFAULT, {}, {"user": None}, "req-1", id="a null field is absent"),
        pytest.param(DEFAULT, {}, {"user": 42}, "req-1", id="a field that is no text is absent"),
        pytest.param(DEFAULT, {}, {"user": ["bob"]}, "req-1", id="a list is no unit"),
        pytest.param((KEY, USER_BODY), {}, {"user": "bob"}, "app", id="the key"),
        pytest.param((REQUEST, USER_BODY), {}, {"user": "bob"}, "req-1", id="nothing after the request is looked at"),
        pytest.param((USER_BODY,), {}, {}, "req-1", id="the request also when no source says so"),
        pytest.param((), {}, {}, "req-1", id="the request when there are no sources"),
        pytest.param(DEFAULT, {b"x-user-id": "Zoë".encode()}, {}, "Zoë", id="a header in UTF-8"),
        pytest.param(DEFAULT, {b"x-user-id": "Zoë".encode("latin-1")}, {}, "Zoë", id="a header in Latin-1"),
    ],
)
def test_the_unit_of_a_request(
    sources: tuple[UnitSource, ...], headers: dict[bytes, bytes], body: dict[str, object], unit: str
) -> None:
    assert find_unit(sources, headers, body, key_name="app", request_id="req-1").value == unit


def test_a_key_without_a_name_is_no_unit() -> None:
    assert find_unit((KEY, USER_BODY), {}, {"user": "bob"}, key_name="", request_id="req-1") == ("bob", UnitPlace.BODY)


@pytest.mark.parametrize("name", ["anna", "Zoë", "顧客-42"])
def test_a_user_is_the_same_unit_in_a_header_and_in_a_body(name: str) -> None:
    in_header = find_unit(DEFAULT, {b"x-user-id": name.encode()}, {}, key_name="app", request_id="req-1")
    in_body = find_unit(DEFAULT, {}, {"user": name}, key_name="app", request_id="req-2")
    assert in_header.value == in_body.value == name


def test_a_unit_of_a_megabyte_is_cut() -> None:
    unit = find_unit(DEFAULT, {}, {"user": "u" * 1_000_000}, key_name="app", request_id="req-1")
    assert unit.value == "u" * MAX_UNIT_CHARS
