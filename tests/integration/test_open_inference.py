"""The Open Inference Protocol over gRPC, against scorebridge.v1 to the bit, and on record like it."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import grpc
import grpc.aio
import numpy as np
import pytest
from fixtures import Addressed, Cancer, StartGateway, make_r_bundle, put
from gateways import BOTH_FRONTS, GatewayProcess
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status as RichStatus
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from infer_messages import add, add_raw
from logged import run, said
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2
from typer.testing import CliRunner
from waiting import eventually

from bridge.cli.app import app
from bridge.codecs.open_inference import inference_pb2 as pb
from bridge.codecs.open_inference.datatypes import DATATYPES
from bridge.codecs.open_inference.tensors import write_contents
from bridge.columns import Column, Type
from bridge.prediction_log.reader import read_log

SERVICE = "inference.GRPCInferenceService"
SCORE = "/scorebridge.v1.ScoringService/Score"
MANY_ROWS, CALL_ROWS = 100_000, 10_000
MIXED = """
Pred.R <- function(town, age, member, income) {
  if (any(income < 0)) Sys.sleep(20)
  list(label = paste0(town, ":", age), points = 2L * age, ok = !member, rate = income / 3)
}
"""
Metadata = Sequence[tuple[str, str]]
MIXED_SETTINGS = """
[features]
town = "string"
age = "int"
member = "bool"
income = "double"
[outputs]
label = "string"
points = "int"
ok = "bool"
rate = "double"
"""


class Caller:
    """Asks one gateway by messages."""

    def __init__(self, gateway: Addressed, metadata: Metadata = ()) -> None:
        self.channel = grpc.aio.insecure_channel(gateway.grpc_address)
        self._metadata = metadata

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close(None)

    async def ask(self, method: str, request: Any, answer: Any, wait_s: float = 60) -> Any:
        """The answer to one request, by the method's name or path."""
        path = method if method.startswith("/") else f"/{SERVICE}/{method}"
        raw = request if isinstance(request, bytes) else request.SerializeToString()
        channel: Any = self.channel  # its stubs want serializers
        return answer.FromString(await channel.unary_unary(path)(raw, timeout=wait_s, metadata=self._metadata))

    async def infer(self, request: pb.ModelInferRequest, wait_s: float = 60) -> pb.ModelInferResponse:
        """The scores of one batch."""
        answer: pb.ModelInferResponse = await self.ask("ModelInfer", request, pb.ModelInferResponse, wait_s)
        return answer

    async def refused(self, method: str, request: Any) -> tuple[grpc.StatusCode, str, str]:
        """The status, reason and sentence with which a call fails."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.ask(method, request, pb.ModelInferResponse)
        error = caught.value
        trailing: Any = error.trailing_metadata()
        rich = RichStatus.FromString(dict(trailing)["grpc-status-details-bin"])
        info = ErrorInfo()
        assert rich.details[0].Unpack(info)
        return error.code(), info.reason, error.details() or ""


def matrix_request(rows: Any, datatype: str, model: str = "cancer") -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name=model)
    add_raw(request, "input__0", datatype, rows.shape, rows.tobytes())
    return request


def records(log: Path) -> list[log_pb.LogRecord]:
    return [entry.record for entry in read_log(log)]


def command(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


async def test_many_rows_have_the_bits_of_scorebridge_v1_whichever_way_they_are_sent(
    cancer: Cancer, repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    picked = np.random.default_rng(17).integers(0, len(cancer.rows), (MANY_ROWS, len(cancer.names)))
    rows = np.take_along_axis(cancer.rows, picked, axis=0)
    rows[::97, 3] = np.nan
    different = 0
    async with Caller(gateway) as caller:
        for first in range(0, MANY_ROWS, CALL_ROWS):
            part = rows[first : first + CALL_ROWS]
            single = part.astype(np.float32)
            floats = scoring_pb2.ScoreRequest(model="cancer")
            floats.matrix.rows = len(part)
            floats.matrix.floats.values.extend(single.ravel().tolist())
            known = await caller.ask(SCORE, floats, scoring_pb2.ScoreResponse)
            expected = np.array(known.scores[0].floats.values, np.float32).view(np.uint32)
            typed = pb.ModelInferRequest(model_name="cancer")
            for place, name in enumerate(cancer.names):
                contents = write_contents(Column(name, Type.FLOAT, single[:, place].copy()), DATATYPES["FP32"])
                typed.inputs.add(name=name, datatype="FP32", shape=[len(part), 1], contents=contents)
            for request in (matrix_request(single, "FP32"), matrix_request(single.astype(np.float64), "FP64"), typed):
                answer = await caller.infer(request)
                (output,) = answer.outputs
                assert (output.datatype, list(output.shape)) == ("FP32", [len(part)])
                raw = bool(answer.raw_output_contents)
                assert raw == bool(request.raw_input_contents)
                scores = (
                    np.frombuffer(answer.raw_output_contents[0], np.float32)
                    if raw
                    else np.array(output.contents.fp32_contents, np.float32)
                )
                different += int((scores.view(np.uint32) != expected).sum())
    await gateway.close()
    assert different == 0
    result = run(tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    assert f"all {4 * MANY_ROWS} rows are equal" in said(result)


def contents_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def mixed(rows: int = 3, *, raw: bool = False) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="mixed", id="call-1")
    ages = list(range(30, 30 + rows))
    towns = [f"Köln-{row}".encode() for row in range(rows)]
    if raw:
        packed = b"".join(len(one).to_bytes(4, "little") + one for one in towns)
        add_raw(request, "town", "BYTES", [rows, 1], packed)
        add_raw(request, "age", "INT16", [rows], np.array(ages, np.int16).tobytes())
        add_raw(request, "member", "BOOL", [rows], b"\1" * rows)
        add_raw(request, "income", "FP64", [rows], np.arange(rows, dtype=np.float64).tobytes())
        return request
    add(request, "town", "BYTES", [rows], "bytes_contents", towns)
    add(request, "age", "INT16", [rows], "int_contents", ages)
    add(request, "member", "BOOL", [rows, 1], "bool_contents", [True] * rows)
    add(request, "income", "FP64", [rows], "fp64_contents", range(rows))
    return request


async def test_columns_of_every_kind_reach_r_and_come_back_typed_and_raw(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    put(make_r_bundle(tmp_path / "bundle", MIXED, settings=MIXED_SETTINGS), repository, "mixed")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    async with Caller(gateway) as caller:
        answer = await caller.infer(mixed())
        kinds = [(one.name, one.datatype, list(one.shape)) for one in answer.outputs]
        assert kinds == [("label", "BYTES", [3]), ("points", "INT32", [3]), ("ok", "BOOL", [3]), ("rate", "FP64", [3])]
        contents = [one.contents for one in answer.outputs]
        assert [one.decode() for one in contents[0].bytes_contents] == ["Köln-0:30", "Köln-1:31", "Köln-2:32"]
        assert list(contents[1].int_contents) == [60, 62, 64]
        assert list(contents[2].bool_contents) == [False] * 3
        assert list(contents[3].fp64_contents) == [0, 1 / 3, 2 / 3]
        assert (answer.id, answer.model_name, answer.model_version) == ("call-1", "mixed", "1")
        told = {name: one.string_param for name, one in answer.parameters.items()}
        assert told["score_source"] == "MODEL"
        assert (told["version"], told["digest"][:7]) == ("1", "sha256:")
        assert not set(told) & {"defaulted_rows", "default_reason"}
        chosen = mixed(raw=True)
        chosen.outputs.add(name="rate")
        chosen.outputs.add(name="label")
        other = await caller.infer(chosen)
        assert [one.name for one in other.outputs] == ["rate", "label"]
        assert other.raw_output_contents[0] == np.array([0, 1 / 3, 2 / 3]).tobytes()
        assert other.raw_output_contents[1][4:14] == "Köln-0:30".encode()
    await gateway.close()
    result = run(tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    assert "all 6 rows are equal" in said(result)


async def test_the_log_shows_and_exports_such_a_call_like_any_other(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    put(make_r_bundle(tmp_path / "bundle", MIXED, settings=MIXED_SETTINGS), repository, "mixed")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    async with Caller(gateway) as caller:
        request = mixed()
        request.inputs[1].parameters["missing_rows"].string_param = "2"
        request.parameters["default_score"].int64_param = 5
        assert (await caller.refused("ModelInfer", request))[0] is grpc.StatusCode.INVALID_ARGUMENT  # label is a text
        del request.parameters["default_score"]
        request.id = "call-2"
        answer = await caller.infer(request)
        assert answer.outputs[1].parameters["missing_rows"].string_param == "2"
        assert list(answer.outputs[1].contents.int_contents) == [60, 62, 0]
        await caller.infer(mixed())
    await gateway.close()
    shown = command("log", "show", tmp_path / "log", "--request-id", "call-2")
    assert "method          /inference.GRPCInferenceService/ModelInfer" in shown
    assert "3 rows" in shown
    assert "Köln-1" in shown
    command("log", "export", tmp_path / "log", "--format", "jsonl", "--output", tmp_path / "rows.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["input.age"] for row in rows if row["request_id"] == "call-2"] == [30, 31, None]
    scored = [row for row in rows if row["status"] == 0]
    assert [row["score.points"] for row in scored] == [60, 62, None, 60, 62, 64]
    assert {row["source"] for row in scored} == {"MODEL"}
    result = run(tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output


async def test_a_call_has_no_more_time_than_its_parameter_says_and_tells_which_rows_are_defaults(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    code = "Pred.R <- function(x) { if (any(x < 0)) Sys.sleep(20); list(score = x) }"
    put(make_r_bundle(tmp_path / "bundle", code, settings="default_score = 0.25\n"), repository, "slow")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    request = pb.ModelInferRequest(model_name="slow")
    add(request, "x", "FP64", [5], "fp64_contents", [-1, 1, 2, 3, 4])
    async with Caller(gateway) as caller:
        request.parameters["timeout"].int64_param = 300_000
        answer = await caller.infer(request)
        told = {name: one.string_param for name, one in answer.parameters.items()}
        assert (told["score_source"], told["default_reason"], told["defaulted_rows"]) == ("DEFAULT", "DEADLINE", "0-4")
        assert list(answer.outputs[0].contents.fp64_contents) == [0.25] * 5
        request.parameters["default_score"].string_param = "0.5"
        answer = await caller.infer(request)
        assert list(answer.outputs[0].contents.fp64_contents) == [0.5] * 5
        request.parameters["default_policy"].string_param = "never"
        code_of, reason, _ = await caller.refused("ModelInfer", request)
        assert (code_of, reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE")
        request.parameters["timeout"].int64_param = 3_600_000_000
        with pytest.raises(grpc.aio.AioRpcError) as caught:  # the caller's own deadline is the shorter one
            await caller.infer(request, wait_s=0.3)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await gateway.close()
    result = run(tmp_path / "log", "--repository", repository)
    assert result.exit_code == 0, result.output
    shown = [record for record in records(tmp_path / "log") if record.status == 0]
    assert [[(part.first, part.count) for part in one.defaulted] for one in shown] == [[(0, 5)], [(0, 5)]]


@BOTH_FRONTS
async def test_the_server_and_its_models_are_described(cancer_gateway: GatewayProcess, cancer: Cancer) -> None:
    async with Caller(cancer_gateway) as caller:
        assert (await caller.ask("ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse)).live
        assert (await caller.ask("ServerReady", pb.ServerReadyRequest(), pb.ServerReadyResponse)).ready
        server = await caller.ask("ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse)
        assert server.name == "scorebridge"
        assert {"binary_tensor_data", "model_repository"} <= set(server.extensions)
        for version in ("", "1"):
            ready = pb.ModelReadyRequest(name="cancer", version=version)
            assert (await caller.ask("ModelReady", ready, pb.ModelReadyResponse)).ready
            asked = pb.ModelMetadataRequest(name="cancer", version=version)
            model = await caller.ask("ModelMetadata", asked, pb.ModelMetadataResponse)
            assert (model.name, list(model.versions), model.platform) == ("cancer", ["1"], "xgboost")
            assert [one.name for one in model.inputs] == cancer.names
            assert {(one.datatype, tuple(one.shape)) for one in model.inputs} == {("FP64", (-1,))}
            assert [(one.name, one.datatype, tuple(one.shape)) for one in model.outputs] == [("score", "FP32", (-1,))]
            assert not model.properties
        for name, version, code in (
            ("none", "", grpc.StatusCode.NOT_FOUND),
            ("cancer", "2", grpc.StatusCode.NOT_FOUND),
            ("cancer", "01", grpc.StatusCode.INVALID_ARGUMENT),
        ):
            for method in ("ModelReady", "ModelMetadata"):
                request = pb.ModelReadyRequest(name=name, version=version)
                assert (await caller.refused(method, request))[0] is code
        health = health_pb2_grpc.HealthStub(caller.channel)
        state = await health.Check(health_pb2.HealthCheckRequest(service=SERVICE))
        assert state.status == health_pb2.HealthCheckResponse.SERVING
        listing = reflection_pb2_grpc.ServerReflectionStub(caller.channel).ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        )
        services = [one.name async for answer in listing for one in answer.list_services_response.service]
        assert {SERVICE, "scorebridge.v1.ScoringService"} <= set(services)


async def test_a_model_stays_unloaded_until_it_is_loaded_and_its_files_stay_as_they_are(
    cancer: Cancer, repository: Path, tmp_path: Path, start_gateway: StartGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bridge.services.open_inference_models")
    put(cancer.folder, repository, "cancer")
    put(cancer.folder, repository, "other")
    gateway = await start_gateway(repository, watch_interval_s=0.05, log_dir=tmp_path / "log")
    files = contents_of(repository)
    row = matrix_request(cancer.rows[:1].astype(np.float32), "FP32")
    index = pb.RepositoryIndexRequest()

    async def states(caller: Caller) -> list[tuple[str, str, str, str]]:
        answer = await caller.ask("RepositoryIndex", index, pb.RepositoryIndexResponse)
        return [(one.name, one.version, one.state, one.reason) for one in answer.models]

    async with Caller(gateway) as caller:
        assert await states(caller) == [("cancer", "1", "READY", ""), ("other", "1", "READY", "")]
        unload = pb.RepositoryModelUnloadRequest(model_name="cancer")
        unload.parameters["unload_dependents"].bool_param = True
        for _ in range(2):
            await caller.ask("RepositoryModelUnload", unload, pb.RepositoryModelUnloadResponse)
            assert gateway.registry.resident()[0].stored.model == "other"
        put(cancer.folder, repository, "cancer", 2)  # the watcher sees it, and loads nothing of the model
        await eventually(lambda: len(gateway.registry.versions("cancer")) == 2)
        assert await states(caller) == [
            ("cancer", "1", "UNAVAILABLE", "it was unloaded"),
            ("cancer", "2", "UNAVAILABLE", "it was unloaded"),
            ("other", "1", "READY", ""),
        ]
        said_ready = "cancer was unloaded, until it is loaded again or the gateway restarts\n"
        assert said_ready in gateway.pages.readiness()
        code, reason, sentence = await caller.refused("ModelInfer", row)
        assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY")
        assert sentence == "'cancer' was unloaded: it scores when it is loaded again or the gateway restarts"
        ready = await caller.ask("ModelReady", pb.ModelReadyRequest(name="cancer"), pb.ModelReadyResponse)
        assert not ready.ready
        assert (await caller.infer(matrix_request(cancer.rows[:1].astype(np.float32), "FP32", "other"))).outputs
        load = pb.RepositoryModelLoadRequest(model_name="cancer")
        await caller.ask("RepositoryModelLoad", load, pb.RepositoryModelLoadResponse)
        assert (await caller.infer(row)).model_version == "2"
        assert said_ready not in gateway.pages.readiness()
        assert [state for _, _, state, _ in await states(caller)] == ["READY"] * 3
        index.ready = True
        await caller.ask("RepositoryModelUnload", unload, pb.RepositoryModelUnloadResponse)
        assert [name for name, *_ in await states(caller)] == ["other"]
    assert files.items() <= contents_of(repository).items()
    until = "cancer was unloaded for the caller 'ipv4:127.0.0.1', until it is loaded again or the gateway restarts"
    noted = [one.getMessage() for one in caplog.records if one.name == "bridge.services.open_inference_models"]
    assert noted == [until, until, "cancer was loaded for the caller 'ipv4:127.0.0.1'", until]
    await gateway.close()
    again = await start_gateway(repository)
    assert len(again.registry.resident()) == 3


async def test_an_unload_waits_for_the_calls_of_the_model(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    code = "Pred.R <- function(x) { if (any(x < 0)) Sys.sleep(1); list(score = x) }"
    put(make_r_bundle(tmp_path / "bundle", code), repository, "slow")
    gateway = await start_gateway(repository)
    request = pb.ModelInferRequest(model_name="slow")
    add(request, "x", "FP64", [1], "fp64_contents", [-1])
    async with Caller(gateway) as caller:
        answer = asyncio.create_task(caller.infer(request))
        (version,) = gateway.registry.resident()
        await eventually(lambda: version.accepted is not None and version.accepted.backend.workload.running > 0)
        unload = pb.RepositoryModelUnloadRequest(model_name="slow")
        await caller.ask("RepositoryModelUnload", unload, pb.RepositoryModelUnloadResponse)
        assert (await answer).outputs[0].contents.fp64_contents[0] == -1
        assert gateway.registry.resident() == []


@BOTH_FRONTS
@pytest.mark.parametrize(
    ("method", "request_", "code", "sentence"),
    [
        (
            "RepositoryModelLoad",
            pb.RepositoryModelLoadRequest(model_name="none"),
            grpc.StatusCode.NOT_FOUND,
            "the repository has no model 'none'",
        ),
        (
            "RepositoryModelLoad",
            pb.RepositoryModelLoadRequest(model_name="../cancer"),
            grpc.StatusCode.NOT_FOUND,
            "the repository has no model '../cancer'",
        ),
        (
            "RepositoryModelUnload",
            pb.RepositoryModelUnloadRequest(model_name="none"),
            grpc.StatusCode.NOT_FOUND,
            "this gateway has no model 'none'",
        ),
        (
            "RepositoryModelLoad",
            pb.RepositoryModelLoadRequest(
                model_name="cancer", parameters={"config": pb.ModelRepositoryParameter(string_param="{}")}
            ),
            grpc.StatusCode.INVALID_ARGUMENT,
            "the parameter 'config' is not taken: a model is loaded as it was deployed",
        ),
        (
            "RepositoryModelLoad",
            pb.RepositoryModelLoadRequest(
                model_name="cancer", parameters={"file:1/model.ubj": pb.ModelRepositoryParameter(bytes_param=b"x")}
            ),
            grpc.StatusCode.INVALID_ARGUMENT,
            "the parameter 'file:1/model.ubj' is not taken",
        ),
        (
            "RepositoryModelUnload",
            pb.RepositoryModelUnloadRequest(model_name="cancer", repository_name="other"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "repository_name must be empty: a gateway has one repository",
        ),
        (
            "RepositoryModelUnload",
            b"\xff",
            grpc.StatusCode.INVALID_ARGUMENT,
            "are not an inference.RepositoryModelUnload",
        ),
        ("ModelReady", b"\x0a" * 5000, grpc.StatusCode.INVALID_ARGUMENT, "longer than any valid one of this method"),
    ],
)
async def test_what_a_repository_can_not_do_is_refused(
    cancer_gateway: GatewayProcess, method: str, request_: Any, code: grpc.StatusCode, sentence: str
) -> None:
    async with Caller(cancer_gateway) as caller:
        found, _, details = await caller.refused(method, request_)
        assert found is code
        assert sentence in details
        index = await caller.ask("RepositoryIndex", pb.RepositoryIndexRequest(), pb.RepositoryIndexResponse)
    assert [(one.name, one.version, one.state) for one in index.models] == [("cancer", "1", "READY")]


async def test_bad_input_is_refused_before_a_worker_is_touched_and_is_on_record_without_an_answer(
    repository: Path, tmp_path: Path, start_gateway: StartGateway
) -> None:
    put(make_r_bundle(tmp_path / "bundle", MIXED, settings=MIXED_SETTINGS), repository, "mixed")
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    ragged = mixed()
    ragged.inputs[1].shape[0] = 2
    del ragged.inputs[1].contents.int_contents[2:]
    both = mixed()
    both.raw_input_contents.append(b"secret")
    unknown = mixed()
    unknown.outputs.add(name="secret")
    lacking = mixed()
    del lacking.inputs[0]
    wide = pb.ModelInferRequest(model_name="mixed", id="call-1")
    wide.inputs.extend(pb.ModelInferRequest.InferInputTensor(name=str(place)) for place in range(20_000))
    wrong = {
        "tensor 'age' has 2 rows, tensor 'town' has 3": ragged,
        "tensor 'town' has contents, and the request has raw_input_contents: send either": both,
        "output 'secret' is none of mixed/1": unknown,
        "missing column 'town'": lacking,
        "the message has more than 16384 inputs": wide,
    }
    async with Caller(gateway) as caller:
        for sentence, request in wrong.items():
            code, reason, details = await caller.refused("ModelInfer", request)
            assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
            assert sentence in details
        nobody = mixed()
        nobody.model_name, nobody.id = "none", "an id\n"
        assert (await caller.refused("ModelInfer", nobody))[0] is grpc.StatusCode.INVALID_ARGUMENT
        nobody.id = "call-1"
        assert (await caller.refused("ModelInfer", nobody))[1] == "MODEL_NOT_FOUND"
    await gateway.close()
    found = records(tmp_path / "log")
    assert len(found) == len(wrong) + 2
    assert {one.method for one in found} == {f"/{SERVICE}/ModelInfer"}
    assert {one.attempts for one in found} == {0}
    assert {one.request_id for one in found} == {"call-1", ""}
    assert [one.model for one in found] == ["mixed"] * len(wrong) + ["none"] * 2


async def test_callers_see_and_do_only_what_callers_toml_gives_them(
    cancer: Cancer, repository: Path, tmp_path: Path, start_gateway: StartGateway, front: str
) -> None:
    if front == "native":
        front_settings: dict[str, Any] = {"front": "grpc"}  # the native one passes no tokens on
    else:
        front_settings = {}
    for model in ("cancer", "fraud"):
        put(cancer.folder, repository, model)
    callers, tokens = tmp_path / "callers.toml", {name: f"{name}-{'0123456789' * 4}" for name in ("shop", "ops")}
    digests = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in tokens.items()}
    callers.write_text(
        f'[callers.shop]\ntoken_sha256 = "{digests["shop"]}"\nmodels = ["cancer"]\n'
        f'[callers.ops]\ntoken_sha256 = "{digests["ops"]}"\nrole = "operate"\n'
    )
    gateway = await start_gateway(repository, callers=callers, log_dir=tmp_path / "log", **front_settings)
    row = matrix_request(cancer.rows[:1].astype(np.float32), "FP32", "fraud")
    index, load = pb.RepositoryIndexRequest(), pb.RepositoryModelLoadRequest(model_name="cancer")
    unload = pb.RepositoryModelUnloadRequest(model_name="fraud")
    async with Caller(gateway) as nobody:
        assert (await nobody.ask("ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse)).live
        assert (await nobody.ask("ServerReady", pb.ServerReadyRequest(), pb.ServerReadyResponse)).ready
        health = health_pb2_grpc.HealthStub(nobody.channel)
        state = await health.Check(health_pb2.HealthCheckRequest(service=SERVICE))
        assert state.status == health_pb2.HealthCheckResponse.SERVING
        asked = (
            ("ModelInfer", row),
            ("ServerMetadata", pb.ServerMetadataRequest()),
            ("ModelReady", pb.ModelReadyRequest(name="cancer")),
            ("ModelMetadata", pb.ModelMetadataRequest(name="cancer")),
            ("RepositoryIndex", index),
            ("RepositoryModelLoad", load),
            ("RepositoryModelUnload", unload),
        )
        for method, request in asked:
            assert (await nobody.refused(method, request))[0] is grpc.StatusCode.UNAUTHENTICATED
    async with Caller(gateway, [("authorization", f"Bearer {tokens['shop']}")]) as shop:
        assert [one.name for one in (await shop.ask("RepositoryIndex", index, pb.RepositoryIndexResponse)).models] == [
            "cancer"
        ]
        forbidden = (
            ("ModelInfer", row),
            ("ModelReady", pb.ModelReadyRequest(name="fraud")),
            ("ModelMetadata", pb.ModelMetadataRequest(name="none")),
            ("RepositoryModelLoad", load),
            ("RepositoryModelUnload", unload),
        )
        for method, request in forbidden:
            assert (await shop.refused(method, request))[:2] == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
    async with Caller(gateway, [("authorization", f"Bearer {tokens['ops']}")]) as ops:
        await ops.ask("RepositoryModelUnload", unload, pb.RepositoryModelUnloadResponse)
        told = await ops.ask("RepositoryIndex", index, pb.RepositoryIndexResponse)
        assert [(one.name, one.reason) for one in told.models] == [("cancer", ""), ("fraud", "it was unloaded")]
        assert (await ops.refused("ModelInfer", row))[1] == "MODEL_NOT_READY"
    await gateway.close()
    assert [(one.caller, one.error_reason) for one in records(tmp_path / "log")] == [
        ("ipv4:127.0.0.1", "UNAUTHENTICATED"),
        ("shop", "PERMISSION_DENIED"),
        ("ops", "MODEL_NOT_READY"),
    ]
