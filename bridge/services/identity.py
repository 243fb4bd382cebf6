"""Finds out who makes a gRPC call, from its headers, its connection's certificate and its address."""

from typing import Any

from bridge.addresses import is_loopback
from bridge.callers.access import Access
from bridge.callers.caller import Caller, Credentials

__all__ = ["GrpcIdentity"]

_COMMON_NAME, _ALTERNATIVE_NAME = "x509_common_name", "x509_subject_alternative_name"  # as grpc-core calls them


class GrpcIdentity:
    """Who makes calls on a gRPC port.

    Args:
        access: who may call.
        encrypted: whether the port serves TLS.
        certificates: whether clients must show a certificate.
    """

    def __init__(self, access: Access, *, encrypted: bool = False, certificates: bool = False) -> None:
        self._access = access
        self._encrypted = encrypted
        self._certificates = certificates

    def caller(self, context: Any) -> Caller:
        """Returns the caller of a call, given by its gRPC context.

        Raises:
            Unauthenticated: the caller is not one of those who may call.
        """
        peer = context.peer()
        # Headers and certificate are read only where they can matter: that takes as long as reading a small request.
        if self._access.is_open and not self._certificates and (self._encrypted or is_loopback(peer)):
            return self._access.identify(Credentials(peer=peer))
        authorization = tuple(_text(value) for name, value in _metadata(context) if name == "authorization")
        names = _names(context.auth_context()) if self._certificates else ()
        return self._access.identify(Credentials(authorization, names, self._encrypted, peer))


def _metadata(context: Any) -> Any:
    return context.invocation_metadata() or ()


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _names(shown: Any) -> tuple[str, ...]:
    found = [*shown.get(_ALTERNATIVE_NAME, ()), *shown.get(_COMMON_NAME, ())]
    return tuple(dict.fromkeys(name.decode(errors="replace") for name in found))
