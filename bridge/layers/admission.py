"""The admission layer: turns calls away at once that would wait in vain, while their callers can still do without."""

from bridge.calls import Call, Outcome, Scorer
from bridge.errors import Overloaded
from bridge.layers.shares import Shares
from bridge.workload import Workload

__all__ = ["Admission"]

# The expected time is raised by this factor: an execution that ends too late is wasted, and delays one that would not.
_MARGIN = 1.15


class Admission:
    """Bounds the rows that wait for one version, and turns calls away that can't be answered in time.

    Args:
        workload: the version's workload, which batching keeps up to date.
        max_pending_rows: the most rows of all calls together that are let in and not yet answered. Where several
            callers have such rows, each has an equal share.
    """

    def __init__(self, workload: Workload, max_pending_rows: int) -> None:
        self._workload = workload
        self._max_pending_rows = max_pending_rows
        self._shares = Shares(max_pending_rows, "rows waiting")

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Lets the call in, or turns it away.

        Raises:
            Overloaded: too many rows wait already, or the scores would take longer than the call has left.
        """
        workload = self._workload
        # While a worker is free the call delays no other, and its execution shows what the model costs now.
        if not workload.idle:
            self._check(call)
        rows, caller = call.rows, call.caller
        workload.pending_rows += rows
        self._shares.hold(caller, rows)
        try:
            return await inner(call)
        finally:
            workload.pending_rows -= rows
            self._shares.give_back(caller, rows)

    def _check(self, call: Call) -> None:
        workload = self._workload
        if workload.pending_rows + call.rows > self._max_pending_rows:
            self._shares.turn_away(call.caller)
            raise Overloaded(
                f"{call.model}: {workload.pending_rows} rows wait already and {call.rows} more would exceed "
                f"max_pending_rows = {self._max_pending_rows}",
                limit=f"{self._max_pending_rows} rows",
            )
        try:
            self._shares.check(call.caller, call.rows)
        except Overloaded as error:
            raise Overloaded(f"{call.model}: {error}", limit=error.limit) from error
        # Coalesced calls share an execution's base cost: the queue ahead costs its rows and one base for each worker.
        ahead_s = workload.cost.seconds(workload.pending_rows, workload.workers)
        own_s = workload.cost.seconds(call.rows)
        if ahead_s is None or own_s is None or call.deadline is None:
            return
        expected_s, left_s = _MARGIN * (ahead_s / workload.workers + own_s), call.deadline.remaining_s()
        if expected_s > left_s:
            raise Overloaded(
                f"{call.model}: the scores would take about {expected_s:.3f} s, and the call has {left_s:.3f} s left",
                limit=f"{left_s:.3f} s",
            )
