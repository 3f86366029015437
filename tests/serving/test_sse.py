"""Server-sent events are split by the rules of the standard, however the bytes arrive."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.errors import Malformed
from serving.sse import MAX_EVENT_BYTES, EventSplitter

PLAIN = b'data: {"a": 1}\n\ndata: [DONE]\n\n'


def events(*pieces: bytes) -> list[bytes]:
    splitter = EventSplitter()
    return [event for piece in pieces for event in splitter.feed(piece)]


def reference(text: bytes) -> list[bytes]:
    """The algorithm of the WHATWG HTML standard, section 9.2.6, word for word; an event without an end is dropped."""
    text = text.removeprefix(b"\xef\xbb\xbf")
    *lines, _unfinished = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    dispatched: list[bytes] = []
    buffer: list[bytes] = []
    for line in lines:
        if not line:
            if buffer:
                dispatched.append(b"\n".join(buffer))
            buffer = []
            continue
        name, _, value = line.partition(b":")
        if name == b"data":
            buffer.append(value.removeprefix(b" "))
    return dispatched


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(PLAIN, [b'{"a": 1}', b"[DONE]"], id="what every server sends"),
        pytest.param(PLAIN.replace(b"\n", b"\r\n"), [b'{"a": 1}', b"[DONE]"], id="CRLF"),
        pytest.param(PLAIN.replace(b"\n", b"\r"), [b'{"a": 1}', b"[DONE]"], id="CR"),
        pytest.param(b"\xef\xbb\xbf" + PLAIN, [b'{"a": 1}', b"[DONE]"], id="byte order mark"),
        pytest.param(b": comment\n\ndata: a\n\n:\n\n", [b"a"], id="comments"),
        pytest.param(b"event: error\ndata: a\nid: 7\nretry: 10\n\n", [b"a"], id="other fields"),
        pytest.param(b"data: a\ndata: b\ndata:\n\n", [b"a\nb\n"], id="several lines"),
        pytest.param(b"data:a\n\ndata:  b\n\n", [b"a", b" b"], id="one space is taken off"),
        pytest.param(b"data\n\n", [b""], id="a field without a value"),
        pytest.param(b"data : a\n\nxdata: b\n\n data: c\n\n", [], id="other names"),
        pytest.param(b"\n\n\ndata: a\n\n\n\ndata: b\n\n", [b"a", b"b"], id="empty lines"),
        pytest.param(b"data: a\n\ndata: b\n", [b"a"], id="an event without an end"),
        pytest.param(b"data: a\r\rdata: b\r\r", [b"a", b"b"], id="the last event ends in CR"),
        pytest.param(b"data: a\r\n\ndata: b\n\r\n", [b"a", b"b"], id="mixed ends"),
        pytest.param("data: grüße 🙂\n\n".encode(), ["grüße 🙂".encode()], id="UTF-8"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_case_92_the_forms_of_an_event(text: bytes, expected: list[bytes]) -> None:
    assert reference(text) == expected
    assert events(text) == expected
    assert events(*(text[at : at + 1] for at in range(len(text)))) == expected


PARTS = st.sampled_from(
    [
        *(b"data: ", b"data:", b"data", b": c", b"event: x", b"id: 1", b"{", "ü🙂".encode(), b"[DONE]"),
        *(b"\n", b"\n\n", b"\r", b"\r\n"),
    ]
)


@given(parts=st.lists(PARTS, max_size=30), cuts=st.lists(st.integers(0, 200), max_size=12), marked=st.booleans())
@example(parts=[b"data: ", b"{", b"\r", b"\n\n"], cuts=[8], marked=False)
@example(parts=[b"\r", b"\n", b"data: ", b"{", b"\r", b"\r"], cuts=[1, 9], marked=True)
def test_case_92_any_text_split_anywhere_gives_what_the_standard_says(
    parts: list[bytes], cuts: list[int], marked: bool
) -> None:
    text = (b"\xef\xbb\xbf" if marked else b"") + b"".join(parts)
    bounds = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(bounds)]
    assert events(*pieces) == reference(text)


def test_case_92_an_event_is_given_out_as_soon_as_its_empty_line_has_come() -> None:
    for end in (b"\n", b"\r", b"\r\n"):
        splitter = EventSplitter()
        assert splitter.feed(b"data: a" + end) == []
        assert splitter.feed(end) == [b"a"]
        assert splitter.feed(b"data: b" + end + end) == [b"b"]


def test_case_91_an_event_that_never_ends_is_given_up() -> None:
    pieces = [b"x" * 2**16] * (MAX_EVENT_BYTES // 2**16 + 2)
    with pytest.raises(Malformed):
        events(*pieces)


def test_a_large_event_within_the_limit_passes() -> None:
    data = b"x" * (MAX_EVENT_BYTES - 100)
    assert events(b"data: " + data[:1000], data[1000:], b"\n\n") == [data]
