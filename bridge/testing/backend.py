"""A backend whose scores a test states."""

from bridge.backends import Description, Tried
from bridge.calls import Call, Scorer
from bridge.columns import Batch
from bridge.workload import Workload

__all__ = ["FakeBackend"]


class FakeBackend:
    """A backend that takes any rows, and asks a function for their scores.

    Args:
        scorer: gives the outcome of a call.
        description: what the model says of itself.
        workers: how many calls it takes at once.
    """

    def __init__(self, scorer: Scorer, description: Description, workers: int = 1) -> None:
        self.description = description
        self.workload = Workload(workers)
        self.score: Scorer = scorer

    def bind(self, batch: Batch, *, alone: bool = False) -> Batch:
        """The rows as they are; all of them fit."""
        del alone
        return batch

    async def trial(self, call: Call, days: int = 0) -> Tried:
        """The scores of a batch that is tried, with no warnings; there is no clock to set forward."""
        del days
        return Tried(await self.score(call))

    async def close(self) -> None:
        """Nothing to free."""
