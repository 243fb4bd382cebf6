"""How both clients reach the gateways: retries, load balancing, health checks, reconnecting and tokens."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from scorebridge.arguments import check_seconds
from scorebridge.client_options import ClientOptions
from scorebridge.targets import Target, parse_target

__all__ = [
    "ASKED_S",
    "NOBODY",
    "PROBE",
    "PROBE_S",
    "ChannelPlan",
    "bearer",
    "plan_channel",
]

PROBE = "/grpc.health.v1.Health/Check"
PROBE_S = 0.5
ASKED_S = 30.0  # the timeout of a health check that waits until there is a connection
# A health check that ends with one of these was not answered; any other status came from a gateway.
NOBODY = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)

_KEEPALIVE_S = 10.0  # a gateway takes pings that are 5 s apart
_KEEPALIVE_TIMEOUT_S = 2.0
_RETRY_BUFFER_BYTES = 4 << 20  # a call whose message is larger is not retried
_FIRST_BACKOFF_MS = 100
_MOST_BACKOFF_MS = 500
_CONNECT_MS = 1500  # for TCP, TLS and HTTP/2 together; after it a connection whose packets were lost is tried again
_RESOLVE_AGAIN_MS = 500

# docs/clients.md states the same of both clients. C-core checks health for round_robin where a service is named.
_SERVICE = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": ""},
    # A gateway refuses calls of a client that has more calls under way than a connection may have streams. Each refused
    # call is retried; the large maxTokens keeps many refusals from stopping the retries.
    "retryThrottling": {"maxTokens": 1000, "tokenRatio": 1},
    "methodConfig": [
        {
            "name": [{"service": "scorebridge.v1.ScoringService"}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.01s",
                "maxBackoff": "0.1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}


_USUAL: dict[str, Any] = {
    "grpc.service_config": json.dumps(_SERVICE),
    "grpc.enable_retries": 1,
    "grpc.per_rpc_retry_buffer_size": _RETRY_BUFFER_BYTES,
    "grpc.max_receive_message_length": -1,  # an answer grows with the model's outputs, and is the gateway's own
    "grpc.initial_reconnect_backoff_ms": _FIRST_BACKOFF_MS,
    "grpc.max_reconnect_backoff_ms": _MOST_BACKOFF_MS,
    "grpc.min_reconnect_backoff_ms": _CONNECT_MS,  # grpc-core's name for how long one attempt may take
    "grpc.dns_min_time_between_resolutions_ms": _RESOLVE_AGAIN_MS,
    "grpc.use_local_subchannel_pool": 1,  # a new channel must not share the connection that has gone silent
}


@dataclass(frozen=True)
class ChannelPlan:
    """How a client's channels are made, each time that it needs a new one.

    Attributes:
        target: where the gateways are.
        credentials: the TLS credentials; None for plain text.
        options: options of the gRPC channel, pairs of a name and a value.
    """

    target: Target
    credentials: grpc.ChannelCredentials | None
    options: list[tuple[str, Any]]

    def make(self, where: str, library: Any) -> Any:
        """Returns a new channel to the addresses in `where`, made by the library `grpc` or `grpc.aio`."""
        if self.credentials is None:
            return library.insecure_channel(where, options=self.options)
        return library.secure_channel(where, self.credentials, options=self.options)


def plan_channel(
    target: object, credentials: object, options: Iterable[tuple[str, Any]], more: ClientOptions, *, token: bool
) -> ChannelPlan:
    """Returns how a client's channels are made, from the client's arguments.

    In plain text a token must not leave this machine: other hosts are refused, and no proxy is used.

    Args:
        target: where the gateways are.
        credentials: the TLS credentials; None for plain text.
        options: options of the gRPC channel; they override the client's own options.
        more: the client's other options, of which `keepalive_s` and `keepalive_timeout_s` are used.
        token: whether calls carry a token.

    Raises:
        TypeError, ValueError: an argument is not valid; the message names it.
    """
    if credentials is not None and not isinstance(credentials, grpc.ChannelCredentials):
        kind = type(credentials).__name__
        raise TypeError(f"credentials is a {kind}: pass what grpc.ssl_channel_credentials() returns")
    parsed = parse_target(target)
    secret = token and not _encrypts(credentials)
    if secret and not parsed.local:
        raise ValueError(
            f"a token is not sent to the target '{parsed.text}' in plain text, which others can read: use TLS, by"
            " credentials=, --tls-ca, SCOREBRIDGE_TLS_CA or grpcs://"
        )
    usual = _USUAL | _keepalive(
        more.get("keepalive_s", _KEEPALIVE_S), more.get("keepalive_timeout_s", _KEEPALIVE_TIMEOUT_S)
    )
    if parsed.authority is not None:
        usual["grpc.default_authority"] = parsed.authority
    chosen = usual | dict(_pairs(options)) | ({"grpc.enable_http_proxy": 0} if secret else {})
    return ChannelPlan(parsed, credentials, list(chosen.items()))


def _encrypts(credentials: grpc.ChannelCredentials | None) -> bool:
    # gRPC has credentials for plain text too, which it tells from others by their inner class alone.
    inner = getattr(credentials, "_credentials", None)
    return credentials is not None and type(inner).__name__ != "InsecureChannelCredentials"


def _keepalive(keepalive_s: object, timeout_s: object) -> dict[str, Any]:
    if keepalive_s is None:
        return {}
    return {
        "grpc.keepalive_time_ms": _ms("keepalive_s", keepalive_s),
        "grpc.keepalive_timeout_ms": _ms("keepalive_timeout_s", timeout_s),
        "grpc.http2.max_pings_without_data": 0,
    }


def _ms(name: str, seconds: object) -> int:
    return min(round(check_seconds(name, seconds, least=0.001) * 1000), 2**31 - 1)


def _pairs(options: Any) -> Sequence[tuple[str, Any]]:
    listed = list(options.items() if isinstance(options, dict) else options)
    if not all(isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str) for one in listed):  # noqa: PLR2004
        raise TypeError("options must be pairs of a text and a value, such as ('grpc.keepalive_time_ms', 10000)")
    return listed


def bearer(token: Callable[[], str] | None) -> tuple[tuple[str, str], ...]:
    """Returns the metadata of a call: its authorization header, or nothing if there is no token.

    Raises:
        TypeError, ValueError: the token is not printable ASCII text. The message does not hold the token.
    """
    if token is None:
        return ()
    text = token()
    if not isinstance(text, str):
        raise TypeError(f"token() returned a {type(text).__name__}: it must return text")
    if not (text and text.isascii() and text.isprintable()):
        raise ValueError("token() returned text that is empty or not printable ASCII: does it end with a line break?")
    return (("authorization", f"Bearer {text}"),)
