"""The caller's span in headers: what W3C Trace Context allows is taken, all else is ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.parent_span import ParentSpan

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = f"00-{TRACE}-{SPAN}-01"


def parent(*headers: tuple[str, str | bytes]) -> ParentSpan | None:
    return ParentSpan.of(headers)


def test_a_valid_context_is_taken_with_its_state() -> None:
    found = parent(("user-agent", "x"), ("traceparent", VALID), ("tracestate", "a=1"), ("tracestate", "b=2"))
    assert found == ParentSpan(int(TRACE, 16), int(SPAN, 16), 1, "a=1,b=2")


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert parent(("traceparent", f"cc-{TRACE}-{SPAN}-03-what-the-future-brings")) == ParentSpan(
        int(TRACE, 16), int(SPAN, 16), 3, ""
    )


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("tracestate", "a=1")],
        [("traceparent", VALID), ("traceparent", VALID)],
        [("traceparent", VALID.encode())],
        [("traceparent", "")],
        [("traceparent", VALID.upper())],
        [("traceparent", f" {VALID}")],
        [("traceparent", f"{VALID}\n")],
        [("traceparent", f"{VALID}-more")],
        [("traceparent", f"ff-{TRACE}-{SPAN}-01")],
        [("traceparent", f"00-{'0' * 32}-{SPAN}-01")],
        [("traceparent", f"00-{TRACE}-{'0' * 16}-01")],
        [("traceparent", f"00-{TRACE[:-1]}-{SPAN}-01")],
        [("traceparent", f"00-{TRACE}-{SPAN}-0g")],
        [("traceparent", f"00-{TRACE[:-1]}٣-{SPAN}-01")],
        [("traceparent", f"cc-{TRACE}-{SPAN}-01-{'x' * 1_000_000}")],
    ],
)
def test_what_is_not_valid_is_ignored(headers: list[tuple[str, str | bytes]]) -> None:
    assert parent(*headers) is None


@pytest.mark.parametrize("state", ["x" * 513, "a=\x00", "a=ü", "a=1\r\nb: 2"])
def test_a_state_that_is_too_long_or_not_printable_is_left_out(state: str) -> None:
    found = parent(("traceparent", VALID), ("tracestate", state))
    assert found is not None
    assert found.state == ""


@given(st.lists(st.tuples(st.sampled_from(["traceparent", "tracestate", "other"]), st.text() | st.binary())))
def test_any_headers_are_read_without_an_error(headers: list[tuple[str, str | bytes]]) -> None:
    ParentSpan.of(headers)
