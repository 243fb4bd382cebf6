"""Tries what a gateway's start needs, by the code that the start itself runs, and changes nothing."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from bridge.addresses import is_loopback_host
from bridge.bundles.lookout import Lookout
from bridge.bundles.repository import Repository
from bridge.callers.access import Access
from bridge.callers.callers_file import parse_callers, read_callers_file
from bridge.config import ConfigError, GatewaySettings, LogSettings
from bridge.features.stores.stores import open_stores
from bridge.fronts.address import require_grpc_port, require_http_port
from bridge.fronts.certificates import Certificates
from bridge.fronts.front import Front, Methods
from bridge.gateway.rights import AS_ROOT, require_rights, worker_user_of
from bridge.prediction_log.lock import require_lockable

__all__ = ["Findings", "check_start", "no_repository"]

_PORTS = ("host", "grpc_port", "http_port", "probe_port")
_TLS = ("tls_certificate", "tls_key", "tls_client_ca")
_TRUSTED = ("repository", "log_dir", "tls_key", "tls_certificate", "tls_client_ca", "callers", "cache_dir", "stores")


class Findings(NamedTuple):
    """What a check of settings found.

    Attributes:
        errors: why a gateway would not start, in sentences; empty if it would.
        warnings: what it would start with, and an operator should know, in sentences.
    """

    errors: tuple[str, ...]
    warnings: tuple[str, ...]


async def check_start(settings: GatewaySettings, wrong: frozenset[str] = frozenset()) -> Findings:
    """Tries whether a gateway could start with these settings: its files, ports, log, callers, stores and users.

    Nothing is kept: no folder or file of the gateway is made, no port stays bound, no store is connected. To try the
    rights of `worker_user`, which takes root, a folder among the temporary files is made and removed.

    Args:
        settings: the settings.
        wrong: keys whose values are not to be tried, because they were found to be wrong.
    """
    errors: list[str] = []
    async for error in _errors(settings, wrong):
        errors += [fault for fault in error.faults if fault not in errors]
    return Findings(tuple(errors), tuple(_warnings(settings)))


def no_repository(path: Path) -> ConfigError:
    """Returns the error of a gateway whose repository is not a folder."""
    return ConfigError(f"the repository {path} is not a folder, or does not exist")


async def _errors(settings: GatewaySettings, wrong: frozenset[str]) -> AsyncIterator[ConfigError]:
    """Yields what the steps of a start raise, in the order of the steps."""
    for one in _of_parts(settings, wrong):
        yield one
    if "repository" not in wrong:
        lookout = Lookout(Repository(settings.repository))
        try:
            if not await lookout.is_folder():
                yield no_repository(settings.repository)
            else:
                await lookout.names()
        except OSError as error:
            yield ConfigError(f"{error.filename}: {error.strerror}")
    for one in _of_machine(settings, wrong):
        yield one
    if wrong.isdisjoint(_PORTS):
        async for one in _of_ports(settings):
            yield one


def _of_parts(settings: GatewaySettings, wrong: frozenset[str]) -> Iterator[ConfigError]:
    """Yields what a gateway's parts raise when they are made."""
    for name, store in settings.stores.items():
        try:
            open_stores({name: store})
        except ConfigError as error:
            yield error
    if wrong.isdisjoint(("callers", *_TLS)):
        try:
            Access(settings.callers, certificates=settings.tls_client_ca is not None)
        except ConfigError as error:
            yield error
    if "front" not in wrong:
        try:
            Front(settings, Methods(), ())
        except ConfigError as error:
            yield error


def _of_machine(settings: GatewaySettings, wrong: frozenset[str]) -> Iterator[ConfigError]:
    """Yields what the log's folder, the user of workers and the files of TLS refuse."""
    try:
        if settings.log_dir is not None:
            require_lockable(settings.log_dir)
    except ConfigError as error:
        yield error
    try:
        user = worker_user_of(settings)
        if user is not None and wrong.isdisjoint(_TRUSTED):
            require_rights(settings, user)
    except ConfigError as error:
        yield error
    try:
        if wrong.isdisjoint(_TLS):
            Certificates.of(settings)
    except ConfigError as error:
        yield error


async def _of_ports(settings: GatewaySettings) -> AsyncIterator[ConfigError]:
    host, bound = settings.host, [settings.grpc_port]
    try:
        await asyncio.to_thread(require_grpc_port, host, settings.grpc_port)
    except ConfigError as error:
        yield error
    for port in (settings.http_port, settings.probe_port):
        if port is None:
            continue
        try:
            await require_http_port(host, port, bound)
        except ConfigError as error:
            yield error
        bound.append(port)


def _warnings(settings: GatewaySettings) -> Iterator[str]:
    lacking = [] if settings.tls_certificate else ["without TLS"]
    lacking += [] if settings.callers or settings.tls_client_ca else ["whoever they are"]
    if settings.insecure and lacking and not is_loopback_host(settings.host):
        yield f"insecure: machines that can reach {settings.host} are served {' and '.join(lacking)}"
    if settings.front == "native" and find_spec("pygrpc_native") is not None:
        yield "front: 'native' does not bound what it receives: see docs/security.md"
    if settings.worker_user is None and os.geteuid() == 0:
        yield AS_ROOT
    if settings.log_dir is None:
        unused = sorted(settings.model_fields_set & LogSettings.model_fields.keys() - {"log_dir"})
        if unused:
            yield f"log_dir is not set, so {', '.join(unused)} change nothing"
    yield from _expired(settings)
    yield from _gone(settings)
    for name, store in settings.stores.items():
        if store.scheme == "memory" and not os.access(store.url.removeprefix("memory:"), os.R_OK, effective_ids=True):
            yield f"stores.{name}: its file can't be read yet: calls that need it get STORE_UNAVAILABLE until it can"
    if not _is_writable(settings.cache_dir):
        yield f"cache_dir: {settings.cache_dir} can't be written to: trees are compiled anew at each start"


def _expired(settings: GatewaySettings) -> Iterator[str]:
    if settings.callers is None:
        return
    try:
        entries = parse_callers(settings.callers, read_callers_file(settings.callers))
    except ConfigError:
        return  # it is among the errors
    now = datetime.now(UTC)
    for name, entry in entries.items():
        if entry.expires is not None and entry.expires <= now:
            yield f"callers: '{name}' is not known any more: its time was over on {entry.expires.date()}"


def _gone(settings: GatewaySettings) -> Iterator[str]:
    for name, python in settings.pythons.items():
        if not os.access(python, os.F_OK, effective_ids=True):
            yield f"pythons.{name}: {python} is not there: models that name it wait until it is"
        elif not (python.is_file() and os.access(python, os.X_OK, effective_ids=True)):
            yield f"pythons.{name}: {python} is no program that can be run: models that name it wait until it is"


def _is_writable(folder: Path) -> bool:
    """Whether a folder can be written to, or made in the nearest one above it that is there."""
    try:
        there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    except OSError:
        return False
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK, effective_ids=True)
