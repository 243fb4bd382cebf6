"""The gateway's settings: one TOML file, SCOREBRIDGE_* environment variables over it, the command line over both."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bridge.addresses import is_loopback_host
from bridge.config_sources import SourceNotReadable, tell
from bridge.errors import BridgeError
from bridge.store_settings import StoreSettings
from bridge.validation import describe_each

__all__ = ["ConfigError", "GatewaySettings", "LogSettings", "default_cache_dir", "read_pythons", "read_settings"]

_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(gt=0, le=1 << 20)]
_Path = Annotated[Path, Field(strict=False)]  # TOML has text for a path
_Port = Annotated[int, Field(ge=0, le=65535)]


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("this is not an absolute path")
    return path


_Absolute = Annotated[_Path, AfterValidator(_absolute)]


def default_cache_dir() -> Path:
    """Returns the user's cache folder for scorebridge, by the XDG base directory specification.

    A relative XDG_CACHE_HOME is ignored, as the specification asks. A user without a home gets a folder among the
    temporary files.
    """
    told = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if told.is_absolute():
        return told / "scorebridge"
    try:
        return Path("~/.cache/scorebridge").expanduser()
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"cache-of-scorebridge-{os.getuid()}"


class ConfigError(BridgeError):
    """The gateway can't start with these settings.

    Attributes:
        faults: all that was found to be wrong at one time, in sentences; the message is the first of them.
    """

    reason = "CONFIGURATION"

    def __init__(self, message: str, *, faults: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults) or (message,)


class LogSettings(BaseModel):
    """How the prediction log is kept: the part of the gateway's settings that `bridge.prediction_log` reads.

    Attributes:
        log_dir: the folder of the prediction log, used by one gateway only; None keeps no log.
        log_fsync: what a power cut may lose: "always" answers a call when its record is on the disk, "interval" syncs
            every `log_fsync_interval_s`, "never" leaves it to the system. A gateway that is killed loses nothing.
        log_fsync_interval_s: the seconds between two syncs.
        log_on_failure: "serve" answers calls that could not be recorded, "refuse" does not.
        log_segment_bytes: the size at which a new segment is begun.
        log_segment_age_s: the age at which a new segment is begun, in seconds.
        log_keep_s: the age above which segments are removed, in seconds; None keeps all.
        log_keep_bytes: the size of all segments above which the oldest are removed; None keeps all.
        log_keep_unshipped_bytes: the size of all segments up to which those stay that `scorebridge log ship` has not
            shipped yet, whatever the two say; None removes them all the same, with a warning.
        log_refusals_per_s: how many refused calls of one caller get a record of their own each second; the others are
            only counted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    log_dir: _Path | None = None
    log_fsync: Literal["interval", "always", "never"] = "interval"
    log_fsync_interval_s: _Seconds = 0.05
    log_on_failure: Literal["serve", "refuse"] = "serve"
    log_segment_bytes: Annotated[int, Field(gt=0)] = 128 << 20
    log_segment_age_s: _Seconds = 3600.0
    log_keep_s: _Seconds | None = None
    log_keep_bytes: Annotated[int, Field(gt=0)] | None = None
    log_keep_unshipped_bytes: Annotated[int, Field(gt=0)] | None = None
    log_refusals_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0


class GatewaySettings(BaseSettings, LogSettings):
    """How one gateway runs; the settings of the prediction log are in `LogSettings`.

    Attributes:
        repository: the folder of bundles; it must exist.
        host: the address to listen on, for all ports.
        grpc_port: the port for gRPC; 0 picks a free one.
        http_port: the port for HTTP: scores in JSON, /livez and /readyz; 0 picks a free one.
        front: "grpc" is grpc.aio, "native" is pygrpc-native, which can't keep all limits; "auto" takes "grpc".
        max_message_bytes: the largest request in bytes; the gRPC library refuses larger ones.
        max_connections: the most connections at one time on each port; further ones are closed at once.
        max_streams: the most calls under way on one connection; if a caller has more at once, some are refused and have
            to be sent again.
        max_header_bytes: the most bytes in the headers of one request, on either port.
        handshake_s: how long a new connection may take for TLS, HTTP/2 and the head of an HTTP request, in seconds.
        message_s: how long the message of a call may take after its headers, in seconds.
        connection_idle_s: after how many seconds without a call a connection is closed.
        connection_age_s: after how many seconds (10 % more or less) a connection takes no new calls.
        connection_age_grace_s: how many seconds calls under way may then go on: more than the longest call takes.
        keepalive_s: after how many seconds of silence a connection is pinged.
        keepalive_timeout_s: after how many seconds without a reply to the ping the connection is closed.
        min_ping_interval_s: the least seconds between pings of a client; one that pings more often is disconnected.
        max_inflight_bytes: the most bytes in unanswered requests of all callers; further requests are refused.
        max_columns: the most columns of a request, if no resident model has more features.
        grace_s: how many seconds calls may go on after SIGTERM.
        watch_interval_s: the seconds between looks into the repository for new, promoted and retired versions.
        cache_dir: the folder that keeps trees compiled to machine code for the next start, because they take long to
            make. If it can't be written to, or others can write to it, a start is only slower.
        log_model_messages: whether messages of conditions that models raise are written to the gateway's own log, at a
            bounded rate.
        own_log: how the gateway's own log is written to standard error: "console" for people, "json" an object a line.
        tls_certificate: PEM file of the certificate chain; TLS is served if it is set.
        tls_key: PEM file of the private key of `tls_certificate`.
        tls_client_ca: PEM file of authorities; clients must then show a certificate of one of them.
        callers: TOML file of those who may call, each with its token or certificate; None lets everybody call.
        insecure: whether a gateway that other machines can reach may serve without TLS, or callers without a name.
        probe_port: a port for /livez and /readyz in plain text, without names; 0 picks a free one, None opens none. The
            ready line names it.
        metrics_open: whether everybody who reaches the HTTP port or the probe port may read /metrics, which names the
            models; else callers with the role "operate" and those on this machine may, on the HTTP port alone.
        pythons: the interpreters that Python models may run in: absolute paths, by the names that `python` in a
            model.toml has for them.
        worker_user: the user that R and Python workers run as, so that code of bundles reads neither the TLS key nor
            the log. It needs a gateway that is started as root. None keeps the gateway's own user.
        stores: where features are looked up by key, by the names that models use.
        drift_interval_s: after how many seconds the drift of the last day's calls is measured again; 0 for never. It
            needs a prediction log.
    """

    model_config = SettingsConfigDict(env_prefix="SCOREBRIDGE_", extra="forbid", frozen=True, strict=True)

    repository: _Path
    host: str = "127.0.0.1"
    grpc_port: _Port = 8081
    http_port: _Port = 8082
    front: Literal["auto", "native", "grpc"] = "auto"
    max_message_bytes: Annotated[int, Field(gt=0)] = 4 << 20
    max_connections: _Count = 1024
    max_streams: _Count = 128
    max_header_bytes: Annotated[int, Field(ge=8192, le=1 << 20)] = 16 << 10
    handshake_s: _Seconds = 10.0
    message_s: _Seconds = 30.0
    connection_idle_s: _Seconds = 300.0
    connection_age_s: _Seconds = 1800.0
    connection_age_grace_s: _Seconds = 300.0
    keepalive_s: _Seconds = 60.0
    keepalive_timeout_s: _Seconds = 20.0
    min_ping_interval_s: _Seconds = 5.0
    max_inflight_bytes: Annotated[int, Field(gt=0)] = 256 << 20
    max_columns: Annotated[int, Field(gt=0)] = 16_384
    grace_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10.0
    watch_interval_s: _Seconds = 1.0
    cache_dir: _Path = Field(default_factory=default_cache_dir)
    log_model_messages: bool = False
    own_log: Literal["console", "json"] = "console"
    tls_certificate: _Path | None = None
    tls_key: _Path | None = None
    tls_client_ca: _Path | None = None
    callers: _Path | None = None
    insecure: bool = False
    probe_port: _Port | None = None
    metrics_open: bool = False
    pythons: dict[str, _Absolute] = Field(default={})
    worker_user: str | None = None
    stores: dict[str, StoreSettings] = Field(default={})
    drift_interval_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 3600.0

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key must both be set, or neither")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        if self.tls_certificate is not None and self.front == "native":
            raise ValueError("front = 'native' does not support TLS: use front = 'grpc'")
        return self

    @model_validator(mode="after")
    def _strangers_are_kept_out(self) -> Self:
        if self.callers is not None and self.front == "native":
            raise ValueError("front = 'native' passes no tokens on, so callers can't be told apart: use front = 'grpc'")
        if self.insecure or is_loopback_host(self.host):
            return self
        lacking = [] if self.tls_certificate is not None else ["tls_certificate and tls_key"]
        lacking += [] if self.callers is not None or self.tls_client_ca is not None else ["callers or tls_client_ca"]
        if lacking:
            raise ValueError(
                f"host = '{self.host}' can be reached from other machines: set {' and '.join(lacking)}, "
                "or insecure = true to let anybody there read calls or score"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Returns the one source of settings, what `read_settings` has collected: nothing is read behind its back."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def read_settings(path: Path | None, **given: Any) -> GatewaySettings:
    """Reads the settings from the command line, the environment and a file; the first of them that has a key counts.

    Args:
        path: a TOML file; None for none.
        given: the values from the command line; None where an option was not given.

    Raises:
        ConfigError: the file can't be read, or a key is unknown or has a value that it can't have.
    """
    try:
        return GatewaySettings(**tell(GatewaySettings, path, given).values)
    except SourceNotReadable as error:
        raise ConfigError(str(error)) from error
    except ValidationError as error:
        faults = describe_each(error, GatewaySettings)
        raise ConfigError(faults[0], faults=faults) from error


def read_pythons(path: Path | None) -> dict[str, Path]:
    """Reads the interpreters of Python models from the settings of a gateway, whose other keys are not looked at.

    Args:
        path: a TOML file; None for none. The variable SCOREBRIDGE_PYTHONS counts more than the file.

    Raises:
        ConfigError: the file can't be read, or `[pythons]` has a value that it can't have.
    """
    try:
        found = tell(GatewaySettings, path, {}).values.get("pythons", {})
        return TypeAdapter(dict[str, _Absolute]).validate_python(found)
    except SourceNotReadable as error:
        raise ConfigError(str(error)) from error
    except ValidationError as error:
        raise ConfigError(f"pythons: {describe_each(error, GatewaySettings)[0]}") from error
