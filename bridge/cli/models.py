"""`scorebridge models`: a table of the versions that a gateway knows."""

from rich.console import Console
from rich.table import Table as RichTable
from scorebridge import ScoringClient, ScoringError

from bridge.cli.commands import CommandFailed
from bridge.services.models import format_instant

__all__ = ["print_models"]

_WIDEST = 1000  # columns of a table that another program reads, so that each version takes one line
# Replaces the client's own service configuration, by which it would wait until the gateway is healthy.
_WHATEVER_ITS_HEALTH = [("grpc.service_config", "{}")]


def print_models(url: str) -> None:
    """Prints a table of the versions that a gateway knows, also while none of them serves.

    Raises:
        CommandFailed: the gateway could not be reached, or refused the call.
    """
    with ScoringClient(url, options=_WHATEVER_ITS_HEALTH) as client:
        try:
            versions = client.models()
        except ScoringError as error:
            raise CommandFailed(str(error)) from error
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
