"""The worker's own process: `R CMD python -P -m bridge.backends.embedded_r.child DESCRIPTOR`.

The descriptor is one end of a socket pair. Over it the child speaks as an Rserve in object-capability mode does: its
greeting comes first, then it answers each call by one message. It ends when the other end is closed.
"""

import fcntl
import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bridge.backends.rserve.header import (
    HEADER_BYTES,
    MAX_REPLY_BYTES,
    MAX_REQUEST_BYTES,
    OC_INIT,
    OUT_OF_REPLY_SPACE,
    R_ERROR,
    RESPONSE_ERROR,
    RESPONSE_OK,
    pack_header,
    parse_header,
)
from bridge.backends.rserve.qap import decode_call
from bridge.backends.rserve.qap_encode import encode_value

if TYPE_CHECKING:  # both open R's library
    from bridge.backends.embedded_r.r_values import RObject
    from bridge.backends.embedded_r.session import RSession

__all__ = ["CANNOT_EMBED", "main"]

CANNOT_EMBED = 77  # the exit code where R can't be started in this process
_ABOVE = 64  # descriptors below are left to R and to what Pred.R starts
_START = (
    'source(file.path(Sys.getenv("SCOREBRIDGE_RSCRIPTS"), "embedded.R"), local = new.env(), keep.source = FALSE)$value'
)


def main(descriptor: int) -> None:
    """Loads the bundle that the environment names, greets, and answers calls until the connection ends."""
    # A number of its own that no program inherits: what Pred.R starts must neither read calls nor write answers.
    own = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ABOVE)
    os.close(descriptor)
    _take_signals()
    session = _session()
    greeting, functions = session.parts(session.evaluate(_START))
    with socket.socket(fileno=own) as connection:
        connection.sendall(encode_value(OC_INIT, greeting, 0))
        _serve(connection, session, dict(zip(("score", "trial"), functions, strict=True)))
    # R's own end would run finalizers of the model; the parent removes the files.
    os._exit(0)


def _session() -> "RSession":
    try:
        from bridge.backends.embedded_r.session import RSession  # noqa: PLC0415 - it opens R's library

        return RSession()
    except Exception:  # noqa: BLE001 - whatever the reason, the parent says how to look at it
        os._exit(CANNOT_EMBED)


def _serve(connection: socket.socket, session: "RSession", functions: "Mapping[str, RObject]") -> None:
    while (request := _received(connection, HEADER_BYTES)) is not None:
        header = parse_header(request)
        body = _received(connection, header.length) if header.length <= MAX_REQUEST_BYTES else None
        if body is None:
            return
        connection.sendall(_answer(session, functions, body, header.msg_id))


def _answer(session: "RSession", functions: "Mapping[str, RObject]", body: bytearray, msg_id: int) -> bytes:
    """Returns the message that answers a call."""
    capability, arguments = decode_call(body)
    value = session.called(functions[capability], arguments)
    if value is None:
        return _error(R_ERROR, msg_id)
    message = encode_value(RESPONSE_OK, value, msg_id)
    return message if len(message) <= MAX_REPLY_BYTES else _error(OUT_OF_REPLY_SPACE, msg_id)


def _error(status: int, msg_id: int) -> bytes:
    return pack_header(RESPONSE_ERROR | status << 24, 0, msg_id)


def _received(connection: socket.socket, count: int) -> bytearray | None:
    """Returns the next bytes; None where the connection ends before there are that many."""
    received = bytearray(count)
    view = memoryview(received)
    while view:
        size = connection.recv_into(view)
        if size == 0:
            return None
        view = view[size:]
    return received


def _take_signals() -> None:
    """Gives the signals that Python has changed their meaning for C programs, as R has them in Rserve."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A handler, and not SIG_IGN, which the programs that Pred.R starts would inherit.
    signal.signal(signal.SIGPIPE, lambda _number, _frame: None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
