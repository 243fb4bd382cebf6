"""One run: scores the rows of input files chunk by chunk, and can be killed at any time and goes on where it was."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bridge.errors import BridgeError
from bridge.offline.chunk_scoring import ChunkScoring
from bridge.offline.model_columns import outputs_of, wanted_of
from bridge.offline.output_rows import output_schema, output_table
from bridge.offline.outputs import Publication, output_kind, standing
from bridge.offline.plan import Plan
from bridge.offline.progress import Progress
from bridge.offline.publication_mark import PublicationMark
from bridge.offline.rejects import write_rejects
from bridge.offline.run_folder import RunFolder
from bridge.offline.run_options import RunOptions
from bridge.offline.scorer import RunScorer
from bridge.offline.summary import Summary
from bridge.offline.whole_input import whole_input
from bridge.row_files.input_chunk import InputChunk
from bridge.row_files.sources import Source, open_source

__all__ = ["RunStopped", "score_input"]

_MOST_REJECTS_MORE = 100_000  # beyond the limit: so many are listed, and then the input is taken to be a wrong one
_AHEAD = 2  # chunks that are read or written while others are scored


class RunStopped(BridgeError):
    """A run can't go on; what is finished stays in its run folder."""

    reason = "RUN_STOPPED"


async def score_input(options: RunOptions, scorer: RunScorer, progress: Progress) -> Summary:
    """Scores the whole input and publishes the output; goes on where an earlier run on the same output was stopped.

    Cancelling ends the run: finished chunks are kept, and the next run goes on behind them.

    Args:
        options: what to read, write and tolerate.
        scorer: who scores; the caller closes it.
        progress: is told how far the run is.

    Raises:
        BridgeError: the run could not begin or go on; the message says why, and what to do.
    """
    began = time.monotonic()
    _check_output(options)
    wanted = wanted_of(scorer.detail, options.key, options.keep, ignore_extra=options.ignore_extra)
    source = await asyncio.to_thread(open_source, options.inputs, options.dialect, wanted)
    try:
        folder = await asyncio.to_thread(RunFolder.open, options.run_folder, restart=options.restart)
        try:
            return await _Run(options, scorer, progress, source, folder, began=began).execute()
        finally:
            folder.close()
    finally:
        source.close()


class _Run:
    def __init__(
        self,
        options: RunOptions,
        scorer: RunScorer,
        progress: Progress,
        source: Source,
        folder: RunFolder,
        *,
        began: float,
    ) -> None:
        self._options = options
        self._scorer = scorer
        self._progress = progress
        self._source = source
        self._folder = folder
        self._began = began
        detail = scorer.detail
        kind = output_kind(options.output)
        self._constant = options.partition if kind != "folder" else {}
        self._schema = output_schema(source.echo_schema, outputs_of(detail), self._constant)
        self._workers = options.workers or max(2, 2 * detail.workers)

    async def execute(self) -> Summary:
        """Scores what is not finished, and publishes the output if the limits are kept."""
        options, folder, plan = self._options, self._folder, self._plan()
        if mark := await asyncio.to_thread(self._published_before, plan):
            return self._summary(mark.plan, "", mark.chunks, mark.rows)
        plan = await asyncio.to_thread(folder.begin, plan)
        resumed, resumed_rows = folder.finished_count, folder.rows
        self._progress.begin(resumed_rows, self._source.read_share())
        publication = self._publication(plan)
        scoring = ChunkScoring(
            self._scorer,
            run_id=plan.run_id,
            row_wise=self._scorer.detail.row_wise,
            default=options.default,
            workers=self._workers,
            patience_s=options.patience_s,
        )
        try:
            await self._score_all(scoring)
        finally:
            self._progress.end()
        await asyncio.to_thread(self._source.check)
        folder.check(self._source.counted, self._source.rows_read)
        over = self._over_the_limit()
        await asyncio.to_thread(write_rejects, options.rejects_file, folder.rejects(self._source.counted))
        if not over:
            await asyncio.to_thread(self._publish, plan, publication)
        return self._summary(plan, over, resumed, resumed_rows)

    def _plan(self) -> Plan:
        detail = self._scorer.detail
        version = detail.version
        return Plan(
            model=version.model,
            version=version.version,
            digest=version.digest,
            inputs=tuple(stamp.to_json() for stamp in self._source.stamps),
            # Whether chunks are cut at all is the model's: a resumed run must find the same ones.
            options=self._options.shaping(len(detail.features)) | {"row-wise": detail.row_wise},
            run_id=str(uuid.uuid4()),
        )

    def _published_before(self, plan: Plan) -> PublicationMark | None:
        """Ends a run that was killed behind its publication, and returns its mark; None if there is none."""
        options, folder = self._options, self._folder
        mark = folder.published_before(plan, standing(options.output, options.partition, folder.path))
        if mark is not None:
            folder.remove()
        return mark

    def _publication(self, plan: Plan) -> Publication:
        options, work = self._options, self._folder.path
        return Publication(
            options.output,
            options.partition,
            self._schema,
            overwrite=options.overwrite,
            about=_about(plan),
            work=work,
        )

    async def _score_all(self, scoring: ChunkScoring) -> None:
        """Scores every chunk that is not finished, several at once, and keeps each as soon as it is done."""
        chunks = self._chunks()
        room = asyncio.Semaphore(self._workers + _AHEAD)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await room.acquire()
                    chunk = await asyncio.to_thread(next, chunks, None)
                    if chunk is None:
                        break
                    self._check_rejects()
                    task = group.create_task(self._finish(scoring, chunk))
                    task.add_done_callback(lambda _: room.release())
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors

    def _chunks(self) -> Iterator[InputChunk]:
        detail = self._scorer.detail
        if not detail.row_wise:
            return whole_input(self._source, self._scorer.max_batch_rows, detail, self._folder.finished)
        return self._source.chunks(self._options.rows_of_a_chunk(len(detail.features)), self._folder.finished)

    async def _finish(self, scoring: ChunkScoring, chunk: InputChunk) -> None:
        scored = await scoring.score(chunk)
        await asyncio.to_thread(self._keep, chunk, scored)
        self._progress.update(self._folder.rows, self._folder.rejected, self._source.read_share())

    def _keep(self, chunk: InputChunk, scored: Any) -> None:
        version = self._scorer.detail.version.version
        table = output_table(self._schema, chunk, scored, version, self._constant)
        rejects = sorted((*chunk.rejects, *scored.rejects), key=lambda reject: reject.row)
        self._folder.store(chunk.number, table, rejects, chunk.rows)

    def _check_rejects(self) -> None:
        most = self._options.max_rejects + _MOST_REJECTS_MORE
        if self._folder.rejected > most:
            raise RunStopped(
                f"more than {most} rows got no score, which is far over --max-rejects {self._options.max_rejects}: the"
                f" input may be the wrong one; {self._folder.path} keeps what is finished"
            )

    def _over_the_limit(self) -> str:
        """Returns which limit the run has passed, in a sentence; empty if it has passed none."""
        options, folder = self._options, self._folder
        if folder.rejected > options.max_rejects:
            return (
                f"{folder.rejected} rows got no score, over --max-rejects {options.max_rejects}: they are in"
                f" {options.rejects_file}, and nothing is published; mend the input, or run again with a higher limit,"
                " which scores nothing twice"
            )
        if options.max_defaults is not None and folder.defaulted > options.max_defaults:
            return (
                f"{folder.defaulted} rows got default scores, over --max-defaults {options.max_defaults}: nothing is"
                " published; run again with a higher limit, which scores nothing twice"
            )
        return ""

    def _publish(self, plan: Plan, publication: Publication) -> None:
        publication.write(self._folder.tables(self._source.counted))
        self._folder.mark_publishing(plan, publication.stamp)
        publication.publish()
        self._folder.remove()

    def _summary(self, plan: Plan, over: str, resumed: int, resumed_rows: int) -> Summary:
        folder, seconds = self._folder, time.monotonic() - self._began
        return Summary(
            model=plan.model,
            version=plan.version,
            digest=plan.digest,
            engine=self._scorer.detail.engine,
            run_id=plan.run_id,
            inputs=tuple(stamp.path for stamp in self._source.stamps),
            rows=folder.rows,
            scored=folder.rows - folder.rejected - folder.defaulted,
            defaults=folder.defaulted,
            rejects=folder.rejected,
            output="" if over else str(self._options.output),
            rejects_file=str(self._options.rejects_file) if folder.rejected else "",
            seconds=seconds,
            resumed_chunks=resumed,
            resumed_rows=resumed_rows,
            over_limit=over,
            told=dict(self._scorer.told()),
        )


def _check_output(options: RunOptions) -> None:
    output = options.output.resolve()
    if any(Path(one).resolve() == output for one in options.inputs):
        raise RunStopped(f"--output {options.output} is also an input: name another file or folder for the scores")


def _about(plan: Plan) -> dict[str, str]:
    return {
        "scorebridge.model": plan.model,
        "scorebridge.version": str(plan.version),
        "scorebridge.digest": plan.digest,
        "scorebridge.run_id": plan.run_id,
    }


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Returns the first error in groups of errors; the others are mostly cancellations that it caused."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
