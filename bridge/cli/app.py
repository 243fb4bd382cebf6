"""The command line: parse, call, print."""

import asyncio
import logging
import math
import os
import sys
from collections.abc import Coroutine
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from bridge.backends.xgboost.convert import convert as convert_model
from bridge.bundles.repository import Repository, check_model_name
from bridge.cli import log as log_commands
from bridge.cli.commands import command, sigterm_unwinds
from bridge.cli.csv_batch import Echo
from bridge.cli.deploy import PrintedReport
from bridge.cli.dialect_options import Decimal, Encoding, NoHeader, Separator, dialect_of
from bridge.cli.models import print_models
from bridge.cli.r_library import install_line, source_line
from bridge.cli.reconcile import reconcile
from bridge.cli.score import score_csv
from bridge.config import read_settings
from bridge.gateway.server import serve as run_gateway
from bridge.models import deploy as deploying

__all__ = ["app", "check", "convert", "deploy", "main", "models", "promote", "r_library", "retire", "score", "serve"]

_T = TypeVar("_T")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

_RepositoryOption = Annotated[Path, typer.Option("--repository", help="The folder of bundles.", show_default=False)]
_NewerFileOption = Annotated[
    bool,
    typer.Option("--accept-newer-file", help="Take a model file of a newer xgboost, proven by exact golden rows."),
]
_UnprovenOption = Annotated[
    bool, typer.Option("--unproven", help="Take a bundle of which nothing, or not every number of rows, was scored.")
]
_WarningsOption = Annotated[
    bool, typer.Option("--accept-warnings", help="Take a bundle whose R warned that it changed data.")
]
_UrlOption = Annotated[str, typer.Option(help="HOST:PORT of the gateway.")]
_MAX_VERSION = 10**9 - 1


_command = command(app)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"scorebridge {installed_version('scorebridge-gateway')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Scores in time."""


@_command
def serve(
    *,
    repository: Annotated[Path | None, typer.Option(help="The folder of bundles.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    log_dir: Annotated[Path | None, typer.Option(help="The folder of the prediction log.")] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="For gRPC; 0 picks a free one.")] = None,
    http_port: Annotated[int | None, typer.Option(help="For /livez and /readyz; 0 picks a free one.")] = None,
    front: Annotated[str | None, typer.Option(help="auto, grpc or native; auto is grpc.")] = None,
) -> None:
    """Serve a repository's models until SIGTERM.

    Prints `refused MODEL/VERSION: reason` for each bundle that is, `waiting MODEL/VERSION: reason` for each that is
    tried again, then `ready grpc=HOST:PORT http=HOST:PORT`, with `front=native` and what that means behind it if so.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = read_settings(
        config, repository=repository, log_dir=log_dir, host=host, grpc_port=grpc_port, http_port=http_port, front=front
    )
    _run(run_gateway(settings, lambda line: print(line, flush=True)))  # noqa: T201 - what scripts wait for


@_command
def check(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    *,
    accept_newer_file: _NewerFileOption = False,
    unproven: _UnprovenOption = False,
    accept_warnings: _WarningsOption = False,
) -> None:
    """Load a bundle for real and score its golden rows, or rows made up for it."""
    waivers = deploying.Waivers(newer_file=accept_newer_file, unproven=unproven, warnings=accept_warnings)
    _run(deploying.check(bundle, waivers, PrintedReport()))


@_command
def deploy(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    *,
    repository: _RepositoryOption,
    model: Annotated[str, typer.Option(help="The model's name.")],
    version: Annotated[int | None, typer.Option(help="The version; one above the highest if not given.")] = None,
    accept_newer_file: _NewerFileOption = False,
    unproven: _UnprovenOption = False,
    accept_warnings: _WarningsOption = False,
) -> None:
    """Check a bundle and make it a version of a model, all of it or nothing."""
    target = Repository(repository), check_model_name(model), version
    waivers = deploying.Waivers(newer_file=accept_newer_file, unproven=unproven, warnings=accept_warnings)
    stored = _run(deploying.deploy(bundle, *target, waivers=waivers, report=PrintedReport()))
    typer.echo(f"deployed {stored.model}/{stored.version}")


@_command
def promote(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    version: Annotated[int, typer.Argument(help="The version that is to serve.")],
    repository: _RepositoryOption,
) -> None:
    """Make a version serve, whatever is deployed later; this is also how to roll back."""
    Repository(repository).promote(model, version)
    typer.echo(f"{model}/{version} serves")


@_command
def retire(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    version: Annotated[int, typer.Argument(help="The version to be taken out.")],
    repository: _RepositoryOption,
) -> None:
    """Take a version out of the repository; gateways finish its calls and let it go."""
    aside = Repository(repository).retire(model, version)
    typer.echo(f"{model}/{version} is retired, to {aside.name}")


@_command
def convert(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A model in another form.", show_default=False)],
    *,
    target: Annotated[Path, typer.Option("--to", help="A new file, named .ubj or .json.", show_default=False)],
    trust_pickle: Annotated[bool, typer.Option("--trust-pickle", help="Run the code that is in a pickle.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds that it may take.")] = 120.0,
) -> None:
    """Make a model file of an xgboost model in another form, once it is proven to give the same scores."""
    _check_seconds(timeout)
    with sigterm_unwinds():
        lines = _run(convert_model(source, target, trust_pickle=trust_pickle, timeout_s=timeout))
    typer.echo("\n".join(lines))


@_command
def r_library(
    *,
    install: Annotated[bool, typer.Option("--install", help="Print the shell's command that installs it.")] = False,
) -> None:
    """Print the line of R that gives a session write_bundle.

    Paste it into R, or say `Rscript -e "$(scorebridge r-library)" -e '...'`. With --install it is a command for the
    shell, after which `library(scorebridge)` does the same.
    """
    typer.echo(os.fsencode(install_line() if install else source_line()))


@_command
def models(url: _UrlOption = "127.0.0.1:8081") -> None:
    """List the versions that a gateway has."""
    print_models(url)


@_command
def score(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    source: Annotated[Path, typer.Option("--input", help="CSV file.")],
    *,
    target: Annotated[Path, typer.Option("--output", help="CSV file to be written, or replaced.")],
    url: _UrlOption = "127.0.0.1:8081",
    timeout: Annotated[float | None, typer.Option(help="Seconds for the answer.")] = None,
    default: Annotated[float | None, typer.Option(help="Score for rows that can't be scored.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Leave rows empty that can't be scored.")] = False,
    version: Annotated[int, typer.Option(min=0, max=_MAX_VERSION, help="The version; 0: the one that serves.")] = 0,
    separator: Separator = ",",
    decimal: Decimal = ".",
    encoding: Encoding = "utf-8",
    no_header: NoHeader = False,
    key: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Row keys: sent as such, and in the output.")
    ] = None,
    keep: Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="In the output too; repeatable.")] = None,
) -> None:
    """Score the rows of a CSV file in one call."""
    if timeout is not None:
        _check_seconds(timeout)
    dialect = dialect_of(separator, decimal, encoding, no_header=no_header)
    echo = Echo(key, tuple(keep or ()))
    typer.echo(
        score_csv(
            *(url, model, source, target),
            timeout_s=timeout,
            default=default,
            partial=partial,
            version=version,
            dialect=dialect,
            echo=echo,
        )
    )


app.add_typer(log_commands.app, name="log")
app.command()(reconcile)


def _check_seconds(timeout: float) -> None:
    if not 0 < timeout < math.inf:
        raise typer.BadParameter("must be a positive, finite number of seconds", param_hint="--timeout")


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(work)


def main() -> None:
    """The console script."""
    app()
