"""`scorebridge log ship`: follows a prediction log into OpenSearch or Elasticsearch."""

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.cli.commands import CommandFailed, with_options_of
from bridge.cli.json_output import Json, print_json
from bridge.errors import BridgeError
from bridge.events import SHIPPING_BUG
from bridge.own_log import OwnLog
from bridge.shipping.delivery import Delivery, Stopped
from bridge.shipping.documents import Documents, Indices
from bridge.shipping.installation import install_template
from bridge.shipping.shipper import Shipment, Shipper, claimed
from bridge.shipping.target import SearchTarget, TargetSettings, TargetUnavailable
from bridge.shipping.withheld import Withheld, read_hash_key
from bridge.texts import printable

__all__ = ["ShipOptions", "ship"]

_log = OwnLog(__name__)

_INCOMPLETE = 1
_COULD_NOT_SHIP = 2
_UNAVAILABLE = 3
_INTERRUPTED = 130
_ONCE_PATIENCE_S = 300.0
_INDEX = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_CALLS, _ROWS = "scorebridge-calls", "scorebridge-predictions"

_Names = list[str] | None


@dataclass(frozen=True, kw_only=True)
class ShipOptions:
    """What the command line says; every field is an option or argument of the command, and described by its help."""

    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the prediction log.", show_default=False)]
    to: Annotated[
        str, typer.Option(metavar="URL", show_default=False, help="The search engine, such as http://127.0.0.1:9200.")
    ]
    rows: Annotated[bool, typer.Option("--rows", help="Ship a document for each row, not one for each call.")] = False
    index: Annotated[
        str | None,
        typer.Option(help=f"What the names of all indices begin with; else {_CALLS}, with --rows {_ROWS}."),
    ] = None
    daily: Annotated[bool, typer.Option("--daily", help="An index for each day (UTC) of the calls.")] = False
    data_stream: Annotated[bool, typer.Option("--data-stream", help="Data streams in place of indices.")] = False
    once: Annotated[bool, typer.Option("--once", help="End where the log ends now, rather than follow it.")] = False
    drop: Annotated[
        _Names, typer.Option(metavar="NAME", help="A column or call field that must not leave; repeatable.")
    ] = None
    hash_: Annotated[
        _Names,
        typer.Option("--hash", metavar="NAME", help="A column or call field to ship as a keyed hash; repeatable."),
    ] = None
    hash_key_file: Annotated[Path | None, typer.Option(help="The file with the key for --hash.")] = None
    allow_absent: Annotated[
        bool, typer.Option("--allow-absent", help="Ship although no call has a column that --drop or --hash names.")
    ] = False
    user: Annotated[str, typer.Option(help="The user to log in as.")] = ""
    password_file: Annotated[Path | None, typer.Option(help="The file with the user's password.")] = None
    api_key_file: Annotated[Path | None, typer.Option(help="The file with an API key.")] = None
    tls_ca: Annotated[Path | None, typer.Option(help="PEM file of the authorities of its certificate.")] = None
    reject: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append documents that the search engine refuses to this file, and go on."),
    ] = None
    patience: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=1e9,
            metavar="SECONDS",
            help="How long to try a search engine that is not available; else for ever, with --once 300 s.",
        ),
    ] = None
    no_template: Annotated[bool, typer.Option("--no-template", help="Do not install the index template.")] = False
    nice: Annotated[int, typer.Option(min=0, max=19, help="The niceness, so that scoring comes first.")] = 10
    as_json: Json = False

    @property
    def prefix(self) -> str:
        """What the names of all indices begin with."""
        return self.index or (_ROWS if self.rows else _CALLS)

    @property
    def indices(self) -> Indices:
        """How documents are spread over indices."""
        return Indices.DATA_STREAM if self.data_stream else Indices.DAILY if self.daily else Indices.MODEL

    def check(self) -> None:
        """Checks options that exclude each other.

        Raises:
            CommandFailed: an option is not what it must be.
        """
        if self.daily and self.data_stream:
            raise CommandFailed("--daily and --data-stream exclude each other: data streams make their own indices")
        if not _INDEX.fullmatch(self.prefix):
            raise CommandFailed("--index takes up to 100 of a-z, 0-9, '_', '.', '-', and begins with one of a-z, 0-9")
        if self.hash_key_file is not None and not self.hash_:
            raise CommandFailed("--hash-key-file is for --hash, which is not there")
        if self.hash_ and self.hash_key_file is None:
            raise CommandFailed("--hash takes a key: name its file with --hash-key-file")

    def target(self) -> TargetSettings:
        """Returns where the search engine is, and how it knows us."""
        return TargetSettings(self.to, self.user, self.password_file, self.api_key_file, self.tls_ca)

    def shipment(self) -> Shipment:
        """Returns what is shipped where.

        Raises:
            BridgeError: an option is not what it must be, or the hash's key can't be read.
        """
        key = read_hash_key(self.hash_key_file) if self.hash_key_file is not None else b""
        withheld = Withheld(self.drop or (), self.hash_ or (), key)
        documents = Documents(self.prefix, self.indices, rows=self.rows, withhold=withheld or None)
        to = f"{self.to.rstrip('/')} {self.prefix} {'rows' if self.rows else 'calls'}"
        return Shipment(self.folder, to, documents, withheld, allow_absent=self.allow_absent, once=self.once)


@with_options_of(ShipOptions)
def ship(options: ShipOptions) -> None:
    """Follow a log into OpenSearch or Elasticsearch: each record at least once, and a retry makes no double.

    How far it has come is kept beside the log. Exit code 0 at the log's end (--once) or after SIGTERM, 1 at the log's
    end if records were missing, damaged or rejected on the way there, 2 if it could not begin or go on, 3 if the
    search engine was not available for too long, 130 after Ctrl-C.
    """
    stop = threading.Event()
    try:
        options.check()
        os.nice(options.nice)
        with _signals(stop) as received, closing(SearchTarget(options.target())) as target:
            shipped = _ship(options, target, stop)
    except Stopped:
        shipped = {}
    except (BridgeError, OSError) as error:
        said = error.in_full() if isinstance(error, BridgeError) else f"{error.filename or 'a file'}: {error.strerror}"
        _say(f"{options.to}: {said}" if isinstance(error, TargetUnavailable) else said)
        raise typer.Exit(_UNAVAILABLE if isinstance(error, TargetUnavailable) else _COULD_NOT_SHIP) from error
    except Exception as error:
        # Python would end with exit code 1 here, which would say that all was shipped that could be.
        _log.say(SHIPPING_BUG, bug=error)
        _say(f"{SHIPPING_BUG.sentence} ({type(error).__name__}): please report it")
        raise typer.Exit(_COULD_NOT_SHIP) from error
    if options.as_json and shipped:
        print_json(shipped)
    if signal.SIGINT in received:
        raise typer.Exit(_INTERRUPTED)
    if options.once and any(shipped.get(name) for name in ("missing", "damaged", "rejected")):
        raise typer.Exit(_INCOMPLETE)


def _ship(options: ShipOptions, target: SearchTarget, stop: threading.Event) -> dict[str, Any]:
    shipment = options.shipment()
    patience = _ONCE_PATIENCE_S if options.once and options.patience is None else options.patience
    delivery = Delivery(target, stop, reject=options.reject, patience_s=patience, tell=_say)
    with claimed(shipment):
        shipper = Shipper(shipment, delivery, stop, _say)
        if not options.no_template:
            ours = delivery.persistently(lambda: install_template(target, options.prefix, options.indices))
            if not ours:
                _say(f"the index template '{options.prefix}' there is not ours, and is left as it is")
        try:
            shipper.run()
        finally:
            sent, tail = delivery.sent, shipper.tail
            _say(
                f"{sent.documents} documents sent, {sent.unindexed} of them with values that can't be searched, "
                f"{sent.rejected} rejected; {tail.skipped} damaged places and {tail.missing} missing records in the log"
            )
    counts = {"documents": sent.documents, "unindexed": sent.unindexed, "rejected": sent.rejected}
    return counts | {"damaged": tail.skipped, "missing": tail.missing}


@contextmanager
def _signals(stop: threading.Event) -> Iterator[list[int]]:
    """Sets `stop` when SIGTERM or SIGINT comes; yields the list of those that came."""
    received: list[int] = []

    def end(number: int, _: Any) -> None:
        received.append(number)
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may set signal handlers
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(sentence: str) -> None:
    typer.echo(printable(sentence), err=True)
