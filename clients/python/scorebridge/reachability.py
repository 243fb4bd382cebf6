"""Learns from how calls end whether gateways answer, and tells the client's circuit and connection."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from scorebridge.circuit import Circuit
from scorebridge.errors import ScoringError, Unavailable, translate, translate_closed
from scorebridge.way import GivenWay, Way

__all__ = ["Reachability"]

_SILENT = frozenset(("UNAVAILABLE", "DEADLINE_EXCEEDED"))


class Reachability:
    """Lets one client's calls through while gateways answer, and learns from how each call ends.

    Args:
        circuit: the client's circuit, which decides which calls are let through.
        connection: the client's connection.
        closed: the exception that gRPC raises if a call begins on a closed channel.
    """

    def __init__(self, circuit: Circuit, connection: Way | GivenWay, closed: type[Exception]) -> None:
        self._circuit = circuit
        self._connection = connection
        self._closed = closed

    def admit(self, timeout_s: float | None) -> None:
        """Checks that the client's circuit lets a call with this timeout through.

        Args:
            timeout_s: the call's timeout, seconds; None for a call that waits without limit.

        Raises:
            Unavailable: the circuit is open, because no gateway has answered lately.
        """
        if self._circuit.allows(timeout_s):
            return
        self._connection.refused()
        sentence = "no gateway has answered lately, so the client did not send this call: its circuit is open"
        raise Unavailable(sentence, "CLIENT_CIRCUIT_OPEN", status="UNAVAILABLE", by_gateway=False)

    @contextmanager
    def call(self, timeout_s: float | None) -> Iterator[None]:
        """Surrounds one call: reports its answer or error to circuit and connection, and translates errors of gRPC.

        Args:
            timeout_s: the call's timeout, seconds; None for a call that waits without limit.

        Raises:
            ScoringError: the client's error for the one that the call ended with.
        """
        try:
            yield
        except grpc.RpcError as error:
            raise self._failed(translate(error), timeout_s) from error
        except self._closed as error:
            raise self._failed(translate_closed(error), timeout_s) from error
        except ScoringError as error:
            self._failed(error, timeout_s)
            raise
        self._connection.answered()
        self._circuit.answered()

    def _failed(self, error: ScoringError, timeout_s: float | None) -> ScoringError:
        """Reports an error to circuit and connection, and returns it."""
        self._connection.failed(error)
        if error.by_gateway or error.status not in _SILENT:
            self._circuit.answered()
        elif error.status == "DEADLINE_EXCEEDED" and timeout_s is not None:
            self._circuit.failed(timeout_s)
        else:
            self._circuit.failed(math.inf)
        return error
