"""How a pool stands at one moment, and what it has done so far: for a page that shows it, and for tests."""

from dataclasses import dataclass

__all__ = ["Snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The workers of one pool, counted by what they do, and the calls; counters run from the pool's start.

    A closed pool has no workers; its counters stay.

    Attributes:
        idle: workers that are free.
        leased: workers that belong to a call.
        settling: workers that are still at work for a call that was cancelled.
        dying: workers that are being killed, because they were lost, spent or too slow.
        starting: workers that the pool lacks: each is being started, or will be after a pause if that failed.
        waiting: calls that wait for a worker.
        leases: calls that were given a worker, so far.
        waits_s: what these calls waited for one, all together, seconds.
        replaced: workers that were lost, spent or too slow and have a successor, so far.
        overrun: workers that were killed because they went on for too long after their call was cancelled, so far.
        pids: the processes of the workers that are idle, leased or settling.
        idle_pids: those of the idle ones.
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
