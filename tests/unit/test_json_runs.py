"""JSON read in runs: what it holds is what the standard library reads, and what it refuses is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codecs.json.numbers import read_numbers
from bridge.codecs.open_inference.json_text import read_object
from bridge.codecs.scorebridge_v1.bounds import Bounds
from bridge.errors import InvalidRequest

WIDE = Bounds(columns=16_384, rows=5_000_000)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)), max_leaves=30
)
blanks = st.sampled_from(["", " ", "\n", "\t \r\n"])


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(st.dictionaries(st.text(), values), st.sampled_from([(",", ":"), (" , ", " : "), (",\n", ":\t")]), blanks)
def test_an_object_is_what_the_standard_library_reads(document: Any, signs: tuple[str, str], around: str) -> None:
    text = around + json.dumps(document, separators=signs) + around
    if depth(document) > 8:
        with pytest.raises(InvalidRequest, match="nested deeper than 8"):
            read_object(text.encode(), WIDE)
        return
    assert repr(read_object(text.encode(), WIDE)) == repr(json.loads(text))


@given(st.text(st.sampled_from('{}[]",:0123456789.-+eEtruefalsn \\u')))
def test_what_the_standard_library_refuses_is_refused(text: str) -> None:
    body = f'{{"a":{text}}}'
    try:
        expected = json.loads(body, object_pairs_hook=list)
    except ValueError:
        expected = None
    try:
        found = read_object(body.encode(), WIDE)
    except InvalidRequest:
        return
    assert isinstance(expected, list)
    assert len(found) == len(expected)


digits = st.text(st.sampled_from("0123456789"), min_size=1, max_size=40)
spelled = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.builds("{}{}.{}".format, st.sampled_from(["", "-"]), digits, digits),
    st.builds("{}{}.{}e{}".format, st.sampled_from(["", "-"]), digits, digits, st.integers(-400, 400)),
    st.sampled_from(
        ["null", "true", "false", "-0", "-0.0", "0", "1e999", "5e-324", "2.2250738585072011e-308", "01", "NaN"]
    ),
)


@given(st.lists(spelled, min_size=1, max_size=20))
def test_numbers_read_quickly_are_those_of_the_standard_library(entries: list[str]) -> None:
    text = f"[{','.join(entries)}]"
    found = read_numbers(text)
    if found is not None:
        assert repr(found) == repr(json.loads(text))


@pytest.mark.parametrize(
    "text", ["[-0]", "[1,-0,2]", "[18446744073709551616]", "[-9223372036854775809]", "[1e999]", "[NaN]"]
)
def test_what_would_be_read_in_another_way_is_left_to_the_standard_library(text: str) -> None:
    assert read_numbers(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "[0.1]",
        "[123456789012345678]",
        "[-0.5]",
        "[null,true]",
        "[]",
        "[0.30447369813919067]",
        "[0.0012345678901234567,1]",
    ],
)
def test_what_callers_send_is_read_quickly(text: str) -> None:
    assert read_numbers(text) == json.loads(text)


@pytest.mark.parametrize("entry", ["0.25", "7", "null", '"text, with ] and \\" in it"', "[1, 2]", "[]", "-0.0", "true"])
def test_an_array_of_any_length_has_all_its_entries(entry: str) -> None:
    for count in (1, 2, 1000, 4095, 4096, 4097, 20_000):
        text = f'{{"data": [{", ".join([entry] * count)}]}}'
        assert read_object(text.encode(), WIDE)["data"] == [json.loads(entry)] * count


@pytest.mark.parametrize("place", [0, 1, 5_000, 20_000])
@pytest.mark.parametrize(
    "entry", ["", "1 2", "nan", "01", "+1", "1.", ".5", "0x1", "'a'", '"\t"', "]", "[", "{1}", "\\"]
)
def test_one_wrong_entry_among_many_is_refused(place: int, entry: str) -> None:
    entries = ["1"] * 20_001
    entries[place] = entry
    with pytest.raises(InvalidRequest, match="the body"):
        read_object(f'{{"data": [{",".join(entries)}]}}'.encode(), WIDE)


def test_minus_zero_is_the_double_that_it_is() -> None:
    assert repr(read_object(b'{"data": [-0, 0, -0.0, -7]}', WIDE)["data"]) == "[-0.0, 0, -0.0, -7]"


@pytest.mark.parametrize("entry", ["0.12345678", "1", '"a"', "[1,2,3]", "null"])
def test_the_standard_library_gets_a_big_body_in_small_runs(entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    whole = json.JSONDecoder.decode

    def decode(self: json.JSONDecoder, text: str, *more: Any) -> Any:
        steps.append(len(text))
        return whole(self, text, *more)

    count = (1 << 20) // (len(entry) + 1)
    body = f'{{"data": [{",".join([entry] * count)}]}}'.encode()
    monkeypatch.setattr(json.JSONDecoder, "decode", decode)
    assert len(read_object(body, WIDE)["data"]) == count
    assert max(steps, default=0) <= 17_000
