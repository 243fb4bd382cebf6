"""Whether gateways answer: what the ends of calls say of it, told to a client's circuit and to its connection."""

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
    """Lets one client's calls through while gateways answer, and learns from how each of them ends.

    Args:
        circuit: decides which calls are let through.
        connection: what the calls are made on.
        closed: what gRPC raises where a call begins on a channel that was closed.
    """

    def __init__(self, circuit: Circuit, connection: Way | GivenWay, closed: type[Exception]) -> None:
        self._circuit = circuit
        self._connection = connection
        self._closed = closed

    def admit(self, timeout_s: float | None) -> None:
        """Returns if a gateway may be asked by a call that waits so long, seconds; None for one that waits for ever.

        Raises:
            Unavailable: none has answered lately.
        """
        if self._circuit.allows(timeout_s):
            return
        self._connection.refused()
        sentence = "no gateway has answered lately: none was asked"
        raise Unavailable(sentence, "CLIENT_CIRCUIT_OPEN", status="UNAVAILABLE", by_gateway=False)

    @contextmanager
    def call(self, timeout_s: float | None) -> Iterator[None]:
        """Surrounds one call that waits so long, seconds (None for ever), to learn from its answer or its error.

        Raises:
            ScoringError: what gRPC's error means that the call ended with.
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
        """The error itself."""
        self._connection.failed(error)
        if error.by_gateway or error.status not in _SILENT:
            self._circuit.answered()
        elif error.status == "DEADLINE_EXCEEDED" and timeout_s is not None:
            self._circuit.failed(timeout_s)
        else:
            self._circuit.failed(math.inf)
        return error
