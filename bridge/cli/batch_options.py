"""The options of `scorebridge batch`, and the run that they describe."""

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.completion import complete_model
from bridge.cli.dialect_options import Decimal, Encoding, NoHeader, Separator, dialect_of
from bridge.cli.gateway_options import ClientCert, ClientKey, GatewayOptions, TlsCa, Token, Url
from bridge.cli.json_output import Json
from bridge.cli.pythons_option import PythonsOf
from bridge.offline.run_options import RunOptions

__all__ = ["BatchOptions", "RProcess"]

_MAX_VERSION = 10**9 - 1
_PARTITION = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=([^/=\0\x01-\x1f]+)")


class RProcess(StrEnum):
    """What runs R models. An enum, because the oldest typer that we take knows no literals."""

    RSERVE = "rserve"
    EMBEDDED = "embedded"


_Inputs = Annotated[
    list[str],
    typer.Option(
        "--input",
        metavar="PATH",
        show_default=False,
        help="File or folder of rows (CSV, Parquet, JSON lines, Arrow), or duckdb:FILE#QUERY; repeatable.",
    ),
]
_OutputPath = Annotated[
    Path,
    typer.Option(
        "--output",
        show_default=False,
        help="File to write (.parquet, .csv, .jsonl, .arrow); any other name is a folder of Parquet files.",
    ),
]
_RepositoryOption = Annotated[
    Path | None, typer.Option("--repository", help="Score in this process with a version of this repository.")
]
_KeyOption = Annotated[
    str | None, typer.Option("--key", metavar="COLUMN", help="Column of row keys, to send and to copy to the output.")
]
_KeepOption = Annotated[
    list[str] | None, typer.Option("--keep", metavar="COLUMN", help="Another column to copy; repeatable.")
]
_DefaultOption = Annotated[
    str | None,
    typer.Option(
        "--default", metavar="NUMBER|model", help="Default score for rows that can't be scored; 'model': its own."
    ),
]
_PartitionOption = Annotated[
    list[str] | None,
    typer.Option("--partition", metavar="NAME=VALUE", help="Partition of the output to write; repeatable."),
]
_ROption = Annotated[RProcess, typer.Option("--r", help="What runs R models with --repository.")]


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """What the command line says; every field is an option or argument of the command, and described by its help."""

    model: Annotated[str, typer.Argument(help="The model's name.", autocompletion=complete_model)]
    inputs: _Inputs
    output: _OutputPath
    url: Url = "127.0.0.1:8081"
    repository: _RepositoryOption = None
    tls_ca: TlsCa = None
    tls_cert: ClientCert = None
    tls_key: ClientKey = None
    token_file: Token = None
    version: Annotated[int, typer.Option(min=0, max=_MAX_VERSION, help="The version; 0: the one that serves.")] = 0
    timeout: Annotated[float, typer.Option(help="Seconds that one call may take.")] = 30.0
    default: _DefaultOption = None
    key: _KeyOption = None
    keep: _KeepOption = None
    ignore_extra: Annotated[bool, typer.Option("--ignore-extra", help="Ignore columns that the model lacks.")] = False
    partition: _PartitionOption = None
    max_rejects: Annotated[int, typer.Option(min=0, help="Rows that may get no score.")] = 0
    max_defaults: Annotated[int | None, typer.Option(min=0, help="Rows that may get default scores; else any.")] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False
    restart: Annotated[bool, typer.Option("--restart", help="Throw away what an earlier run has finished.")] = False
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Calls under way at once.")] = None
    batch_size: Annotated[int | None, typer.Option(min=1, max=1_000_000, help="Rows of a chunk.")] = None
    patience: Annotated[float, typer.Option(help="Seconds to wait for a gateway that can't score now.")] = 600.0
    log_dir: Annotated[Path | None, typer.Option(help="Folder of a prediction log, with --repository.")] = None
    r: _ROption = RProcess.RSERVE
    config: PythonsOf = None
    separator: Separator = ","
    decimal: Decimal = "."
    encoding: Encoding = "utf-8"
    no_header: NoHeader = False
    as_json: Json = False

    @property
    def gateway(self) -> GatewayOptions:
        """Where the gateways are, and how the command is known there."""
        return GatewayOptions(self.url, self.tls_ca, self.tls_cert, self.tls_key, self.token_file)

    def check(self) -> None:
        """Checks what the types can't say.

        Raises:
            typer.BadParameter: an option has a value that it can't have, or that excludes another one.
        """
        _check_seconds("--timeout", self.timeout)
        _check_seconds("--patience", self.patience)
        if self.log_dir is not None and self.repository is None:
            raise typer.BadParameter("needs --repository: a gateway keeps its own log", param_hint="--log-dir")
        if self.r is not RProcess.RSERVE and self.repository is None:
            raise typer.BadParameter("needs --repository: a gateway runs R itself", param_hint="--r")
        if self.config is not None and self.repository is None:
            raise typer.BadParameter("needs --repository: a gateway runs models itself", param_hint="--config")

    def run(self) -> RunOptions:
        """Returns what the run is asked to do.

        Raises:
            typer.BadParameter: an option has a value that it can't have.
        """
        return RunOptions(
            inputs=tuple(self.inputs),
            output=self.output,
            partition=_partitions(self.partition or []),
            dialect=dialect_of(self.separator, self.decimal, self.encoding, no_header=self.no_header),
            key=self.key,
            keep=tuple(self.keep or ()),
            ignore_extra=self.ignore_extra,
            chunk_rows=self.batch_size,
            default=_default(self.default),
            max_rejects=self.max_rejects,
            max_defaults=self.max_defaults,
            overwrite=self.overwrite,
            restart=self.restart,
            workers=self.workers,
            patience_s=self.patience,
        )


def _default(given: str | None) -> float | bool:
    if given is None:
        return False
    if given == "model":
        return True
    with suppress(ValueError):
        if math.isfinite(number := float(given)):
            return number
    raise typer.BadParameter("must be a finite number, or 'model'", param_hint="--default")


def _check_seconds(option: str, given: float) -> None:
    if not 0 < given < math.inf:
        raise typer.BadParameter("must be a positive, finite number of seconds", param_hint=option)


def _partitions(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        parts = _PARTITION.fullmatch(one)
        if parts is None or parts[2] in (".", ".."):
            raise typer.BadParameter("must be NAME=VALUE, such as dt=2026-11-22", param_hint="--partition")
        if parts[1] in found:
            raise typer.BadParameter(f"names '{parts[1]}' twice", param_hint="--partition")
        found[parts[1]] = parts[2]
    return found
