"""Asks a gateway's HTTP port, byte for byte."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from fixtures import Addressed

__all__ = ["Said", "ask", "dialed", "exchange", "request_bytes"]


class Said(NamedTuple):
    """An answer: its status, its headers by their names in lower case, and its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @classmethod
    def of(cls, raw: bytes) -> "Said":
        """The first answer in what came back."""
        head, _, rest = raw.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
        return cls(int(line.split(" ")[1]), headers, rest[: int(headers.get("content-length", "0"))])


async def dialed(
    address: str, secured: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to an address."""
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port), ssl=secured, server_hostname="localhost" if secured else None)


def request_bytes(method: str, path: str, body: Any = None, **headers: str) -> bytes:
    """All bytes of a request; a body that is not bytes becomes JSON. Underscores in headers' names become hyphens."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = {"Host": "localhost", "Connection": "close"}
    given |= {"Content-Type": "application/json", "Content-Length": str(len(raw))} if body is not None else {}
    given |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + raw


async def ask(
    gateway: Addressed,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Said:
    """What the gateway answers to one request on a connection of its own."""
    return Said.of(await exchange(gateway, request_bytes(method, path, body, **(headers or {})), tls))


async def exchange(gateway: Addressed, raw: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """All that comes back for some bytes, until the other side hangs up."""
    reader, writer = await dialed(gateway.http_address, tls)
    got = b""
    try:
        with suppress(ConnectionError):
            writer.write(raw)
            async with asyncio.timeout(20):
                await writer.drain()
                while part := await reader.read(1 << 16):
                    got += part
    finally:
        writer.transport.abort()
    return got
