"""`scorebridge features publish`: publishes a feature batch from files, and can be killed and resumed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.commands import CommandFailed, sigterm_unwinds
from bridge.cli.dialect_options import Decimal, Encoding, Separator, dialect_of
from bridge.cli.features_listing import published_listing
from bridge.cli.json_output import Json, print_json
from bridge.cli.store_options import StoreOptions
from bridge.columns import Type
from bridge.features.stores.group import FEATURE_TYPES
from bridge.texts import printable

if TYPE_CHECKING:
    from bridge.features.publishing.file_publishing import Published

__all__ = ["PublishOptions", "publish_group", "say", "stated_types"]


@dataclass(frozen=True, kw_only=True)
class PublishOptions(StoreOptions):
    """What the command line says; every field is an option or argument of the command, and described by its help."""

    group: Annotated[str, typer.Argument(help="The group's name.")]
    inputs: Annotated[
        list[str],
        typer.Option(
            "--input",
            metavar="PATH",
            show_default=False,
            help="File or folder with a row an entity (Parquet, CSV, Arrow), or duckdb:FILE#QUERY; repeatable.",
        ),
    ]
    key: Annotated[
        str,
        typer.Option("--key", metavar="COLUMN", show_default=False, help="Column of the entities' keys."),
    ]
    batch: Annotated[
        str | None,
        typer.Option(help="The batch's name, by custom the day up to which it counts; else yesterday.", metavar="DAY"),
    ] = None
    ttl: Annotated[str, typer.Option(help="How long the store keeps its rows, with a unit: s, m, h or d.")] = "3d"
    min_share: Annotated[
        float, typer.Option("--min-share", help="The least share of the current batch's entities that it must have.")
    ] = 0.9
    timezone: Annotated[
        str | None, typer.Option(help="The group's time zone, such as Europe/Berlin; else the one that it has, or UTC.")
    ] = None
    accept_schema: Annotated[
        bool, typer.Option("--accept-schema", help="Publish although the features or the time zone have changed.")
    ] = False
    column: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="A column to publish, else all; repeatable.")
    ] = None
    feature: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TYPE",
            help=f"The type of a feature ({', '.join(FEATURE_TYPES)}); CSV's are double else; repeatable.",
        ),
    ] = None
    separator: Separator = ","
    decimal: Decimal = "."
    encoding: Encoding = "utf-8"
    as_json: Json = False


def stated_types(pairs: Sequence[str]) -> dict[str, Type]:
    """Returns the types of features from texts NAME=TYPE, in their order.

    Raises:
        typer.BadParameter: a text has no name or another type, or a name is there twice.
    """
    found: dict[str, Type] = {}
    for pair in pairs:
        name, _, kind = pair.rpartition("=")
        if not name or kind not in FEATURE_TYPES:
            raise typer.BadParameter(
                f"must be NAME=TYPE, with one of {', '.join(FEATURE_TYPES)}", param_hint="--feature"
            )
        if name in found:
            raise typer.BadParameter(f"states '{name}' twice", param_hint="--feature")
        found[name] = Type(kind)
    return found


def say(sentence: str) -> None:
    """Says a sentence to the operator, on standard error."""
    typer.echo(printable(sentence), err=True)


def publish_group(options: PublishOptions) -> None:
    """Publishes a batch, and prints what was done.

    Raises:
        typer.BadParameter: an option has a value that it can't have.
        BridgeError: the batch was not published; the message says why.
    """
    with options.client() as client:
        try:
            done = _published(client, options)
        except ImportError as error:
            raise CommandFailed(
                f"{error.name} is not installed: pip install 'scorebridge-gateway[features]'"
            ) from error
    if options.as_json:
        print_json(published_listing(done))
    else:
        typer.echo(_sentence(done))


def _published(client: Any, options: PublishOptions) -> "Published":
    from bridge.features.publishing import file_publishing as publishing  # noqa: PLC0415 - redis-py is an extra
    from bridge.features.publishing.options import PublicationOptions, read_ttl  # noqa: PLC0415 - likewise
    from bridge.features.publishing.table_input import open_input  # noqa: PLC0415 - pyarrow is too

    types = stated_types(options.feature or ())
    dialect = dialect_of(options.separator, options.decimal, options.encoding, no_header=False)
    asked = PublicationOptions(
        group=options.group,
        batch=options.batch,
        ttl_s=read_ttl(options.ttl),
        min_share=options.min_share,
        timezone=options.timezone,
        accept_schema=options.accept_schema,
    )
    source = open_input(options.inputs, options.key, dialect, columns=options.column or (), types=types)
    if warning := publishing.eviction_warning(client, options.group):
        say(warning)
    with sigterm_unwinds():
        return publishing.publish_files(client, source, asked, say)


def _sentence(done: "Published") -> str:
    batch = f"group '{done.group}': batch '{done.batch.name}'"
    if done.already:
        return f"{batch} is current already, with {done.batch.entities} entities of the same input"
    weight = f", {done.bytes_an_entity:.0f} bytes an entity" if done.bytes_an_entity is not None else ""
    before = f"the previous batch is '{done.previous}'" if done.previous else "there is no previous batch"
    return f"{batch} is current, with {done.batch.entities} entities, in {done.seconds:.1f} s{weight}; {before}"
