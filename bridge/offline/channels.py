"""Connections to gateways that take turns, and the failures of calls on them as events."""

import re
from collections.abc import Callable
from itertools import cycle
from typing import Any

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import ErrorInfo
from scorebridge import error_info_of
from scorebridge.v1 import scoring_pb2 as pb

from bridge.addresses import is_loopback_host
from bridge.offline.call_events import TOO_LARGE
from bridge.offline.call_messages import without_row
from bridge.offline.scorer import CallFailed

__all__ = ["Channels", "failure_of"]

_SCORE = "/scorebridge.v1.ScoringService/Score"
_GET_MODEL = "/scorebridge.v1.ScoringService/GetModel"
_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.enable_retries", 0),  # the run asks again by itself, as long as its patience lasts
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 1_500),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
]
_NAMES_A_ROW = re.compile(r"column '.*', row \d+: (?P<level>not one of its )?")  # by a gateway of an older version


class Channels:
    """A connection to each of several gateways.

    Args:
        target: "host:port" of a gateway, or several of them between commas.
        credentials: TLS credentials; None for plain text.
        token: a function that returns the token; None for no token.

    Attributes:
        target: the target.

    Raises:
        ValueError: the target is empty, or the token would be sent to another machine in plain text.
    """

    def __init__(
        self, target: str, credentials: grpc.ChannelCredentials | None, token: Callable[[], str] | None
    ) -> None:
        self.target = target
        self._token = token
        places = [place.strip() for place in target.split(",")]
        if not all(places):
            raise ValueError(f"'{target}' is not where gateways are: give host:port, several of them between commas")
        if token is not None and credentials is None and not all(map(_is_here, places)):
            raise ValueError(f"a token is not sent to '{target}' in plain text, which others can read: use TLS")
        options = list(_OPTIONS)
        if token is not None and credentials is None:
            options.append(("grpc.enable_http_proxy", 0))
        self._channels = [
            grpc.aio.insecure_channel(place, options)
            if credentials is None
            else grpc.aio.secure_channel(place, credentials, options)
            for place in places
        ]
        self._turns = cycle(range(len(places)))

    async def score(self, request: bytes, timeout_s: float) -> bytes:
        """Returns the bytes of the ScoreResponse to a ScoreRequest.

        Raises:
            CallFailed: the call failed; its event is NO_ANSWER where no gateway answered within `timeout_s`.
        """
        answered: bytes = await self._call(_SCORE, request, timeout_s)
        return answered

    async def describe(self, request: pb.GetModelRequest, timeout_s: float) -> pb.GetModelResponse:
        """Returns a gateway's description of a model.

        Raises:
            CallFailed: the call failed, as for `score`.
        """
        return pb.GetModelResponse.FromString(await self._call(_GET_MODEL, request.SerializeToString(), timeout_s))

    async def close(self) -> None:
        """Closes the connections and cancels the calls on them; may be called more than once."""
        for channel in self._channels:
            await channel.close(None)

    async def _call(self, path: str, request: bytes, timeout_s: float) -> bytes:
        """Calls the gateway whose turn it is, and the others if that one is away."""
        for left in reversed(range(len(self._channels))):
            channel = self._channels[next(self._turns)]
            metadata = () if self._token is None else (("authorization", f"Bearer {self._token()}"),)
            try:
                response: bytes = await channel.unary_unary(path, None, None)(
                    request, timeout=timeout_s, metadata=metadata
                )
            except grpc.aio.AioRpcError as error:
                failed = failure_of(error, timeout_s)
                if failed.event != "UNAVAILABLE" or not left:
                    raise failed from None
            else:
                return response
        raise CallFailed("UNAVAILABLE", f"no gateway of {self.target} answers")


def _is_here(place: str) -> bool:
    return place.startswith("unix:") or is_loopback_host(place.rpartition(":")[0])


def failure_of(error: grpc.aio.AioRpcError, timeout_s: float) -> CallFailed:
    """Returns the failure of a call on a connection.

    Args:
        error: the error of gRPC.
        timeout_s: the time that the call had, seconds.
    """
    code, said = error.code(), error.details() or error.code().name
    info = error_info_of(error)
    if info is not None:
        return _said_by_gateway(info, said)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:  # by the gateway's gRPC library, which refuses a large message
        return CallFailed(TOO_LARGE, said)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return CallFailed("NO_ANSWER", f"no answer within {timeout_s:g} s")
    # Without details it was not a gateway that answered, but a connection that ended or something in between.
    passes = (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.ABORTED,
    )
    return CallFailed("UNAVAILABLE" if code in passes else code.name, said)


def _said_by_gateway(info: ErrorInfo, said: str) -> CallFailed:
    """Returns the failure that a gateway gave; a request that fails by a row or its size has an event of its own."""
    metadata = info.metadata
    if info.reason not in ("INVALID_REQUEST", "UNKNOWN_LEVEL", "FEATURES_MISSING"):
        return CallFailed(info.reason, said)
    if metadata.get("limit", "").endswith(" rows"):
        return CallFailed(TOO_LARGE, said)
    row, rows = metadata.get("row", ""), metadata.get("rows", "1")
    if row.isdecimal() and rows.isdecimal():
        event, column = metadata.get("row_reason", "INVALID_VALUE"), metadata.get("column", "")
        return CallFailed(event, without_row(said, column, int(row)), column=column, row=int(row), rows=int(rows))
    if info.reason == "INVALID_REQUEST" and (named := _NAMES_A_ROW.search(said)):
        return CallFailed("UNKNOWN_LEVEL" if named["level"] else "INVALID_VALUE", said)
    return CallFailed(info.reason, said)
