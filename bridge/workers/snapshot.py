"""The state of a pool at one moment and its counters, for status pages and tests."""

from dataclasses import dataclass

__all__ = ["Snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The workers of one pool, counted by what they do, and counters of calls that run from the pool's start.

    A closed pool has no workers; its counters stay.

    Attributes:
        idle: the number of workers that are free.
        leased: the number of workers that belong to a call.
        settling: the number of workers that are still at work for a call that was cancelled.
        dying: the number of workers that are being killed, because they were lost, spent or too slow.
        starting: the number of workers that the pool lacks. Each is being started; after a failure there is a pause.
        waiting: the number of calls that wait for a worker.
        leases: the number of calls that were given a worker since the start.
        waits_s: the seconds that calls waited for a worker since the start, added up.
        replaced: the number of workers that were lost, spent or too slow and were replaced since the start.
        overrun: the number of workers that were killed since the start because they went on for too long after their
            call was cancelled.
        pids: the process ids of the workers that are idle, leased or settling.
        idle_pids: the process ids of the idle workers.
    """

    idle: int
    leased: int
    settling: int
    dying: int
    starting: int
    waiting: int
    leases: int
    waits_s: float
    replaced: int
    overrun: int
    pids: frozenset[int]
    idle_pids: frozenset[int]
