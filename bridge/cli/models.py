"""`scorebridge models`: the versions that a gateway has, as a table."""

from rich.console import Console
from rich.table import Table as RichTable
from scorebridge import ScoringClient, ScoringError

from bridge.cli.commands import CommandFailed
from bridge.services.models import format_instant

__all__ = ["print_models"]

_WIDEST = 1000  # of a table for another program, in which one line is one version
# In the place of the client's own configuration, by which it waits for a gateway that serves.
_WHATEVER_ITS_HEALTH = [("grpc.service_config", "{}")]


def print_models(url: str) -> None:
    """Prints a table of the versions that a gateway has, also while it serves none of them."""
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
