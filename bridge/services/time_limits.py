"""How long the caller of an HTTP request waits, as its headers say."""

import re
from collections.abc import Mapping

from bridge.errors import InvalidRequest

__all__ = ["GRPC_TIMEOUT", "REQUEST_TIMEOUT", "read_time_limit"]

GRPC_TIMEOUT, REQUEST_TIMEOUT = "Grpc-Timeout", "X-Request-Timeout"
_GRPC = re.compile(r"([0-9]{1,8})([HMSmun])")
_SECONDS = re.compile(r"[0-9]{1,8}(\.[0-9]{1,9})?")
_UNIT_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def read_time_limit(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds that the caller waits; None if it sets no limit.

    Args:
        headers: the request's headers, by their names in lower case.

    Raises:
        InvalidRequest: a limit is there twice or is not written as it must be.
    """
    grpc, seconds = headers.get(GRPC_TIMEOUT.lower()), headers.get(REQUEST_TIMEOUT.lower())
    if grpc is not None and seconds is not None:
        raise InvalidRequest(f"{GRPC_TIMEOUT} and {REQUEST_TIMEOUT} are both there: send one of them")
    if grpc is not None:
        if (found := _GRPC.fullmatch(grpc)) is None:
            raise InvalidRequest(f"{GRPC_TIMEOUT} must be 1 to 8 digits and one of the units H, M, S, m, u and n")
        return int(found.group(1)) * _UNIT_S[found.group(2)]
    if seconds is not None:
        if _SECONDS.fullmatch(seconds) is None:
            raise InvalidRequest(f"{REQUEST_TIMEOUT} must be seconds, such as 2 or 0.25")
        return float(seconds)
    return None
