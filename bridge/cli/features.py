"""`scorebridge features`: publishes feature groups into a store, and lists, checks and drops what it holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as RichTable

from bridge.cli.commands import command, with_options_of
from bridge.cli.features_listing import age_text, check_listing, group_listing, values_listing
from bridge.cli.features_publish import PublishOptions, publish_group, say, stated_types
from bridge.cli.json_output import Json, print_json
from bridge.cli.store_options import StoreOptions
from bridge.features.stores.group import Group, GroupFeature, GroupKind
from bridge.texts import printable

if TYPE_CHECKING:
    from bridge.features.publishing.groups import EntityValues, GroupState

__all__ = [
    "DeclareOptions",
    "DropOptions",
    "GroupOptions",
    "ListOptions",
    "ShowOptions",
    "app",
    "declare",
    "drop",
    "list_groups",
    "publish",
    "show",
    "verify",
]

_WIDEST = 1000  # columns of a table that another program reads, so that each group takes one line

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Publish features by key, and check them.")

_command = command(app)
_Group = Annotated[str, typer.Argument(help="The group's name.", show_default=False)]


@dataclass(frozen=True, kw_only=True)
class ListOptions(StoreOptions):
    """What `list` is told; every field of these classes is an option or argument, and described by its help."""

    as_json: Json = False


@dataclass(frozen=True, kw_only=True)
class GroupOptions(ListOptions):
    """What `verify` is told."""

    group: _Group


@dataclass(frozen=True, kw_only=True)
class ShowOptions(GroupOptions):
    """What `show` is told."""

    entity: Annotated[str | None, typer.Option(metavar="KEY", help="Print what the group holds of this key.")] = None


@dataclass(frozen=True, kw_only=True)
class DropOptions(StoreOptions):
    """What `drop` is told."""

    group: _Group
    batch: Annotated[str | None, typer.Option(help="Drop this batch alone, which must not be current.")] = None


@dataclass(frozen=True, kw_only=True)
class DeclareOptions(StoreOptions):
    """What `declare` is told."""

    group: _Group
    feature: Annotated[
        list[str], typer.Option(metavar="NAME=TYPE", help="A feature: double, int, int64 or bool; repeatable.")
    ]
    timezone: Annotated[str, typer.Option(help="The time zone in which days begin, such as Europe/Berlin.")] = "UTC"
    keep_days: Annotated[
        int, typer.Option(help="For how many days the stream keeps its hashes, the day itself included.")
    ] = 2
    accept_schema: Annotated[bool, typer.Option("--accept-schema", help="Change a group that is there.")] = False


@_command
@with_options_of(PublishOptions)
def publish(options: PublishOptions) -> None:
    """Publish the rows of files as a group's next batch; started again after a kill, it goes on where it was.

    Readers see the batch from one moment to the next, when all its rows are in the store and were counted.
    """
    publish_group(options)


@_command
@with_options_of(DeclareOptions)
def declare(options: DeclareOptions) -> None:
    """Describe a group that a stream counts up during the day, so that gateways can read it."""
    features = tuple(GroupFeature(name, kind) for name, kind in stated_types(options.feature).items())
    zone, days = options.timezone, options.keep_days
    with options.client() as client:
        from bridge.features.publishing.groups import declare as declare_group  # noqa: PLC0415 - redis-py is an extra

        described = Group(options.group, GroupKind.STREAM, zone, streamed=features, keep_days=days)
        declare_group(client, described, accept_schema=options.accept_schema)
    said = f"its days begin in {zone}, and are kept for {days} days"
    typer.echo(f"group '{options.group}' is a stream's, with {len(features)} features; {said}")


@command(app, "list")
@with_options_of(ListOptions)
def list_groups(options: ListOptions) -> None:
    """List the groups of a store, with their current batches."""
    with options.client() as client:
        from bridge.features.publishing.groups import find_groups  # noqa: PLC0415 - redis-py is an extra

        found = find_groups(client)
    if options.as_json:
        print_json([group_listing(state) for state in found])
    else:
        _print_groups(found)


@_command
@with_options_of(ShowOptions)
def show(options: ShowOptions) -> None:
    """Print what a store says of a group, and with --entity the values of one entity in both batches or today."""
    with _found(options) as (client, state):
        from bridge.features.publishing.groups import values_of  # noqa: PLC0415 - redis-py is an extra

        values = None if options.entity is None else values_of(client, state, options.entity)
    if options.as_json:
        print_json(group_listing(state) | ({} if values is None else {"entity": values_listing(values)}))
    else:
        _print_group(state, values)


@_command
@with_options_of(GroupOptions)
def verify(options: GroupOptions) -> None:
    """Count and read all rows of a group's batches; exit code 1 if a row is missing, too many or can't be read."""
    with _found(options) as (client, state):
        from bridge.features.publishing.verification import verify as verify_group  # noqa: PLC0415 - likewise

        checks = verify_group(client, state)
    if options.as_json:
        print_json(check_listing(checks))
    else:
        for check in checks:
            place = f"batch '{check.place}'" if check.place else "days"
            typer.echo(f"{'ok' if check.ok else 'NOT OK'}: {place}: {check.sentence()}")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@_command
@with_options_of(DropOptions)
def drop(options: DropOptions) -> None:
    """Remove a group, or one of its batches, from a store."""
    group, batch = options.group, options.batch
    with options.client() as client:
        from bridge.features.publishing.removal import drop_batch, drop_group  # noqa: PLC0415 - redis-py is an extra

        keys = drop_group(client, group, say) if batch is None else drop_batch(client, group, batch, say)
    what = f"group '{group}'" if batch is None else f"batch '{batch}' of group '{group}'"
    typer.echo(f"dropped {what}: {keys} keys")


@contextmanager
def _found(options: "GroupOptions") -> Iterator[tuple[Any, "GroupState"]]:
    with options.client() as client:
        from bridge.features.publishing.groups import find_group  # noqa: PLC0415 - redis-py is an extra

        yield client, find_group(client, options.group)


def _print_groups(found: "list[GroupState]") -> None:
    table = RichTable("group", "kind", "current batch", "age", "entities", "problem", box=None)
    for state in found:
        group, batch = state.group, state.group.current if state.group else None
        table.add_row(
            state.name,
            str(group.kind) if group else "",
            batch.name if batch else "",
            age_text(state.age_s) if state.age_s is not None else "",
            str(batch.entities) if batch else "",
            printable(state.problem or ("" if group else "nothing was published yet")),
        )
    on_screen = Console(soft_wrap=True)
    (on_screen if on_screen.is_terminal else Console(width=_WIDEST)).print(table)


def _print_group(state: "GroupState", values: "list[EntityValues] | None") -> None:
    group = state.group
    assert group is not None  # noqa: S101 - for mypy: it was found
    typer.echo(f"group    {group.name} ({group.kind}), time zone {group.timezone}")
    for which, batch in (("current", group.current), ("previous", group.previous)):
        if batch is not None:
            age = age_text((state.now_ms - batch.published_ms) / 1000)
            typer.echo(
                f"{which:<8} {batch.name}: {batch.entities} entities, schema {batch.schema}, published {age} ago, rows"
                f" live {age_text(batch.ttl_s)}"
            )
    for one in group.features:
        typer.echo(f"feature  {printable(one.name)} ({one.type})")
    for found in values or ():
        problem = f"nothing{f': {found.problem}' if found.problem else ''}"
        typer.echo(f"in {found.place}: {problem if found.values is None else ''}".rstrip())
        for name, value in (found.values or {}).items():
            typer.echo(f"  {printable(name)} = {'missing' if value is None else printable(str(value))}")
