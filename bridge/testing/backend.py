"""A backend for tests, whose scores the test supplies."""

from bridge.backends import Description, Tried
from bridge.calls import Call, Scorer
from bridge.columns import Batch
from bridge.workload import Workload

__all__ = ["FakeBackend"]


class FakeBackend:
    """A backend that takes any rows, and gets their scores from a function of the test.

    Args:
        scorer: the function that returns the outcome of a call.
        description: the facts that the backend states about its model.
        workers: the number of calls that it takes at once.
    """

    def __init__(self, scorer: Scorer, description: Description, workers: int = 1) -> None:
        self.description = description
        self.workload = Workload(workers)
        self.score: Scorer = scorer

    def snapshot(self) -> None:
        """Returns None: this backend has no processes."""

    def bind(self, batch: Batch, *, alone: bool = False) -> Batch:
        """Returns the batch unchanged: every row counts as fit."""
        del alone
        return batch

    async def trial(self, call: Call, days: int = 0) -> Tried:
        """Returns the scores of a trial, without warnings. `days` is ignored: there is no clock to set forward."""
        del days
        return Tried(await self.score(call))

    async def close(self) -> None:
        """Does nothing: this backend holds no resources."""
