"""What every wire does for the one flow that answers calls: read, write and end them."""

from typing import Any, Protocol, TypeVar

from bridge.calls import Call, ModelRef, Outcome
from bridge.errors import BridgeError
from bridge.services.asked import Asked

__all__ = ["Wire"]

_Failed_co = TypeVar("_Failed_co", covariant=True)


class Wire(Protocol[_Failed_co]):
    """A protocol by which calls come, such as scorebridge.v1: reads its requests and writes its answers.

    Its type argument is what a failed call ends with, such as a gRPC status. A wire may be made for one request, and
    then knows what the request says beside its bytes, such as the model in a URL.

    Attributes:
        name: the name under which its calls are counted, such as "scorebridge.v1".
        answer_json_bytes: the length of the JSON with which the last answer of `encode` begins, where binary tensors
            follow it; 0 where none do.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described with the class

    @property
    def answer_json_bytes(self) -> int: ...  # noqa: D102 - described with the class

    def parse_short(self, raw: bytes) -> Asked | None:
        """Reads a request that is small enough to be read at once; returns None if `parse` has to read it.

        Raises:
            InvalidRequest: the bytes are not a request of this wire, or hold more than allowed.
        """

    async def parse(self, raw: bytes, left_s: float | None, caller: str) -> tuple[Asked, bool]:
        """Reads a request of any size without holding the event loop.

        Args:
            raw: the bytes of the request.
            left_s: seconds that the caller still waits; None if it set no deadline.
            caller: whose request it is.

        Returns:
            What the request asks for, and whether binding its rows is so little work that it may hold the event loop.

        Raises:
            InvalidRequest: the bytes are not a request of this wire, or hold more than allowed.
            DeadlineExceeded: `left_s` passed while requests of others were read.
        """

    def read_name(self, raw: bytes) -> tuple[str, str]:
        """Returns the request id and the model of a request that was refused, for its record.

        A request without an id gets a made one; both are empty where the request can't be read.
        """

    def encode(self, call: Call, outcome: Outcome, form: Any) -> bytes:
        """Returns the bytes of a call's answer.

        Args:
            call: the call.
            outcome: its outcome, which must be one that does not fail the call.
            form: `Asked.form` of the request.
        """

    def status(self, error: BridgeError, ref: ModelRef | None) -> _Failed_co:
        """Returns how a call that failed ends; `ref` is None while the call's version is not known."""
