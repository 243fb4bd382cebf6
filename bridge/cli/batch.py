"""`scorebridge batch`: scores files of any size, through gateways or in this process, and can be killed and resumed."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.batch_options import BatchOptions, RProcess
from bridge.cli.commands import CommandFailed, with_options_of
from bridge.cli.json_output import print_json
from bridge.config import read_pythons
from bridge.errors import BridgeError
from bridge.events import RUN_BUG
from bridge.offline.run_options import RunOptions
from bridge.own_log import OwnLog
from bridge.texts import printable
from bridge.workers.programs import Programs

if TYPE_CHECKING:
    from bridge.offline.scorer import RunScorer
    from bridge.offline.summary import Summary

__all__ = ["batch"]

_log = OwnLog(__name__)

_OVER_A_LIMIT = 1
_COULD_NOT_RUN = 2
_INTERRUPTED = 130


@with_options_of(BatchOptions)
def batch(options: BatchOptions) -> None:
    """Score files of any size; started again after a kill, the run goes on where it was.

    Exit code 0 if the output is published, 1 if more rows than allowed got no score or a default score, 2 if the run
    could not begin or go on, 130 if it was interrupted.
    """
    options.check()
    summary = _run(_scored(options, options.run()))
    if options.as_json:
        print_json(summary.listing())
    else:
        typer.echo(summary.sentence())
    if summary.over_limit:
        typer.echo(printable(summary.over_limit), err=True)
        raise typer.Exit(_OVER_A_LIMIT)


async def _scored(options: BatchOptions, run: RunOptions) -> "Summary":
    try:
        from bridge.offline.progress import Progress  # noqa: PLC0415 - pyarrow is an extra
        from bridge.offline.run import score_input  # noqa: PLC0415
    except ImportError as error:
        raise CommandFailed(f"{error.name} is not installed: pip install 'scorebridge-gateway[batch]'") from error
    scorer = await (_gateways(options) if options.repository is None else _in_process(options))
    try:
        return await score_input(run, scorer, Progress(sys.stderr))
    finally:
        await scorer.close()


async def _in_process(options: BatchOptions) -> "RunScorer":
    from bridge.offline.in_process import InProcess  # noqa: PLC0415 - it loads the backends

    assert options.repository is not None  # noqa: S101 - for mypy
    named = options.repository, options.model, options.version
    return await InProcess.open(
        *named,
        timeout_s=options.timeout,
        programs=Programs("embedded" if options.r is RProcess.EMBEDDED else "rserve", read_pythons(options.config)),
        log_dir=options.log_dir,
    )


async def _gateways(options: BatchOptions) -> "RunScorer":
    from bridge.offline.gateways import Gateways  # noqa: PLC0415 - only where there is no repository

    way, named = options.gateway.way(), (options.model, options.version)
    try:
        return await Gateways.open(*way, *named, timeout_s=options.timeout, patience_s=options.patience)
    except ValueError as error:  # the target, or a token that would be sent in plain text
        raise CommandFailed(str(error)) from error


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs the run; SIGTERM and SIGINT cancel it, so that nothing is left half written.

    Raises:
        typer.Exit: the run failed, with exit code 2, or was interrupted, with exit code 130.
    """
    try:
        return asyncio.run(_interruptible(work))
    except asyncio.CancelledError as error:
        typer.echo("interrupted: what is finished is kept, and the same command goes on behind it", err=True)
        raise typer.Exit(_INTERRUPTED) from error
    except (BridgeError, OSError) as error:
        raise _failed(error) from error
    except Exception as error:
        # Python would end with exit code 1 here, which would say that rows got no score.
        _log.say(RUN_BUG, bug=error, kind="batch")
        typer.echo(f"batch failed because of a bug in scorebridge ({type(error).__name__}): please report it", err=True)
        raise typer.Exit(_COULD_NOT_RUN) from error


async def _interruptible(work: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _failed(error: BridgeError | OSError) -> typer.Exit:
    said = error.in_full() if isinstance(error, BridgeError) else f"{error.filename or 'a file'}: {error.strerror}"
    typer.echo(printable(said), err=True)
    return typer.Exit(_COULD_NOT_RUN)
