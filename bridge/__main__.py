"""The command line: parse, call, print."""

import asyncio
import logging
import math
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from bridge import log_commands, score_files
from bridge.acceptance import Accepted, accept
from bridge.bundle import make_manifest, read_bundle
from bridge.commands import command
from bridge.config import read_settings
from bridge.features import Feature
from bridge.reconcile_command import reconcile
from bridge.repository import Repository, StoredVersion, check_model_name
from bridge.server import serve as run_gateway

__all__ = ["app", "check", "deploy", "main", "models", "promote", "retire", "score", "serve"]

_T = TypeVar("_T")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Scores in time.")

_RepositoryOption = Annotated[Path, typer.Option("--repository", help="The folder of bundles.", show_default=False)]
_UrlOption = Annotated[str, typer.Option(help="HOST:PORT of the gateway.")]
_MAX_VERSION = 10**9 - 1


_command = command(app)


@_command
def serve(
    *,
    repository: Annotated[Path | None, typer.Option(help="The folder of bundles.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    log_dir: Annotated[Path | None, typer.Option(help="The folder of the prediction log.")] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="For gRPC; 0 picks a free one.")] = None,
    http_port: Annotated[int | None, typer.Option(help="For /livez and /readyz; 0 picks a free one.")] = None,
    front: Annotated[str | None, typer.Option(help="auto, native or grpc.")] = None,
) -> None:
    """Serve a repository's models until SIGTERM.

    Prints `refused MODEL/VERSION: reason` for each bundle that is, then `ready grpc=HOST:PORT http=HOST:PORT`.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = read_settings(
        config, repository=repository, log_dir=log_dir, host=host, grpc_port=grpc_port, http_port=http_port, front=front
    )
    _run(run_gateway(settings, lambda line: print(line, flush=True)))  # noqa: T201 - what scripts wait for


@_command
def check(bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")]) -> None:
    """Load a bundle for real and score its golden rows."""
    _run(_check(bundle))


@_command
def deploy(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    repository: _RepositoryOption,
    model: Annotated[str, typer.Option(help="The model's name.")],
    version: Annotated[int | None, typer.Option(help="The version; one above the highest if not given.")] = None,
) -> None:
    """Check a bundle and make it a version of a model, all of it or nothing."""
    stored = _run(_deploy(bundle, Repository(repository), check_model_name(model), version))
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
def models(url: _UrlOption = "127.0.0.1:8081") -> None:
    """List the versions that a gateway has."""
    score_files.print_models(url)


@_command
def score(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    source: Annotated[Path, typer.Option("--input", help="CSV file with a header.")],
    *,
    target: Annotated[Path, typer.Option("--output", help="CSV file to be written, or replaced.")],
    url: _UrlOption = "127.0.0.1:8081",
    timeout: Annotated[float | None, typer.Option(help="Seconds for the answer.")] = None,
    default: Annotated[float | None, typer.Option(help="Score for rows that can't be scored.")] = None,
    version: Annotated[int, typer.Option(min=0, max=_MAX_VERSION, help="The version; 0: the one that serves.")] = 0,
) -> None:
    """Score the rows of a CSV file in one call."""
    if timeout is not None and not 0 < timeout < math.inf:
        raise typer.BadParameter("must be a positive, finite number of seconds", param_hint="--timeout")
    typer.echo(score_files.score_csv(url, model, source, target, timeout_s=timeout, default=default, version=version))


app.add_typer(log_commands.app, name="log")
app.command()(reconcile)


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(work)


async def _check(path: Path) -> None:
    accepted = await accept(read_bundle(path))
    await accepted.backend.close()
    _print_accepted(accepted)


async def _deploy(path: Path, repository: Repository, model: str, version: int | None) -> StoredVersion:
    repository.check_free(model, version)
    read_bundle(path)  # what is wrong with the folder is said of the folder itself, not of a copy
    with repository.staged(path) as staged:
        accepted = await accept(read_bundle(staged))
        await accepted.backend.close()
        _print_accepted(accepted)
        manifest = make_manifest(staged, accepted.description.outputs)
        return repository.publish(staged, manifest, model, version)


def _print_accepted(accepted: Accepted) -> None:
    description = accepted.description
    typer.echo(f"engine: {description.engine}")
    typer.echo("features:")
    for feature in description.features:
        typer.echo(f"  {_described(feature)}")
    if description.outputs is None:
        typer.echo("outputs: not known, because nothing was scored")
    else:
        outputs = (f"{output.name} ({output.type})" for output in description.outputs)
        typer.echo(f"outputs: {', '.join(outputs)}")
    for default in accepted.defaults:
        typer.echo(f"default score: {default.output.name} = {default.value}")
    rows = f"{accepted.golden_rows} golden rows came out" if accepted.golden_rows else "no golden rows"
    typer.echo(f"golden: {rows}")
    if accepted.remark:
        typer.echo(f"self-test: a row of zeros was not scored: {accepted.remark}")
    typer.echo(f"row-wise: {'yes' if description.row_wise else f'no, {description.row_wise_reason}'}")
    _print_proposal(accepted)


def _described(feature: Feature) -> str:
    levels = f" {list(feature.levels)}" if feature.levels else ""
    optional = "" if feature.required else ", optional"
    return f"{feature.name}: {feature.type or 'any type: what the caller sends is passed on'}{levels}{optional}"


def _print_proposal(accepted: Accepted) -> None:
    description = accepted.description
    proposed = [feature for feature in description.proposed if feature.type is not None]
    if not proposed or any(feature.type is not None for feature in description.features):
        return
    typer.echo("the model's own terms propose for model.toml:\n\n[features]")
    for feature in proposed:
        typer.echo(score_files.toml_line(feature))


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
