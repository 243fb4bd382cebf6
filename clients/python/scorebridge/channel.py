"""How both clients reach the gateways: addresses, retries, load balancing, health checks, tokens."""

import json
import socket
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["address", "bearer", "channel_options"]

_RETRY_BUFFER_BYTES = 4 << 20  # a call whose message is larger is not retried

# docs/clients.md states the same of both clients. C-core checks health for round_robin where a service is named.
_SERVICE = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": ""},
    # A gateway refuses some calls of a client that has more of them under way than a connection may have streams; each
    # is tried again, and so many refusals are no reason to stop that.
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


def channel_options(target: str, own: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The options of a channel; the caller's own go before."""
    usual: dict[str, Any] = {
        "grpc.service_config": json.dumps(_SERVICE),
        "grpc.enable_retries": 1,
        "grpc.per_rpc_retry_buffer_size": _RETRY_BUFFER_BYTES,
        "grpc.max_receive_message_length": -1,  # an answer grows with the model's outputs, and is the gateway's own
    }
    if _is_list(target):
        # C-core would make one name of the whole list, which a server refuses as none.
        usual["grpc.default_authority"] = target.split(",", maxsplit=1)[0].strip()
    return list((usual | dict(own)).items())


def address(target: str) -> str:
    """The target as gRPC knows it: several addresses between commas become one list.

    Raises:
        OSError: none of several hosts is known.
    """
    if not _is_list(target):
        return target
    found: dict[int, list[str]] = {socket.AF_INET: [], socket.AF_INET6: []}
    failure: OSError | None = None
    for one in target.replace(" ", "").split(","):
        host, _, port = one.rpartition(":")
        try:
            known = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            failure = error
            continue
        for family, _, _, _, where in known:
            if family in found:
                number = f"[{where[0]!s}]" if family == socket.AF_INET6 else str(where[0])
                found[family].append(f"{number}:{port}")
    for family, scheme in ((socket.AF_INET, "ipv4"), (socket.AF_INET6, "ipv6")):
        if found[family]:
            return f"{scheme}:{','.join(found[family])}"
    raise failure or OSError(f"no host of {target} is known")


def _is_list(target: str) -> bool:
    return "," in target and "://" not in target


def bearer(token: Callable[[], str] | None) -> tuple[tuple[str, str], ...]:
    """What is sent with a call."""
    return () if token is None else (("authorization", f"Bearer {token()}"),)
