"""Reads callers.toml: who may call, by which token or certificate, for which models, and how much."""

import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bridge.callers.caller import ALL_MODELS, Role
from bridge.config import ConfigError
from bridge.files import open_regular
from bridge.validation import describe_each

__all__ = ["CallerEntry", "check_caller_name", "parse_callers", "read_callers_file"]

_MOST_BYTES = 1 << 20
_MOST_CALLERS = 10_000
_MOST_OF_ONE = 64  # tokens, certificates and patterns of one caller
_MOST_NAME = 64
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{_MOST_NAME - 1}}}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _as_list(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


_Text = Annotated[str, Field(min_length=1, max_length=256)]
_Texts = Annotated[list[_Text], BeforeValidator(_as_list), Field(max_length=_MOST_OF_ONE)]


class CallerEntry(BaseModel):
    """One `[callers.NAME]` of callers.toml.

    Attributes:
        token_sha256: the SHA-256 of its token in hexadecimal; several while a token is replaced by another.
        certificate: the common name or a subject alternative name of its certificate, or several.
        models: patterns of the names of the models that it may ask for, with * and ?; all models if left out.
        rows_per_s: the most rows a second, over time; None for no limit.
        role: "operate" may also load and unload models, and see the reasons on /readyz.
        expires: when it is not known any more; None for never. It must have an offset from UTC.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    token_sha256: _Texts = []
    certificate: _Texts = []
    models: Annotated[list[_Text], Field(min_length=1, max_length=_MOST_OF_ONE)] = list(ALL_MODELS)
    rows_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    role: Role = "score"
    expires: datetime | None = None

    @model_validator(mode="after")
    def _can_be_known(self) -> Self:
        if not self.token_sha256 and not self.certificate:
            raise ValueError("needs token_sha256 or certificate, else nobody can be this caller")
        for digest in self.token_sha256:
            if not _SHA256.fullmatch(digest):
                raise ValueError(
                    "token_sha256 must be 64 of 0-9 and a-f: `scorebridge token NAME` makes a token and prints its line"
                )
        if self.expires is not None and self.expires.tzinfo is None:
            raise ValueError("expires needs an offset from UTC, such as 2027-01-31T00:00:00Z")
        return self


class _CallersFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    callers: Annotated[dict[str, CallerEntry], Field(min_length=1, max_length=_MOST_CALLERS)]


def check_caller_name(name: str) -> str:
    """Returns the name of a caller if it may be one in callers.toml.

    Raises:
        ConfigError: it is not 1 to 64 of letters, digits, '.', '_' and '-', beginning with a letter or digit.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"a caller's name has 1 to {_MOST_NAME} of letters, digits, '.', '_' and '-', and begins with one of the "
            "first two"
        )
    return name


def read_callers_file(path: Path) -> bytes:
    """Returns the bytes of a file of callers.

    Raises:
        ConfigError: it can't be read, is no regular file or is too large.
    """
    try:
        with open_regular(path, str(path), ConfigError) as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"callers: {error}") from error
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"callers: {path} is larger than {_MOST_BYTES} bytes")
    return content


def parse_callers(path: Path, content: bytes, *, certificates: bool = True) -> Mapping[str, CallerEntry]:
    """Returns the entries of a file of callers, by name.

    Args:
        path: the path of the file, for messages.
        content: the bytes of the file.
        certificates: whether the gateway asks for certificates.

    Raises:
        ConfigError: the file is not valid TOML, holds an unknown key or a wrong value, names nobody, gives one token to
            two callers, or has a certificate where none is asked for. The message holds no value of the file.
    """
    try:
        found = _CallersFile.model_validate(tomllib.loads(content.decode()))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"callers: {path} is not TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"callers: {path} is not UTF-8") from error
    except ValidationError as error:
        faults = [f"callers: {path}: {fault}" for fault in describe_each(error, _CallersFile)]
        raise ConfigError(faults[0], faults=faults) from error
    owners: dict[str, str] = {}
    for name, entry in found.callers.items():
        check_caller_name(name)
        if entry.certificate and not certificates:
            raise ConfigError(
                f"callers: {path}: '{name}' has a certificate: set tls_client_ca, so that it is asked for"
            )
        for digest in entry.token_sha256:
            if owners.setdefault(digest, name) != name:
                raise ConfigError(f"callers: {path}: the callers '{owners[digest]}' and '{name}' have one token_sha256")
    return found.callers
