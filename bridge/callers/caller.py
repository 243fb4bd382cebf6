"""A caller, what it may ask for, and what it shows to be known."""

from fnmatch import fnmatchcase
from typing import Literal

from bridge.callers.row_rate import RowRate
from bridge.errors import PermissionDenied
from bridge.values import value

__all__ = ["ALL_MODELS", "Caller", "Credentials", "Role"]

Role = Literal["score", "operate"]
ALL_MODELS = ("*",)


@value
class Caller:
    """Whoever makes calls, and what it may do.

    Attributes:
        name: its name in callers.toml; else the names in its certificate or its address, as `Access` says.
        role: "operate" may also load and unload models and see the reasons on /readyz.
        models: patterns of the names of the models that it may ask for, with * and ?.
        rate: how many rows a second it may send; None for no limit.
    """

    name: str
    role: Role = "score"
    models: tuple[str, ...] = ALL_MODELS
    rate: RowRate | None = None

    @property
    def operates(self) -> bool:
        """Whether it may load and unload models, and see why versions don't serve."""
        return self.role == "operate"

    def may_ask(self, model: str) -> bool:
        """Whether it may ask for scores and facts of a model, given by its name."""
        return self.models is ALL_MODELS or any(fnmatchcase(model, pattern) for pattern in self.models)

    def require(self, model: str) -> None:
        """Checks that it may ask for a model, whether or not there is one of that name.

        Raises:
            PermissionDenied: it may not.
        """
        if not self.may_ask(model):
            raise PermissionDenied(f"the caller '{self.name}' may not ask for this model: callers.toml says for which")

    def require_operate(self) -> None:
        """Checks that it has the role "operate".

        Raises:
            PermissionDenied: it has not.
        """
        if not self.operates:
            raise PermissionDenied(f"the caller '{self.name}' needs role = 'operate' in callers.toml for this method")

    def charge(self, rows: int) -> None:
        """Counts rows that it has sent against its limit; a call without rows counts as one row.

        Raises:
            RateLimited: it has used up what it may send; the rows don't count.
        """
        if self.rate is not None:
            self.rate.charge(self.name, rows)


@value
class Credentials:
    """What a call shows of who makes it.

    Attributes:
        authorization: the values of its `authorization` headers, in order.
        certificate: the names in the certificate of its connection, common name and subject alternative names; empty
            if it has shown none.
        encrypted: whether the connection is TLS.
        peer: its address, as gRPC writes it, such as "ipv4:10.0.0.7:5123".
    """

    authorization: tuple[str, ...] = ()
    certificate: tuple[str, ...] = ()
    encrypted: bool = False
    peer: str = ""
