"""The gateway's settings: one TOML file, SCOREBRIDGE_* environment variables over it, the command line over both."""

import os
import tempfile
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from bridge.errors import BridgeError
from bridge.validation import describe_invalid

__all__ = ["ConfigError", "GatewaySettings", "LogSettings", "default_cache_dir", "read_settings"]

_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(gt=0, le=1 << 20)]
_Path = Annotated[Path, Field(strict=False)]  # a file of settings has text for it
_Port = Annotated[int, Field(ge=0, le=65535)]


def default_cache_dir() -> Path:
    """A folder of the user's own, by the XDG base directory specification; relative paths there are to be ignored.

    A user without a home has one among the temporary files.
    """
    told = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if told.is_absolute():
        return told / "scorebridge"
    try:
        return Path("~/.cache/scorebridge").expanduser()
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"cache-of-scorebridge-{os.getuid()}"


class ConfigError(BridgeError):
    """The gateway can't be started as it was asked to."""

    reason = "CONFIGURATION"


class LogSettings(BaseModel):
    """How the prediction log is kept: the part of the gateway's settings that `bridge.prediction_log` reads.

    Attributes:
        log_dir: the folder of the prediction log, for one gateway alone; None keeps none.
        log_fsync: what a power cut may take: "always" answers after the record is on the disk, "interval" syncs every
            `log_fsync_interval_s`, "never" leaves it to the system. A gateway that is killed loses nothing either way.
        log_fsync_interval_s: seconds between syncs.
        log_on_failure: "serve" answers calls that could not be recorded, "refuse" does not.
        log_segment_bytes: a new segment is begun at this size.
        log_segment_age_s: and at this age, seconds.
        log_keep_s: older segments are removed, seconds; None keeps all.
        log_keep_bytes: the oldest segments are removed above this size of all of them; None keeps all.
        log_refusals_per_s: how many refused calls of one caller are on record each; the others are counted.
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
    log_refusals_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0


class GatewaySettings(BaseSettings, LogSettings):
    """How one gateway runs; what it says of the prediction log is explained in `LogSettings`.

    Attributes:
        repository: the folder of bundles.
        host: the address to listen on.
        grpc_port: for gRPC; 0 picks a free one.
        http_port: for /livez and /readyz; 0 picks a free one.
        front: "grpc" is grpc.aio, "native" is pygrpc-native, which can't hold all bounds; "auto" takes the first.
        max_message_bytes: a larger request is refused by the gRPC library.
        max_connections: at one time, of each port; more are closed at once.
        max_streams: calls under way on one connection.
        max_header_bytes: of one request's headers, on either port.
        handshake_s: how long a connection may take to say what it is: TLS, HTTP/2, the head of an HTTP request.
        message_s: how long a call's message may take once its headers are here.
        connection_idle_s: a connection without calls is closed after it.
        connection_age_s: a connection takes no new calls after it, give or take a tenth.
        connection_age_grace_s: what is under way on one by then may take so long.
        keepalive_s: a connection from which nothing came for so long is asked whether it is there.
        keepalive_timeout_s: and closed if it does not answer within this.
        min_ping_interval_s: who pings more often is sent away.
        max_inflight_bytes: of the requests of all callers that are not answered yet; more are refused.
        max_columns: of a request, if no resident model has more features.
        grace_s: how long calls may go on after SIGTERM.
        watch_interval_s: how often the repository is looked into for new, promoted and retired versions.
        cache_dir: where what took long to make is kept for the next start: trees as machine code.
        log_model_messages: what models say when they raise is written to the gateway's own log, at a bounded rate.
        tls_certificate: PEM file of the certificate chain; TLS is served if it is set.
        tls_key: PEM file of its private key.
        tls_client_ca: PEM file; clients must show a certificate of one of these authorities.
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
    tls_certificate: _Path | None = None
    tls_key: _Path | None = None
    tls_client_ca: _Path | None = None

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        if self.tls_certificate is not None and self.front == "native":
            raise ValueError("front = 'native' does not do TLS")
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
        """The command line first, then the environment, then the file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def read_settings(path: Path | None, **given: Any) -> GatewaySettings:
    """The settings of the command line, the environment and a file; what comes first counts.

    Args:
        path: a TOML file; None for none.
        given: what the command line says; None where it says nothing.

    Raises:
        ConfigError: the file can't be read, or a value is not what its key takes.
    """
    if path is not None and not path.is_file():
        raise ConfigError(f"there is no file {path}")

    class FromFile(GatewaySettings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        found = FromFile(**{name: value for name, value in given.items() if value is not None})
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except ValidationError as error:
        raise ConfigError(describe_invalid(error)) from error
    return GatewaySettings.model_construct(**dict(found))
