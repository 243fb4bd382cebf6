"""Decides who a caller is, by its token and certificate, from a file that may change while the gateway runs."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from bridge.addresses import caller_at, is_loopback
from bridge.callers.caller import Caller, Credentials, Role
from bridge.callers.callers_file import CallerEntry, parse_callers, read_callers_file
from bridge.callers.row_rate import RowRate
from bridge.config import ConfigError
from bridge.errors import Unauthenticated
from bridge.events import CALLERS_CHANGED, CALLERS_INVALID
from bridge.own_log import OwnLog

__all__ = ["Access"]

_log = OwnLog(__name__)

_MOST_TOKEN = 4096  # characters
_UNKNOWN = (
    "the gateway does not know this caller: it takes the token of a caller in callers.toml as 'authorization: Bearer "
    "TOKEN', or a certificate that is named there"
)
_PLAIN = "a token came in plain text from another machine, where others can read it: use TLS, and a new token"


class _Known(NamedTuple):
    caller: Caller
    entry: CallerEntry


class _Directory:
    """The callers of one state of the file, found by their tokens and certificates.

    Tokens are looked up by a keyed digest of their digest: how long that takes tells nothing of the tokens in the file.
    """

    def __init__(self, entries: Mapping[str, CallerEntry], rates: Mapping[str, RowRate]) -> None:
        self._key = secrets.token_bytes(32)
        self.rates = {
            name: rates[name] if name in rates and rates[name].per_s == entry.rows_per_s else RowRate(entry.rows_per_s)
            for name, entry in entries.items()
            if entry.rows_per_s is not None
        }
        self._by_token: dict[bytes, tuple[bytes, _Known]] = {}
        self._by_certificate: dict[str, list[_Known]] = {}
        for name, entry in entries.items():
            known = _Known(Caller(name, entry.role, tuple(entry.models), self.rates.get(name)), entry)
            for text in entry.token_sha256:
                digest = bytes.fromhex(text)
                self._by_token[self._blind(digest)] = digest, known
            for shown in entry.certificate:
                self._by_certificate.setdefault(shown, []).append(known)

    def by_token(self, token: str) -> _Known | None:
        """Returns whose token this is; None if it is nobody's."""
        digest = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        expected, known = self._by_token.get(self._blind(digest), (bytes(len(digest)), None))
        return known if hmac.compare_digest(expected, digest) else None

    def by_certificate(self, names: tuple[str, ...]) -> list[_Known]:
        """Returns the callers whose certificate has one of these names."""
        return [known for name in dict.fromkeys(names) for known in self._by_certificate.get(name, ())]

    def _blind(self, digest: bytes) -> bytes:
        return hashlib.blake2b(digest, key=self._key).digest()


class Access:
    """Who may call a gateway, and who each caller is.

    Args:
        path: the file of callers; None lets everybody call: callers are then named by their certificates or addresses,
            and those on this machine have the role "operate".
        certificates: whether the gateway asks for certificates; if not, the file may name none.

    Attributes:
        fault: what is wrong with the file as it is now, in a sentence; empty if it is in force.
        refused: the number of calls since the start whose caller was not known.

    Raises:
        ConfigError: the file can't be read or is not valid.
    """

    def __init__(self, path: Path | None, *, certificates: bool = True) -> None:
        self._path = path
        self._certificates = certificates
        self.fault = ""
        self.refused = 0
        self._content = self._seen = b""
        self._directory: _Directory | None = None
        if path is not None:
            self._content = self._seen = read_callers_file(path)
            self._directory = self._read(self._content, {})

    @property
    def is_open(self) -> bool:
        """Whether everybody may call, because no file of callers is set."""
        return self._directory is None

    def identify(self, shown: Credentials) -> Caller:
        """Returns the caller who shows these credentials.

        Raises:
            Unauthenticated: nobody in the file has them. The message is the same whatever is wrong with a token or
                certificate.
        """
        caller = self.find(shown)
        if caller is None:
            self.refused += 1
            raise Unauthenticated(_PLAIN if _is_exposed(shown) else _UNKNOWN)
        return caller

    def find(self, shown: Credentials) -> Caller | None:
        """Returns the caller whom `identify` would return, or None; counts nothing."""
        if _is_exposed(shown):
            return None
        if self._directory is None:
            return _unlisted(shown)
        known = self._found(self._directory, shown)
        return None if known is None else known.caller

    async def watch(self, interval_s: float) -> None:
        """Looks for changes of the file every `interval_s` seconds until it is cancelled; it is read in a thread."""
        while self._path is not None:
            await asyncio.sleep(interval_s)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Reads the file again. A changed one counts once two looks in a row found the same content and it is valid.

        So a file that is being written is not taken for a shorter one. Until then, and while the file is wrong, the
        last callers that were valid may call.
        """
        if self._path is None:
            return
        try:
            content, seen = read_callers_file(self._path), self._seen
            self._seen = content
            if content not in (self._content, seen):
                return
            if content != self._content:
                rates = {} if self._directory is None else self._directory.rates
                self._directory = self._read(content, rates)
                self._content = content
                _log.say(CALLERS_CHANGED, path=self._path)
        except ConfigError as error:
            self._say(str(error))
            return
        self._say("")

    def _read(self, content: bytes, rates: Mapping[str, RowRate]) -> _Directory:
        path = self._path or Path()
        return _Directory(parse_callers(path, content, certificates=self._certificates), rates)

    def _say(self, fault: str) -> None:
        if fault and fault != self.fault:
            _log.say(CALLERS_INVALID, error=fault)
        self.fault = fault

    def _found(self, directory: _Directory, shown: Credentials) -> _Known | None:
        """Returns the one caller to whom all that is shown belongs; None if there is none, or more than one."""
        certified = {known.caller.name: known for known in directory.by_certificate(shown.certificate)}
        known = directory.by_token(_token_of(shown.authorization))
        if not shown.authorization:
            known = next(iter(certified.values())) if len(certified) == 1 else None
            if known is None or known.entry.token_sha256:
                return None
        if known is None or ((certified or known.entry.certificate) and known.caller.name not in certified):
            return None
        expires = known.entry.expires
        return None if expires is not None and expires <= datetime.now(UTC) else known


def _is_exposed(shown: Credentials) -> bool:
    """Whether a token came in plain text from another machine."""
    return bool(shown.authorization) and not shown.encrypted and not is_loopback(shown.peer)


def _token_of(authorization: tuple[str, ...]) -> str:
    """Returns the token in the one authorization header of a call; empty if there is none that has the right form."""
    if len(authorization) != 1 or len(authorization[0]) > _MOST_TOKEN:
        return ""
    scheme, _, token = authorization[0].partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" else ""


def _unlisted(shown: Credentials) -> Caller:
    certified = f"certificate:{','.join(sorted(set(shown.certificate)))}" if shown.certificate else ""
    return _unlisted_caller(certified or caller_at(shown.peer), "operate" if is_loopback(shown.peer) else "score")


@lru_cache(maxsize=1024)
def _unlisted_caller(name: str, role: Role) -> Caller:
    return Caller(name, role)
