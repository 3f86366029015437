"""The client's trace is passed on as it came, if it is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.tracing.context import passed_on, trace_id_in
from tests.fakes.asking import stage

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
HEX = st.text("0123456789abcdefAB", min_size=1, max_size=40)


def test_a_trace_is_passed_on_with_its_state() -> None:
    headers = {b"traceparent": PARENT.encode(), b"tracestate": b"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"}
    assert passed_on(headers).decode() == (
        f"traceparent: {PARENT}\r\ntracestate: congo=t61rcWkgMzE,rojo=00f067aa0ba902b7\r\n"
    )


def test_a_later_version_of_the_standard_is_passed_on_as_it_is() -> None:
    later = f"cc{PARENT[2:]}-what-the-future-brings"
    assert passed_on({b"traceparent": later.encode()}) == f"traceparent: {later}\r\n".encode()


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        PARENT.upper(),
        f"ff{PARENT[2:]}",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{PARENT}-more",
        f"{PARENT}\r\nx-evil: 1",
        f"cc{PARENT[2:]}-\r\nx-evil: 1",
        f" {PARENT}",
    ],
)
def test_what_is_no_trace_is_not_passed_on(parent: str) -> None:
    assert passed_on({b"traceparent": parent.encode(), b"tracestate": b"a=1"}) == b""


@pytest.mark.parametrize("state", [b"", b"a=1\r\nx-evil: 1", b"a=" + b"1" * 511, "a=\u00fc".encode()])
def test_a_state_that_may_not_be_one_is_left_out(state: bytes) -> None:
    assert passed_on({b"traceparent": PARENT.encode(), b"tracestate": state}) == f"traceparent: {PARENT}\r\n".encode()


@given(
    st.tuples(
        st.sampled_from(["00", "01", "cc", "ff", "0"]), HEX | st.just(TRACE), HEX | st.just("b7ad6b7169203331"), HEX
    )
)
def test_a_trace_is_what_opentelemetry_takes_for_one(parts: tuple[str, ...]) -> None:
    parent = "-".join(parts)
    taken = get_current_span(TraceContextTextMapPropagator().extract({"traceparent": parent})).get_span_context()
    ours = trace_id_in({b"traceparent": parent.encode()})
    assert ours == (f"{taken.trace_id:032x}" if taken.is_valid else None)


async def test_without_tracing_the_models_server_is_told_the_clients_trace_and_no_baggage() -> None:
    async with stage() as made:
        await made.ask(headers={"traceparent": PARENT, "tracestate": "a=1", "baggage": "user=ada"})
        headers = made.server.seen.requests[0].headers
        assert (headers["traceparent"], headers["tracestate"]) == (PARENT, "a=1")
        assert "baggage" not in headers


async def test_without_a_trace_none_is_made_up_where_tracing_is_off() -> None:
    async with stage() as made:
        await made.ask()
        assert "traceparent" not in made.server.seen.requests[0].headers
