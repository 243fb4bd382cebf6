"""The lock that one publisher of a group holds at a time: it is renewed while the publisher lives, and then expires."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import redis

from bridge.features.publishing.connection import Client, store_errors
from bridge.features.publishing.keys import lock_key
from bridge.features.publishing.publishing_errors import GroupBusy, PublicationLost

__all__ = ["EXPIRY_S", "PublishingLock"]

EXPIRY_S = 30.0
_RENEWALS = 3  # in the time in which it expires
_LOOKS = 60  # likewise, while a publisher is waited for that may be dead
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class PublishingLock:
    """The lock of one group, held from `take` to `release`; a thread renews it.

    Args:
        client: the store.
        group: the group's name.
        say: takes a sentence for the operator.
        expiry_s: the seconds after which the lock of a dead publisher is free.

    Attributes:
        token: what tells this publisher from all others.
    """

    def __init__(
        self, client: Client, group: str, say: Callable[[str], Any] = lambda _: None, *, expiry_s: float = EXPIRY_S
    ) -> None:
        self.token = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(16)}"
        self._client, self._group, self._say = client, group, say
        self._key = lock_key(group)
        self._expiry_s = expiry_s
        self._ended = threading.Event()
        self._lost = False
        self._renewing: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def take(self) -> None:
        """Takes the lock; waits for one that nobody renews until it expires.

        Raises:
            GroupBusy: another publisher renewed the lock meanwhile, so it is alive.
            StoreUnavailable, StoreRefused: the store does not answer, or refuses a command.
        """
        seen: tuple[bytes, int] | None = None
        while not self._taken():
            with store_errors():
                holder, left_ms = self._client.get(self._key), self._client.pttl(self._key)
            if holder is not None:
                if seen is None:
                    self._say(
                        f"group '{self._group}': {_named(holder)} holds its lock; waiting to see if it still lives"
                    )
                elif holder != seen[0] or left_ms > seen[1]:
                    raise GroupBusy(
                        f"group '{self._group}' is being published by {_named(holder)}: wait until that ends, or end it"
                    )
                seen = holder, left_ms
            self._ended.wait(self._expiry_s / _LOOKS)
        self._renewing = threading.Thread(target=self._renew, name=f"lock of {self._group}", daemon=True)
        self._renewing.start()

    def _taken(self) -> bool:
        with store_errors():
            return bool(self._client.set(self._key, self.token, nx=True, px=self._expiry_ms()))

    def _expiry_ms(self) -> int:
        return max(1, round(self._expiry_s * 1000))

    def _renew(self) -> None:
        heard = time.monotonic()
        while not self._ended.wait(self._expiry_s / _RENEWALS):
            try:
                if not self._client.eval(_RENEW, 1, self._key, self.token, self._expiry_ms()):
                    self._lost = True
                    return
                heard = time.monotonic()
            except redis.RedisError:
                if time.monotonic() - heard > self._expiry_s:
                    self._lost = True  # it has expired, whoever has it now
                    return

    def check(self) -> None:
        """Checks that the lock is still held.

        Raises:
            PublicationLost: it could not be renewed in time, or another publisher has it.
        """
        if self._lost:
            raise PublicationLost(
                f"group '{self._group}': its lock could not be renewed in time, and another publisher may have taken"
                " it: nothing was flipped; start again"
            )

    def release(self) -> None:
        """Gives the lock back at once, if the store can be reached; else it expires. May be called more than once."""
        self._ended.set()
        if self._renewing is None:
            return
        self._renewing.join()
        self._renewing = None
        try:
            self._client.eval(_RELEASE, 1, self._key, self.token)
        except redis.RedisError:
            self._say(f"group '{self._group}': its lock could not be given back, and expires by itself")


def _named(holder: bytes) -> str:
    host, _, rest = holder.decode(errors="replace").partition(":")
    return f"process {rest.partition(':')[0]} on {host}"
