"""The limits on what a connection of a stranger may cost grpc.aio, as options of grpc-core."""

from bridge.config import GatewaySettings

__all__ = ["server_options"]

# The limit of calls, over all connections, that have arrived and that Python has not picked up yet. Above it grpc-core
# ends calls of ANY connection with CANCELLED, and a call that was reset stays in this queue: one connection alone can
# reach grpc-core's default limits, 1,000 and 3,000. 8192 are the streams of 64 connections, about 12 KiB each.
_PENDING_CALLS = 8192
_PING_STRIKES = 2


def server_options(settings: GatewaySettings) -> list[tuple[str, int]]:
    """Returns the options of a gateway's grpc.aio server."""
    return [
        ("grpc.so_reuseport", 0),  # else a second gateway could silently take the same port
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        ("grpc.max_concurrent_streams", settings.max_streams),
        ("grpc.http.overload_protection", 1),  # a stream that was reset counts until its call is gone
        ("grpc.server.max_pending_requests", _PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", _PENDING_CALLS),
        ("grpc.max_metadata_size", settings.max_header_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_header_bytes),
        ("grpc.server_handshake_timeout_ms", _ms(settings.handshake_s)),
        ("grpc.http2.settings_timeout", _ms(settings.handshake_s)),  # for the caller to acknowledge our settings
        ("grpc.max_connection_idle_ms", _ms(settings.connection_idle_s)),
        ("grpc.max_connection_age_ms", _ms(settings.connection_age_s)),
        ("grpc.max_connection_age_grace_ms", _ms(settings.connection_age_grace_s)),
        ("grpc.keepalive_time_ms", _ms(settings.keepalive_s)),
        ("grpc.keepalive_timeout_ms", _ms(settings.keepalive_timeout_s)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _ms(settings.min_ping_interval_s)),
        ("grpc.http2.max_ping_strikes", _PING_STRIKES),
    ]


def _ms(seconds: float) -> int:
    return min(round(seconds * 1000), 2**31 - 1)
