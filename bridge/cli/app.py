"""The commands of `scorebridge` and their options."""

import asyncio
import math
import os
from collections.abc import Coroutine
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from bridge.backends.xgboost.convert import convert as convert_model
from bridge.bundles.repository import Repository, check_model_name
from bridge.cli import config as config_commands
from bridge.cli import features as features_commands
from bridge.cli import log as log_commands
from bridge.cli.batch import batch
from bridge.cli.commands import command, sigterm_unwinds, with_options_of
from bridge.cli.completion import complete_model
from bridge.cli.csv_batch import Echo
from bridge.cli.deploy import PrintedReport
from bridge.cli.dialect_options import Decimal, Encoding, NoHeader, Separator, dialect_of
from bridge.cli.gateway_options import ClientCert, ClientKey, GatewayOptions, Timeout, TlsCa, Token, Url
from bridge.cli.json_output import Json
from bridge.cli.models import print_models
from bridge.cli.pythons_option import PythonsOf
from bridge.cli.r_library import install_line, source_line
from bridge.cli.reconcile import reconcile
from bridge.cli.score import score_csv
from bridge.cli.serve_options import ServeOptions
from bridge.cli.token import token
from bridge.cli.trial_listing import ListedReport
from bridge.config import read_pythons, read_settings
from bridge.models import deploy as deploying
from bridge.workers.programs import Programs

__all__ = [
    "app",
    "check",
    "convert",
    "deploy",
    "main",
    "models",
    "promote",
    "r_library",
    "retire",
    "score",
    "serve",
]

_T = TypeVar("_T")

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

_RepositoryOption = Annotated[
    Path, typer.Option("--repository", help="The folder that holds the bundles of all models.", show_default=False)
]
_NewerFileOption = Annotated[
    bool,
    typer.Option(
        "--accept-newer-file", help="Accept a model file saved by a newer xgboost, if its golden rows come out exactly."
    ),
]
_UnprovenOption = Annotated[
    bool,
    typer.Option("--unproven", help="Accept a bundle for which no rows, or not every number of rows, could be scored."),
]
_WarningsOption = Annotated[
    bool,
    typer.Option("--accept-warnings", help="Accept a bundle that warned of changed data, or of another version."),
]
_ModelArgument = Annotated[str, typer.Argument(help="The model's name.", autocompletion=complete_model)]
_PartialOption = Annotated[
    bool, typer.Option("--partial", help="Leave the scores of failed rows empty instead of failing the call.")
]
_KeyOption = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column of row keys, to send and to copy to the output.")
]
_KeepOption = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Another column to copy to the output; repeatable.")
]
_USUAL_URL = "127.0.0.1:8081"
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
        bool,
        typer.Option("--version", help="Print scorebridge's version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Serve R, Python and xgboost models over gRPC; check and deploy bundles; score files; read the prediction log."""


@_command
@with_options_of(ServeOptions)
def serve(options: ServeOptions) -> None:
    """Serve a repository's models until SIGTERM or Ctrl-C.

    Prints `refused MODEL/VERSION: reason` for each version that may not serve and `waiting MODEL/VERSION: reason` for
    each version that could not be loaded yet and is tried again. Then prints `ready grpc=HOST:PORT http=HOST:PORT`;
    with the native front, that line ends with a warning of what this front does not limit.
    """
    from bridge.gateway.log_output import own_log_lines  # noqa: PLC0415 - without it, others start in half the time
    from bridge.gateway.serving import serve as run_gateway  # noqa: PLC0415 - as above

    settings = read_settings(options.config, **options.given())
    with own_log_lines(settings.own_log):
        _run(run_gateway(settings, lambda line: print(line, flush=True)))  # noqa: T201 - scripts wait for the line


@_command
def check(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    *,
    accept_newer_file: _NewerFileOption = False,
    unproven: _UnprovenOption = False,
    accept_warnings: _WarningsOption = False,
    config: PythonsOf = None,
    as_json: Json = False,
) -> None:
    """Try a bundle without deploying it: load it and score its golden rows, or made-up rows if it has none."""
    waivers = deploying.Waivers(newer_file=accept_newer_file, unproven=unproven, warnings=accept_warnings)
    report = ListedReport() if as_json else PrintedReport()
    _run(deploying.check(bundle, waivers, report, Programs(pythons=read_pythons(config))))
    report.end(None)


@_command
def deploy(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    *,
    repository: _RepositoryOption,
    model: Annotated[str, typer.Option(help="The model's name.")],
    version: Annotated[int | None, typer.Option(help="The version's number; by default one above the highest.")] = None,
    accept_newer_file: _NewerFileOption = False,
    unproven: _UnprovenOption = False,
    accept_warnings: _WarningsOption = False,
    config: PythonsOf = None,
    as_json: Json = False,
) -> None:
    """Check a bundle and copy it into the repository as a version of a model, either whole or not at all."""
    target = Repository(repository), check_model_name(model), version
    waivers = deploying.Waivers(newer_file=accept_newer_file, unproven=unproven, warnings=accept_warnings)
    report = ListedReport() if as_json else PrintedReport()
    programs = Programs(pythons=read_pythons(config))
    report.end(_run(deploying.deploy(bundle, *target, waivers=waivers, report=report, programs=programs)))


@_command
def promote(
    model: _ModelArgument,
    version: Annotated[int, typer.Argument(help="The number of the version that is to serve.")],
    repository: _RepositoryOption,
) -> None:
    """Make a version the one that serves, even if higher versions are deployed later. Use it to roll back, too."""
    Repository(repository).promote(model, version)
    typer.echo(f"promoted {model}/{version}: gateways let it serve once they have loaded it")


@_command
def retire(
    model: _ModelArgument,
    version: Annotated[int, typer.Argument(help="The number of the version to take out.")],
    repository: _RepositoryOption,
) -> None:
    """Take a version out of the repository; gateways finish its calls and unload it."""
    aside = Repository(repository).retire(model, version)
    typer.echo(f"retired {model}/{version}: its files are now in the repository's folder {aside.name}")


@_command
def convert(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="The model file to convert.", show_default=False)],
    *,
    target: Annotated[
        Path, typer.Option("--to", help="The file to write: a new one, named .ubj or .json.", show_default=False)
    ],
    trust_pickle: Annotated[
        bool, typer.Option("--trust-pickle", help="Read a pickle, which runs the code that is in it.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds that the conversion may take.")] = 120.0,
) -> None:
    """Convert an xgboost model of another form, such as a pickle, to .ubj or .json, and prove its scores equal."""
    _check_seconds(timeout)
    with sigterm_unwinds():
        lines = _run(convert_model(source, target, trust_pickle=trust_pickle, timeout_s=timeout))
    typer.echo("\n".join(lines))


@_command
def r_library(
    *,
    install: Annotated[
        bool, typer.Option("--install", help="Print the shell command that installs the R package scorebridge.")
    ] = False,
) -> None:
    """Print the line of R code that defines write_bundle in an R session.

    Paste the line into R, or run `Rscript -e "$(scorebridge r-library)" -e '...'`. With --install, print a shell
    command that installs the R package scorebridge; `library(scorebridge)` then provides write_bundle.
    """
    typer.echo(os.fsencode(install_line() if install else source_line()))


@_command
def models(
    *,
    url: Url = _USUAL_URL,
    tls_ca: TlsCa = None,
    tls_cert: ClientCert = None,
    tls_key: ClientKey = None,
    token_file: Token = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """List the versions that a gateway knows, with their states."""
    _check_seconds(timeout)
    gateway = GatewayOptions(url, tls_ca, tls_cert, tls_key, token_file)
    print_models(gateway, timeout, as_json=as_json)


@_command
def score(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    source: Annotated[Path, typer.Option("--input", help="CSV file of the rows to score.")],
    *,
    target: Annotated[Path, typer.Option("--output", help="CSV file to write; an existing file is replaced.")],
    url: Url = _USUAL_URL,
    tls_ca: TlsCa = None,
    tls_cert: ClientCert = None,
    tls_key: ClientKey = None,
    token_file: Token = None,
    timeout: Timeout = None,
    default: Annotated[float | None, typer.Option(help="Default score for rows that can't be scored.")] = None,
    partial: _PartialOption = False,
    version: Annotated[int, typer.Option(min=0, max=_MAX_VERSION, help="The version; 0: the one that serves.")] = 0,
    separator: Separator = ",",
    decimal: Decimal = ".",
    encoding: Encoding = "utf-8",
    no_header: NoHeader = False,
    key: _KeyOption = None,
    keep: _KeepOption = None,
) -> None:
    """Score the rows of a CSV file in one call."""
    _check_seconds(timeout)
    typer.echo(
        score_csv(
            *(GatewayOptions(url, tls_ca, tls_cert, tls_key, token_file), model, source, target),
            timeout_s=timeout,
            default=default,
            partial=partial,
            version=version,
            dialect=dialect_of(separator, decimal, encoding, no_header=no_header),
            echo=Echo(key, tuple(keep or ())),
        )
    )


_command(token)
app.command()(batch)
app.add_typer(config_commands.app, name="config")
app.add_typer(features_commands.app, name="features")
app.add_typer(log_commands.app, name="log")
app.command()(reconcile)


def _check_seconds(timeout: float | None) -> None:
    if timeout is not None and not 0 < timeout < math.inf:
        raise typer.BadParameter("must be a positive, finite number of seconds", param_hint="--timeout")


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(work)


def main() -> None:
    """Runs the command line: the entry point of the console script `scorebridge`."""
    app()
