"""The settings of a store of features: `[stores.NAME]` in the gateway's settings."""

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["StoreSettings"]

_TRIP_S = 0.01
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Path = Annotated[Path, Field(strict=False)]  # TOML has text for a path
_SCHEMES = ("redis", "rediss", "unix", "sentinel", "sentinels", "cluster", "clusters")
_URL = re.compile(r"(?P<scheme>[a-z]+)://(?P<rest>[^\s]+)")
_ENCRYPTED = ("rediss", "sentinels", "clusters")


class StoreSettings(BaseModel):
    """Where features are looked up by key, and what a lookup may cost.

    Attributes:
        url: `redis://HOST:PORT/DB`, `rediss://` for TLS, `unix:///PATH?db=DB`, `sentinel://HOST:PORT,HOST:PORT/SERVICE/DB`,
            `cluster://HOST:PORT,HOST:PORT` (with an s behind the scheme for TLS), or `memory:FILE`.
        timeout_s: seconds that a round trip of up to 1,000 entities may take, and at most half of the time that the
            call has left; None for 10 ms, and at most 20 % of that time.
        max_connections: the most connections to Redis, of a cluster to each node.
        max_entities: the most different keys of one call; more are refused.
        username: the user to log in as; None for Redis' default user.
        password_file: the file with the password, of at most 4 KiB; a line feed at its end does not count. It is read
            anew for each connection, so that a password is changed by changing the file. None for none.
        tls_ca: the PEM file of authorities that sign the store's certificate; None for the machine's own. The
            certificate must be for the host that the URL names.
        tls_certificate: the PEM file of the gateway's own certificate for the store; None for none.
        tls_key: the PEM file of that certificate's key, which must have no passphrase.
        refresh_s: seconds between two looks at which feature batch is current. A look that fails changes nothing until
            the last one is three times as old.
        failures: after how many failures in a row the store is left alone.
        open_s: the seconds between two questions whether it answers again.
        cache_entities: the most rows of feature batches kept in the gateway's memory; 0 keeps none. Rows of streams and
            rows longer than 64 KiB are not kept.
        cache_age_s: for how many seconds such a row is kept. All are let go when a group is described anew, so that a
            batch that was dropped and published again under its old name is seen within `refresh_s`.
        key: the key's column in the file of a `memory:` store; None for the one that the file's own metadata name.
    """

    # A password may stand in a URL by mistake, and the error of a setting is shown.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    url: str
    timeout_s: _Seconds | None = None
    max_connections: Annotated[int, Field(gt=0, le=1024)] = 8
    max_entities: Annotated[int, Field(gt=0, le=1_000_000)] = 10_000
    username: str | None = None
    password_file: _Path | None = None
    tls_ca: _Path | None = None
    tls_certificate: _Path | None = None
    tls_key: _Path | None = None
    refresh_s: _Seconds = 1.0
    failures: Annotated[int, Field(gt=0)] = 5
    open_s: _Seconds = 1.0
    cache_entities: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    cache_age_s: _Seconds = 60.0
    key: str | None = None

    @property
    def trip_s(self) -> float:
        """How long a round trip may take, in seconds."""
        return _TRIP_S if self.timeout_s is None else self.timeout_s

    @property
    def scheme(self) -> str:
        """The kind of the store: the part of the URL before its first colon."""
        return self.url.partition(":")[0]

    @property
    def encrypted(self) -> bool:
        """Whether the connections to the store have TLS."""
        return self.scheme in _ENCRYPTED

    @model_validator(mode="after")
    def _url_is_one_of_the_forms(self) -> Self:
        if self.scheme == "memory":
            if not self.url.removeprefix("memory:"):
                raise ValueError("url = 'memory:' names no file: write memory:FILE.parquet")
            return self
        found = _URL.fullmatch(self.url)
        if found is None or found["scheme"] not in _SCHEMES:
            raise ValueError(f"url must begin with memory: or one of {', '.join(f'{one}://' for one in _SCHEMES)}")
        if "@" in found["rest"] or "password=" in found["rest"]:
            raise ValueError("url holds a name or password: use username and password_file, which no message shows")
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key must both be set, or neither")
        if (self.tls_ca or self.tls_certificate) and not self.encrypted:
            raise ValueError("tls_ca and tls_certificate need a url with TLS, such as rediss://")
        if self.key is not None and self.scheme != "memory":
            raise ValueError("key is for memory: stores; of other stores the lookup names the key")
        return self
