"""Admission: a call that would only wait in vain is turned away while its caller still has time for something else."""

from bridge.calls import Call, Outcome, Scorer
from bridge.errors import Overloaded
from bridge.layers.shares import Shares
from bridge.workload import Workload

__all__ = ["Admission"]

# An execution that is finished too late is a waste, and takes the time of one that would not have been.
_MARGIN = 1.15


class Admission:
    """Bounds the rows that wait for one version.

    Args:
        workload: the version's; batching tells it what runs.
        max_pending_rows: of all calls that are let in and not answered; more are turned away. Where several callers
            have some, each has its share.
    """

    def __init__(self, workload: Workload, max_pending_rows: int) -> None:
        self._workload = workload
        self._max_pending_rows = max_pending_rows
        self._shares = Shares(max_pending_rows, "rows waiting")

    async def __call__(self, call: Call, inner: Scorer) -> Outcome:
        """Lets the call in, or not.

        Raises:
            Overloaded: too many rows wait already, or what waits would take longer than the call has.
        """
        workload = self._workload
        # While a worker is free the call costs nobody anything, and it is how the cost is learned anew.
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
                f"{call.model}: {workload.pending_rows} rows wait already; at most {self._max_pending_rows} may",
                limit=f"{self._max_pending_rows} rows",
            )
        try:
            self._shares.check(call.caller, call.rows)
        except Overloaded as error:
            raise Overloaded(f"{call.model}: {error}", limit=error.limit) from error
        # Coalesced calls share an execution's base: what is ahead is counted by its rows and one base for each worker.
        ahead_s = workload.cost.seconds(workload.pending_rows, workload.workers)
        own_s = workload.cost.seconds(call.rows)
        if ahead_s is None or own_s is None or call.deadline is None:
            return
        expected_s, left_s = _MARGIN * (ahead_s / workload.workers + own_s), call.deadline.remaining_s()
        if expected_s > left_s:
            raise Overloaded(
                f"{call.model}: it would take {expected_s:.3f} s, and the call has {left_s:.3f} s left",
                limit=f"{left_s:.3f} s",
            )
