"""`scorebridge models`: a table of the versions that a gateway knows."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from scorebridge import ModelVersion, ScoringError

from bridge.cli.commands import CommandFailed
from bridge.cli.gateway_options import GatewayOptions
from bridge.cli.json_output import print_json
from bridge.services.models import format_instant

__all__ = ["print_models"]

_WIDEST = 1000  # columns of a table that another program reads, so that each version takes one line
# Replaces the client's own service configuration, by which it would wait until the gateway is healthy.
_WHATEVER_ITS_HEALTH = [("grpc.service_config", "{}")]


def print_models(gateway: GatewayOptions, timeout_s: float | None = None, *, as_json: bool = False) -> None:
    """Prints the versions that a gateway knows, also while none of them serves: a table, or a JSON array.

    Raises:
        CommandFailed: the gateway could not be reached, or refused the call, or an option is not what it must be.
        OSError: a file of the options can't be read.
    """
    with gateway.client(options=_WHATEVER_ITS_HEALTH) as client:
        try:
            versions = client.models(timeout_s=timeout_s)
        except ScoringError as error:
            raise CommandFailed(str(error)) from error
    if as_json:
        print_json([_as_json(version) for version in versions])
    else:
        _print_table(versions)


def _as_json(version: ModelVersion) -> dict[str, Any]:
    retry_at = None if version.retry_at is None else format_instant(version.retry_at)
    return asdict(version) | {"retry_at": retry_at}


def _print_table(versions: list[ModelVersion]) -> None:
    table = RichTable("model", "version", "state", "backend", "digest", "reason", box=None)
    for version in versions:
        state = version.state.lower().replace("_", " ")
        serving = " (serves)" if version.serving else ""
        until = f" until {format_instant(version.retry_at)}" if version.retry_at is not None else ""
        table.add_row(
            version.model,
            str(version.version),
            state + serving + until + (", never scored" if version.never_scored else ""),
            version.backend,
            version.digest[:19],
            version.state_reason,
        )
    on_screen = Console(soft_wrap=True)
    (on_screen if on_screen.is_terminal else Console(width=_WIDEST)).print(table)
