"""How long a caller of HTTP waits, as two headers say it."""

import pytest

from bridge.errors import InvalidRequest
from bridge.services.time_limits import read_time_limit


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"grpc-timeout": "1H"}, 3600.0),
        ({"grpc-timeout": "2M"}, 120.0),
        ({"grpc-timeout": "3S"}, 3.0),
        ({"grpc-timeout": "250m"}, 0.25),
        ({"grpc-timeout": "99999999u"}, 99.999999),
        ({"grpc-timeout": "5n"}, 5e-9),
        ({"grpc-timeout": "0S"}, 0.0),
        ({"x-request-timeout": "2"}, 2.0),
        ({"x-request-timeout": "0.25"}, 0.25),
        ({"x-request-timeout": "0"}, 0.0),
    ],
)
def test_either_header_limits_the_time(headers: dict[str, str], seconds: float | None) -> None:
    assert read_time_limit(headers) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "1", "S", "1s", "-1S", "1.5S", "123456789S", " 1S", "1S ", "1S, 2S", "٣S", "1S\n"]
)
def test_a_grpc_timeout_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^Grpc-Timeout must be 1 to 8 digits and one of the units"):
        read_time_limit({"grpc-timeout": text})


@pytest.mark.parametrize(
    "text", ["", "-1", "1e3", "nan", "inf", ".5", "5.", "1,5", " 1", "1 s", "1, 2", "123456789", "٣", "1\n"]
)
def test_seconds_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^X-Request-Timeout must be seconds, such as 2 or 0\.25$"):
        read_time_limit({"x-request-timeout": text})


def test_two_limits_are_one_too_many() -> None:
    with pytest.raises(InvalidRequest, match=r"^Grpc-Timeout and X-Request-Timeout are both there: send one of them$"):
        read_time_limit({"grpc-timeout": "1S", "x-request-timeout": "1"})
