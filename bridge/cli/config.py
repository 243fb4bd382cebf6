"""The commands `scorebridge config`: which settings a gateway would have, and whether it could start with them."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, NamedTuple, get_args, get_type_hints

import typer

from bridge.bundles.bundle import read_bundle
from bridge.bundles.settings import model_settings_faults
from bridge.cli.commands import CommandFailed, command, with_options_of
from bridge.cli.gateway_options import ClientCert, ClientKey, TlsCa, Token, Url
from bridge.cli.json_output import Json, print_json
from bridge.cli.serve_options import ServeOptions
from bridge.cli.settings_listing import list_settings
from bridge.cli.store_options import StoreOptions
from bridge.config import ConfigError, GatewaySettings, read_settings
from bridge.config_sources import SourceNotReadable, tell
from bridge.errors import BundleError
from bridge.validation import fitting

__all__ = ["CheckOptions", "ShowOptions", "app", "check", "show"]

_PREFIX = "SCOREBRIDGE_"
_LIKENESS = (
    0.8  # of two variables behind the prefix, from 0 to 1, at which one is taken for a slip of the pen of the other
)
# Options of other commands that a variable with the prefix of the settings may give.
_OTHERS = (Url, TlsCa, ClientCert, ClientKey, Token, get_type_hints(StoreOptions, include_extras=True)["store"])

app = typer.Typer(no_args_is_help=True, help="Show a gateway's settings, and check them without starting it.")
_command = command(app)


class _Findings(NamedTuple):
    errors: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ShowOptions(ServeOptions):
    """What the command line of `config show` says; every field is an option, and described by its help."""

    as_json: Json = False


@dataclass(frozen=True, kw_only=True)
class CheckOptions(ServeOptions):
    """What the command line of `config check` says; every field is an option, and described by its help."""

    bundle: Annotated[
        Path | None, typer.Option(help="Check this bundle's model.toml instead of a gateway's settings.")
    ] = None
    as_json: Json = False


@_command
@with_options_of(ShowOptions)
def show(options: ShowOptions) -> None:
    """Show every setting that a gateway started in this way would have: its value, source, default and meaning.

    Passwords are never shown; the paths of their files are.
    """
    try:
        settings = read_settings(options.config, **options.given())
    except ConfigError as error:
        typer.echo("\n".join(error.faults), err=True)
        raise typer.Exit(1) from error
    listed = list_settings(settings, tell(GatewaySettings, options.config, options.given()).sources)
    if options.as_json:
        print_json({"settings": [one.document() for one in listed]})
    else:
        typer.echo("\n".join(line for one in listed for line in one.lines()))


@_command
@with_options_of(CheckOptions)
def check(options: CheckOptions) -> None:
    """Check the settings of a gateway, and what they need: files, ports, the log's folder, callers, stores, users.

    Prints all errors and warnings. The exit code is 1 if a gateway would not start. Nothing is changed or kept.
    """
    found = _of_gateway(options) if options.bundle is None else _of_bundle(options.bundle, options)
    right = "a gateway would start with these settings" if options.bundle is None else "the settings are right"
    if options.as_json:
        print_json({"errors": list(found.errors), "warnings": list(found.warnings)})
    else:
        typer.echo("\n".join(_told(found, right)))
    if found.errors:
        raise typer.Exit(1)


def _told(found: _Findings, right: str) -> Iterator[str]:
    yield from (f"error: {one}" for one in found.errors)
    yield from (f"warning: {one}" for one in found.warnings)
    if not found.errors:
        yield f"ok: {right}"


def _of_gateway(options: ServeOptions) -> _Findings:
    try:
        told = tell(GatewaySettings, options.config, options.given())
    except SourceNotReadable as error:
        return _Findings((str(error),), tuple(_ignored_variables()))
    from bridge.gateway.start_check import check_start  # noqa: PLC0415 - without it, others start in half the time

    fits = fitting(GatewaySettings, told.values)
    found = asyncio.run(check_start(fits.settings, fits.wrong))
    return _Findings((*fits.faults, *found.errors), (*_ignored_variables(), *found.warnings))


def _of_bundle(bundle: Path, options: ServeOptions) -> _Findings:
    if options.config is not None or any(one is not None for one in options.given().values()):
        raise CommandFailed("--bundle checks a model.toml alone: leave out the options of a gateway")
    if not bundle.is_dir():
        raise CommandFailed(f"{bundle} is not a folder")
    faults = model_settings_faults(bundle)
    if not faults:
        try:
            read_bundle(bundle)
        except BundleError as error:
            faults = (str(error),)
    return _Findings(faults)


def _ignored_variables() -> Iterator[str]:
    """Yields warnings of environment variables that nothing reads and that look like those of settings."""
    known = [key.upper() for key in GatewaySettings.model_fields]
    elsewhere = {get_args(option)[1].envvar for option in _OTHERS}
    for name in sorted(os.environ):
        key = name.upper().removeprefix(_PREFIX)
        if name.upper().startswith(_PREFIX) and key not in known and name not in elsewhere:
            for near in get_close_matches(key, known, 1, _LIKENESS):
                yield f"the environment variable {name} is ignored: did you mean {_PREFIX}{near}?"
