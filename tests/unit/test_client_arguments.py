"""What no gateway would take, or would take for something else, is refused at once, by the name of the argument."""

import datetime as dt
import decimal
import re
import uuid
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scorebridge import AsyncScoringClient, ScoringClient
from scorebridge.batch import Batch
from scorebridge.channel import bearer
from scorebridge.targets import parse_target

NOBODY = "127.0.0.1:1"
ROWS = np.zeros((2, 3))

TARGETS = {
    "http://gateway:8081": "has the scheme 'http', which gRPC does not know",
    "https://gateway:8081": "credentials= is for TLS",
    "grpc://gateway:8081": "has the scheme 'grpc'",
    "tcp://127.0.0.1:8081": "has the scheme 'tcp'",
    "gateway": "has no port",
    "gateway:": "has the port ''",
    "[::1]": "has no port",
    "dns:///gateway": "'gateway' in the target 'dns:///gateway' has no port",
    "ipv4:127.0.0.1": "has no port",
    "": "is blank",
    " \n": "is blank",
    "a:1,": "is blank, or has a blank between commas",
    "a:1,,b:2": "is blank, or has a blank between commas",
    "a:1,b": "'b' in the target 'a:1,b' has no port",
    "a:0": "has the port '0'",
    "a:65536": "has the port '65536'",
    "a:http": "has the port 'http'",
    "a:-1": "has the port '-1'",
    "a:8081/": "has the port '8081/'",
    "a:٨٠٨١": "has the port",
    "::1:8081": "write an IPv6 address in brackets",
    "[gateway]:8081": "has brackets around something that is not an IPv6 address",
    ":8081": "has no valid host name",
    "a b:8081": "has no valid host name",
    "user@gateway:8081": "has no valid host name",
    "path/gateway:8081": "has no valid host name",
}


@pytest.mark.parametrize("kind", [ScoringClient, AsyncScoringClient])
@pytest.mark.parametrize(("target", "sentence"), TARGETS.items())
def test_a_target_that_leads_nowhere(kind: Any, target: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as raised:
        kind(target)
    assert "target" in str(raised.value)


@pytest.mark.parametrize("target", [None, 8081, ["a:1", "b:2"], ("a", 1), b"a:1"])
def test_a_target_that_is_no_text(target: Any) -> None:
    with pytest.raises(TypeError, match=rf"^target is a {type(target).__name__}: pass 'host:8081'"):
        ScoringClient(target)


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("localhost:1", "localhost:1"),
        (" gateway.example:8081\n", "gateway.example:8081"),
        ("dns:///a:1", "dns:///a:1"),
        ("dns://8.8.8.8/a:1", "dns://8.8.8.8/a:1"),
        ("ipv4:127.0.0.1:1,127.0.0.2:1", "ipv4:127.0.0.1:1,127.0.0.2:1"),
        ("unix:/run/gateway.sock", "unix:/run/gateway.sock"),
        ("unix-abstract:gateway", "unix-abstract:gateway"),
        ("xds:///gateway", "xds:///gateway"),
        ("127.0.0.2:1, 127.0.0.1:2", "ipv4:127.0.0.1:2,127.0.0.2:1"),
        ("[::1]:1,[::1]:2", "ipv6:[::1]:1,[::1]:2"),
    ],
)
def test_targets_that_lead_somewhere(target: str, found: str) -> None:
    assert parse_target(target).found() == found


def test_hosts_that_are_not_known_are_named() -> None:
    with pytest.raises(OSError, match=r"^the host 'no-such-host.invalid' has no known address: "):
        parse_target("no-such-host.invalid:1,no-such-host.invalid:2").found()


NO_TIMEOUTS: list[tuple[Any, str]] = [
    ("2", "timeout_s is a str: pass a number, seconds"),
    (pd.Timedelta("2s"), "timeout_s is a Timedelta: pass its total_seconds()"),
    (dt.timedelta(seconds=2), "timeout_s is a timedelta: pass its total_seconds()"),
    (True, "timeout_s is a bool: pass a number, seconds"),
    ([2.0], "timeout_s is a list: pass a number, seconds"),
    (np.timedelta64(2, "s"), "timeout_s is a timedelta64: pass a number, seconds"),
    (2j, "timeout_s is a complex: pass a number, seconds"),
]


@pytest.mark.parametrize(("timeout_s", "sentence"), NO_TIMEOUTS)
async def test_a_timeout_that_is_no_number_of_seconds(timeout_s: Any, sentence: str) -> None:
    for kind in (ScoringClient, AsyncScoringClient):
        with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
            kind(NOBODY, timeout_s=timeout_s)
    with ScoringClient(NOBODY, default=0.5) as client:
        calls: list[Callable[[], Any]] = [
            lambda: client.score("m", ROWS, timeout_s=timeout_s),
            lambda: client.models(timeout_s=timeout_s),
            lambda: client.model("m", timeout_s=timeout_s),
            lambda: client.warm_up(timeout_s=timeout_s),
        ]
        for call in calls:
            with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
                call()
    async with AsyncScoringClient(NOBODY, default=0.5) as other:
        with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
            await other.score("m", ROWS, timeout_s=timeout_s)


@pytest.mark.parametrize("timeout_s", [1, 0.5, np.float32(0.5), np.int64(2), Fraction(1, 2)])
def test_numbers_of_any_library_are_timeouts(timeout_s: Any) -> None:
    with ScoringClient(NOBODY, timeout_s=timeout_s, default=0.5) as client:
        assert client.score("m", ROWS).reasons == ["UNAVAILABLE"] * 2


OF_CLIENTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"default": "0.5"}, TypeError, "default is a str: pass a number, a score"),
    ({"default": True}, TypeError, "default is a bool"),
    ({"default": float("nan")}, ValueError, "default must be finite, not nan"),
    ({"default": np.float32("inf")}, ValueError, "default must be finite, not inf"),
    ({"token": "secret"}, TypeError, "token is a str: pass a function"),
    ({"on_call": []}, TypeError, "on_call is a list: pass a function"),
    ({"circuit_failures": 2.5}, TypeError, "circuit_failures is a float: pass a whole number"),
    ({"circuit_failures": -1}, ValueError, "circuit_failures must be 0 or more, not -1"),
    ({"circuit_open_s": "1"}, TypeError, "circuit_open_s is a str"),
    ({"circuit_open_s": float("nan")}, ValueError, "circuit_open_s must be 0 to 100000000 seconds, not nan"),
    ({"keepalive_s": 0}, ValueError, "keepalive_s must be 0.001 to"),
    ({"keepalive_s": dt.timedelta(seconds=9)}, TypeError, "keepalive_s is a timedelta"),
    ({"keepalive_timeout_s": -2}, ValueError, "keepalive_timeout_s must be"),
    ({"credentials": b"-----BEGIN"}, TypeError, "credentials is a bytes: pass what grpc.ssl_channel_credentials"),
    ({"options": ["grpc.keepalive_time_ms"]}, TypeError, "options must be pairs"),
]


@pytest.mark.parametrize("kind", [ScoringClient, AsyncScoringClient])
@pytest.mark.parametrize(("given", "error", "sentence"), OF_CLIENTS)
def test_what_a_client_can_t_be_made_with(
    kind: Any, given: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(sentence)}"):
        kind(NOBODY, **given)


OF_CALLS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"labels": ["a"]}, TypeError, "labels is a list: pass a dict of texts"),
    ({"labels": {"a": 1}}, TypeError, "the label 'a' is a int: pass text"),
    ({"labels": {1: "a"}}, TypeError, "a label's name is a int: pass text"),
    ({"labels": {"a": None}}, TypeError, "the label 'a' is a NoneType"),
    ({"labels": {"": "a"}}, ValueError, "a label's name is empty"),
    ({"labels": {"a": "x" * 1025}}, ValueError, "the label 'a' has 1025 bytes; the gateway takes at most 1024"),
    ({"labels": {"é" * 513: "x"}}, ValueError, "a label's name has 1026 bytes"),
    ({"labels": {"a": "\ud800"}}, ValueError, "the label 'a' has half of a surrogate pair"),
    (
        {"labels": dict.fromkeys(map(str, range(65)), "")},
        ValueError,
        "labels has 65 entries; the gateway takes at most 64",
    ),
    ({"request_id": 7}, TypeError, "request_id is a int: pass text or a UUID"),
    ({"request_id": b"id"}, TypeError, "request_id is a bytes"),
    ({"request_id": "x" * 129}, ValueError, "the request_id must be 1 to 128"),
    ({"batch_id": 7}, TypeError, "batch_id is a int"),
    ({"batch_id": "x" * 1025}, ValueError, "batch_id has 1025 bytes"),
    ({"version": "2"}, TypeError, "version is a str: pass a whole number"),
    ({"version": 2.0}, TypeError, "version is a float"),
    ({"version": True}, TypeError, "version is a bool"),
    ({"version": -1}, ValueError, "version must be 0 or more"),
    ({"version": 2**32}, ValueError, "version must be at most 4294967295"),
    ({"partial": "no"}, TypeError, "partial is a str: pass True or False"),
    ({"allow_default": "False"}, TypeError, "allow_default is a str"),
    ({"allow_default": 0}, TypeError, "allow_default is a int"),
    ({"allow_default": None}, TypeError, "allow_default is a NoneType"),
    ({"ignore_extra": 1}, TypeError, "ignore_extra is a int"),
    ({"row_keys": [1.0, 2.0]}, TypeError, "row_keys, row 0 is a float: pass text, a whole number or a UUID"),
    ({"row_keys": ["a", None]}, TypeError, "row_keys, row 1 is a NoneType"),
    ({"row_keys": [True, False]}, TypeError, "row_keys, row 0 is a bool"),
    ({"row_keys": ["a", "é" * 513]}, ValueError, "row_keys, row 1 has 1026 bytes"),
    ({"row_keys": ["\udfff", "a"]}, ValueError, "row_keys, row 0 has half of a surrogate pair"),
    ({"row_keys": 2}, TypeError, "row_keys must be a list of"),
    ({"row_keys": b"ab"}, TypeError, "row_keys must be a list of"),
    ({"row_keys": {"a": 1}}, TypeError, "row_keys must be a list of"),
    ({"row_keys": "id"}, TypeError, "row_keys is a column's name, but an array"),
]


@pytest.mark.parametrize(("given", "error", "sentence"), OF_CALLS)
def test_what_a_call_can_t_say(given: Any, error: type[Exception], sentence: str) -> None:
    with ScoringClient(NOBODY, default=0.5) as client, pytest.raises(error, match=f"^{re.escape(sentence)}"):
        client.score("m", ROWS, **given)


@pytest.mark.parametrize(
    ("model", "error", "sentence"),
    [
        (7, TypeError, "model is a int: pass text"),
        (None, TypeError, "model is a NoneType"),
        ("", ValueError, "model is empty"),
        ("x" * 1025, ValueError, "model has 1025 bytes"),
    ],
)
def test_a_model_that_is_no_name(model: Any, error: type[Exception], sentence: str) -> None:
    with ScoringClient(NOBODY, default=0.5) as client, pytest.raises(error, match=f"^{sentence}"):
        client.score(model, ROWS)


KEY = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        ([1, 2], ["1", "2"]),
        (np.array([1, 2**63], np.uint64), ["1", "9223372036854775808"]),
        (pd.Series([3, 4], index=[9, 8]), ["3", "4"]),
        (pd.Series([3, 4], dtype="Int64"), ["3", "4"]),
        (pd.Index(["a", "b"]), ["a", "b"]),
        (pl.Series([5, 6]), ["5", "6"]),
        (pa.array([5, 6]), ["5", "6"]),
        (pa.chunked_array([["a"], ["b"]]), ["a", "b"]),
        ([KEY, "x"], [str(KEY), "x"]),
        (range(2), ["0", "1"]),
        (["", "é"], ["", "é"]),
    ],
)
def test_keys_that_people_have(keys: Any, sent: list[str]) -> None:
    assert list(Batch("m", ROWS, None, {"row_keys": keys}).message().row_keys) == sent


def test_ids_may_be_uuids() -> None:
    head = Batch("m", ROWS, None, {"request_id": KEY, "batch_id": KEY}).head
    assert (head.request_id, head.batch_id) == (str(KEY), str(KEY))


@pytest.mark.parametrize(
    ("token", "error"), [(lambda: "a\n", ValueError), (lambda: "", ValueError), (lambda: b"a", TypeError)]
)
def test_a_token_that_can_t_be_sent_is_not_shown(token: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^token\(\) returned"):
        bearer(token)


@pytest.mark.parametrize("default", [0, np.float32(0.5), Fraction(1, 4)])
def test_numbers_of_any_library_are_defaults(default: Any) -> None:
    head = Batch("m", ROWS, None, {}).head
    assert not head.HasField("default_score")
    with ScoringClient(NOBODY, timeout_s=5, default=default) as client:
        assert np.array_equal(client.score("m", ROWS).scores, np.full(2, float(default)))


def test_a_decimal_is_no_timeout_by_accident() -> None:
    with pytest.raises(TypeError, match=r"^timeout_s is a Decimal: pass a number, seconds$"):
        ScoringClient(NOBODY, timeout_s=decimal.Decimal(2))  # type: ignore[arg-type]
