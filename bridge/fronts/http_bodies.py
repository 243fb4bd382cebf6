"""Takes the body of an HTTP request: never more of it than allowed, as it comes and as it inflates."""

import asyncio
import zlib
from collections.abc import Callable, Iterator
from http import HTTPStatus

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bridge.counters import FrontRefusal
from bridge.errors import DeadlineExceeded, InvalidRequest
from bridge.services.http_calls import HttpAnswer, problem

__all__ = ["BodyRefused", "check_head", "take_body"]

_REASONS = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: FrontRefusal.TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: FrontRefusal.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.REQUEST_TIMEOUT: DeadlineExceeded.reason,
}
_STEP_BYTES = 64 << 10  # inflated in one turn of the event loop
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class BodyRefused(Exception):
    """A body is not taken, or not to its end.

    Attributes:
        reason: the UPPER_SNAKE name of the event.
        answer: what the caller is told.
    """

    def __init__(self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.reason = str(_REASONS.get(status, InvalidRequest.reason))
        self.answer: HttpAnswer = problem(status, detail, self.reason, headers=headers)


def check_head(request: web.BaseRequest, most: int) -> None:
    """Checks what a request's headers say of its body.

    Args:
        request: the request.
        most: the most bytes of a body.

    Raises:
        BodyRefused: it is too long, or is coded or expected in a way that is not known here.
    """
    coding = _coding(request)
    if coding and coding not in _WINDOW_BITS:
        raise BodyRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "the body has a Content-Encoding other than gzip and deflate",
            {"Accept-Encoding": "gzip, deflate"},
        )
    if (request.content_length or 0) > most:
        raise _too_long(most)
    if request.headers.get("Expect", "100-continue").lower() != "100-continue":
        raise BodyRefused(HTTPStatus.EXPECTATION_FAILED, "the request expects other than 100-continue")


async def take_body(request: web.BaseRequest, most: int, hold: Callable[[int], None]) -> bytes:
    """Takes a body to its end, and returns it inflated.

    Args:
        request: the request, whose headers `check_head` has passed.
        most: the most bytes of the body.
        hold: called with the number of further bytes that are held, before they are kept; may raise.

    Raises:
        BodyRefused: the body is too long, ends too soon, or is not what its Content-Encoding says.
    """
    body = _Body(most, hold)
    coding = _coding(request)
    inflating = _Inflating(_WINDOW_BITS[coding]) if coding else None
    came = 0
    try:
        while part := await request.content.readany():
            came += len(part)
            if came > most:
                raise _too_long(most)
            if inflating is None:
                body.add(part)
                continue
            for inflated in inflating.steps(part):
                body.add(inflated)
                await asyncio.sleep(0)
    except (web.RequestPayloadError, HttpProcessingError):
        raise BodyRefused(HTTPStatus.BAD_REQUEST, "the body's chunks are not what HTTP/1.1 asks for") from None
    if inflating is not None:
        inflating.finish()
    return b"".join(body.parts)


class _Body:
    """The parts of a body that were taken so far."""

    def __init__(self, most: int, hold: Callable[[int], None]) -> None:
        self._most = most
        self._hold = hold
        self._length = 0
        self.parts: list[bytes] = []

    def add(self, part: bytes) -> None:
        """Keeps a further part, if it may be held."""
        self._length += len(part)
        if self._length > self._most:
            raise _too_long(self._most)
        self._hold(len(part))
        self.parts.append(part)


class _Inflating:
    """The inflating of one body."""

    def __init__(self, window_bits: int) -> None:
        self._stream = zlib.decompressobj(window_bits)

    def steps(self, part: bytes) -> Iterator[bytes]:
        """Yields what a part of the body inflates to, in steps of a bounded size."""
        waiting, inflated = part, b""
        try:
            while waiting or len(inflated) == _STEP_BYTES:
                inflated = self._stream.decompress(waiting, _STEP_BYTES)
                waiting = self._stream.unconsumed_tail
                yield inflated
                if self._stream.eof:
                    break
        except zlib.error:
            refused = "the body is not compressed as its Content-Encoding says"
            raise BodyRefused(HTTPStatus.BAD_REQUEST, refused) from None
        if self._stream.unused_data or (waiting and self._stream.eof):
            raise BodyRefused(HTTPStatus.BAD_REQUEST, "there are bytes behind the end of the compressed body")

    def finish(self) -> None:
        """Checks that the body is whole."""
        if not self._stream.eof:
            raise BodyRefused(HTTPStatus.BAD_REQUEST, "the compressed body ends too soon")


def _coding(request: web.BaseRequest) -> str:
    named = ",".join(request.headers.getall("Content-Encoding", ())).strip().lower()
    return "" if named == "identity" else named


def _too_long(most: int) -> BodyRefused:
    return BodyRefused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than the allowed {most} bytes; send fewer rows a call"
    )
