"""The client's own defaults have the model's outputs: the scores are there, what would explain them is missing."""

from typing import Any

import grpc
import numpy as np
from scorebridge import AsyncScoringClient, Scores, ScoringClient, Source, Unavailable
from scorebridge.answers import Answers
from scorebridge.batch import MOST_ROWS, Batch
from scorebridge.chunks import put_together
from scorebridge.models import read_details
from scorebridge.v1 import scoring_pb2 as pb

AWAY = Unavailable("away", "UNAVAILABLE", status="UNAVAILABLE", by_gateway=False)
MODEL = pb.SCORE_SOURCE_MODEL


def fall_back(answers: Answers) -> Scores:
    return answers.fall_back(Batch("m", np.zeros((2, 3)), 0.5, {}).message(), 2, AWAY, 0.0)


def answer_of(answers: Answers, *columns: pb.Column) -> Scores:
    """What a client makes of a gateway's answer."""
    request = Batch("m", np.zeros((2, 3)), 0.5, {}).message()
    return answers.scored(request, 2, pb.ScoreResponse(model="m", scores=columns, source=MODEL), 0.0)


def doubles(name: str) -> pb.Column:
    return pb.Column(name=name, doubles=pb.DoubleArray(values=[1, 2]))


TEXT = pb.Column(name="reason_1", strings=pb.StringArray(values=["age", ""]), missing_rows=[1])
SHARE = pb.Column(name="share", floats=pb.FloatArray(values=[1, 2]))


def test_a_default_has_the_outputs_that_the_model_answered_with() -> None:
    answers = Answers({})
    unknown = fall_back(answers)
    assert list(unknown.columns) == ["score"]
    answer_of(answers, doubles("low"), doubles("high"))
    known = fall_back(answers)
    assert list(known.columns) == ["low", "high"]
    assert known.scores.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    whole = put_together([unknown, known], "whole")
    assert (whole.source, whole.rows, whole.request_id) == (Source.CLIENT_DEFAULT, 4, "whole")


def test_a_default_is_a_number_and_no_reason_for_one() -> None:
    answers = Answers({})
    unknown = fall_back(answers)
    scored = answer_of(answers, doubles("score"), TEXT)
    known = fall_back(answers)
    assert {name: values.tolist() for name, values in known.columns.items()} == {
        "score": [0.5, 0.5],
        "reason_1": [None, None],
    }
    for parts in ([scored, known], [scored, unknown]):
        whole = put_together(parts, "whole")
        assert whole.columns["score"].tolist() == [1.0, 2.0, 0.5, 0.5]
        assert whole.columns["reason_1"].tolist() == ["age", None, None, None]
    answer_of(answers, TEXT)
    assert fall_back(answers).columns["reason_1"].tolist() == [0.5, 0.5]


def detail_of(*outputs: pb.OutputColumn, serving: bool = True) -> pb.ModelDetail:
    return pb.ModelDetail(version=pb.ModelVersion(model="m", version=1, serving=serving), outputs=outputs)


def test_what_explains_scores_is_missing_in_defaults_once_the_model_was_described() -> None:
    answers = Answers({})
    detail = detail_of(
        pb.OutputColumn(name="score", type=pb.COLUMN_TYPE_DOUBLE),
        pb.OutputColumn(name="share", type=pb.COLUMN_TYPE_FLOAT, additional=True),
        pb.OutputColumn(name="reason_1", type=pb.COLUMN_TYPE_STRING, additional=True),
    )
    other = pb.OutputColumn(name="other", type=pb.COLUMN_TYPE_DOUBLE)
    versions = [detail_of(other, serving=False), detail, detail_of()]
    answers.described(read_details(pb.GetModelResponse(versions=versions)))
    for scored in (None, answer_of(answers, doubles("score"), SHARE, TEXT)):
        columns = fall_back(answers).columns
        assert list(columns) == ["score", "share", "reason_1"]
        assert columns["score"].tolist() == [0.5, 0.5]
        assert np.isnan(columns["share"]).all()
        assert columns["reason_1"].tolist() == [None, None]
        if scored is not None:
            whole = put_together([scored, fall_back(answers)], "whole")
            assert whole.columns["share"][:2].tolist() == [1.0, 2.0]
            assert np.isnan(whole.columns["share"][2:]).all()


class Failed(grpc.RpcError):
    """As a call ends when nobody listens."""

    def code(self) -> grpc.StatusCode:
        """The status."""
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        """In words."""
        return "away"

    def trailing_metadata(self) -> tuple[()]:
        """No gateway had a word for it."""
        return ()


class Describes:
    """A channel to a gateway that tells of its models and scores nothing; with it goes what asyncio asks for."""

    def __init__(self, response: pb.GetModelResponse, *, awaited: bool) -> None:
        self.response, self.awaited = response, awaited

    def unary_unary(self, path: str, **_: Any) -> Any:
        """A method of it."""

        def call(*_: Any, **__: Any) -> Any:
            if path.endswith("/Score"):
                raise Failed
            return self.response

        async def later(*_: Any, **__: Any) -> Any:
            return call()

        return later if self.awaited else call


DESCRIBED = pb.GetModelResponse(
    versions=[detail_of(pb.OutputColumn(name="score"), pb.OutputColumn(name="share", additional=True))]
)


async def test_both_clients_learn_from_what_the_gateway_tells_of_a_model() -> None:
    plain: Any = Describes(DESCRIBED, awaited=False)
    later: Any = Describes(DESCRIBED, awaited=True)
    with ScoringClient("unused", default=0.5, channel=plain) as client:
        client.model("m")
        answers = [client.score("m", np.zeros((1, 3)))]
    async with AsyncScoringClient("unused", default=0.5, channel=later) as asking:
        answers.append(await asking.score("m", np.zeros((MOST_ROWS + 1, 3))))
    for answer in answers:
        assert list(answer.columns) == ["score", "share"]
        assert set(answer.columns["score"].tolist()) == {0.5}
        assert np.isnan(answer.columns["share"]).all()
