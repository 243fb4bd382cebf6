"""Writes outcomes as ModelInferResponses; `bridge.codecs.open_inference.requests` reads the requests."""

from collections.abc import Mapping, Sequence

from scorebridge.v1 import scoring_pb2

from bridge.calls import Call, Outcome
from bridge.codecs.json.lookups import write_lookups
from bridge.codecs.open_inference import inference_pb2 as pb
from bridge.codecs.open_inference.datatypes import BY_TYPE
from bridge.codecs.open_inference.inference import Form
from bridge.codecs.open_inference.row_ranges import write_mask, write_rows
from bridge.codecs.open_inference.tensors import shown, write_contents, write_raw
from bridge.codecs.scorebridge_v1.replies import scores_of, source_of
from bridge.columns import Column
from bridge.errors import InvalidRequest

__all__ = ["asked_columns", "missing_rows", "reply_parameters", "write_response"]

_SOURCE = "SCORE_SOURCE_"


def write_response(call: Call, outcome: Outcome, form: Form) -> bytes:
    """Returns the bytes of the ModelInferResponse to a call whose outcome does not fail it.

    Raises:
        InvalidRequest: the request asks for an output that the model does not have.
    """
    columns = asked_columns(outcome, form)
    response = pb.ModelInferResponse(
        model_name=call.model.model, model_version=str(call.model.version), id=call.request_id
    )
    for name, text in reply_parameters(call, outcome).items():
        response.parameters[name].string_param = text
    for column in columns:
        datatype = BY_TYPE[column.type]
        tensor = response.outputs.add(name=column.name, datatype=datatype.name, shape=[len(column)])
        if missing := missing_rows(column):
            tensor.parameters["missing_rows"].string_param = missing
        if form.raw:
            response.raw_output_contents.append(write_raw(column))
        else:
            tensor.contents.CopyFrom(write_contents(column, datatype))
    return response.SerializeToString()


def asked_columns(outcome: Outcome, form: Form) -> Sequence[Column]:
    """Returns the outputs that a request asks for, in its order.

    Raises:
        InvalidRequest: the outcome has no output of that name.
    """
    columns = scores_of(outcome)
    if not form.outputs:
        return columns
    by_name = {column.name: column for column in columns}
    if unknown := [name for name in form.outputs if name not in by_name]:
        raise InvalidRequest(f"the model has no output '{shown(unknown[0])}'")
    return [by_name[name] for name in form.outputs]


def reply_parameters(call: Call, outcome: Outcome) -> Mapping[str, str]:
    """Returns what an answer says besides its scores, by the names of the parameters, all as text.

    If several ranges of rows have default scores, `default_reason` has a reason for each range, in their order.
    `lookups` is a JSON array with an object for each lookup, and is there only where features were looked up.
    """
    parameters = {
        "score_source": scoring_pb2.ScoreSource.Name(source_of(outcome)).removeprefix(_SOURCE),
        "digest": call.model.digest,
        "version": str(call.model.version),
    }
    defaulted = [part for part in outcome.ranges if part.defaulted]
    if defaulted:
        parameters["defaulted_rows"] = write_rows((part.first, part.count) for part in defaulted)
        reasons = [str(part.error.default_reason) for part in defaulted if part.error is not None]
        parameters["default_reason"] = ",".join(reasons) if len(set(reasons)) > 1 else reasons[0]
    if call.looked_up is not None and call.looked_up.results:
        parameters["lookups"] = write_lookups(call.looked_up)
    return parameters


def missing_rows(column: Column) -> str:
    """Returns the rows where a column has a placeholder, as text; empty if none has, and for FP32 and FP64."""
    return "" if column.mask is None else write_mask(column.mask)
