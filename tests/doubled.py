"""A scorer of runs that needs no model: it doubles x."""

from collections.abc import Mapping

from scorebridge.v1 import scoring_pb2 as pb

from bridge.columns import Column, Type
from bridge.offline.scorer import Answer, Question, RunScorer

__all__ = ["Doubled"]


class Doubled(RunScorer):
    """Scores every row with twice its x, a double.

    Attributes:
        asked: how many calls there were.
    """

    def __init__(self) -> None:
        self.detail = pb.ModelDetail(
            version=pb.ModelVersion(model="doubled", version=1, digest="d"),
            features=[pb.Feature(name="x", type=pb.COLUMN_TYPE_DOUBLE, required=True)],
            outputs=[pb.OutputColumn(name="score", type=pb.COLUMN_TYPE_DOUBLE)],
            row_wise=True,
        )
        self.max_batch_rows = 1_000_000
        self.asked = 0

    async def score(self, question: Question) -> Answer:
        """Doubles x."""
        self.asked += 1
        return Answer((Column("score", Type.DOUBLE, question.batch.columns[0].values * 2),))

    async def close(self) -> None:
        """Has nothing to free."""

    def told(self) -> Mapping[str, str]:
        """Has nothing to tell."""
        return {}
