"""A session of tritonclient: run by the Python of .triton, prints as JSON what each step gave.

Usage: triton_session.py grpc|http HOST:PORT ROWS.npy COLUMNS.json
"""

import json
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

__all__ = ["main"]


class Session:
    """One client of one transport."""

    def __init__(self, transport: str, url: str) -> None:
        self._client: Any = import_module(f"tritonclient.{transport}")
        self._http = transport == "http"
        self.client = self._client.InferenceServerClient(url)

    def tensor(self, name: str, values: Any, datatype: str, *, binary: bool = True) -> Any:
        """One input."""
        tensor = self._client.InferInput(name, list(values.shape), datatype)
        if self._http:
            tensor.set_data_from_numpy(values, binary_data=binary)
        else:
            tensor.set_data_from_numpy(values)
        return tensor

    def asked(self, name: str, *, binary: bool) -> Any:
        """One output that is asked for."""
        named = self._client.InferRequestedOutput
        return named(name, binary_data=binary) if self._http else named(name)

    def infer(self, model: str, tensors: list[Any], outputs: list[Any] | None = None, **more: Any) -> Any:
        """The scores of one batch."""
        return self.client.infer(model, tensors, outputs=outputs, **more)

    def described(self, message: Any) -> Any:
        """A message of the server as JSON has it."""
        if self._http:
            return message
        from google.protobuf.json_format import MessageToDict  # noqa: PLC0415 - only gRPC's client brings it

        return MessageToDict(message, preserving_proto_field_name=True)

    def told(self, result: Any) -> Mapping[str, Any]:
        """The parameters of an answer."""
        answer = result.get_response()
        if self._http:
            return dict(answer["parameters"])
        return {name: value.string_param for name, value in answer.parameters.items()}


def spelled(values: Any) -> Any:
    """An array as bytes in hexadecimal, texts as texts."""
    if values.dtype == object:
        return [one.decode() if isinstance(one, bytes) else one for one in values.tolist()]
    return {"dtype": str(values.dtype), "hex": values.tobytes().hex()}


def failed(work: Callable[[], Any]) -> str:
    """The message with which a call fails."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - each transport has its own kinds
        return str(error)
    return ""


def describe(session: Session) -> dict[str, Any]:
    """What the server says of itself and its model."""
    client = session.client
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model ready": [client.is_model_ready("cancer"), client.is_model_ready("cancer", "1")],
        "server": session.described(client.get_server_metadata())["name"],
        "model": session.described(client.get_model_metadata("cancer", "1")),
    }


def score(session: Session, rows: Any, columns: list[str]) -> dict[str, Any]:
    """The scores of the same rows, sent in each way."""
    single = rows.astype(np.float32)
    by_column = [
        session.tensor(name, np.ascontiguousarray(rows[:, place]), "FP64") for place, name in enumerate(columns)
    ]
    matrix = session.tensor("input__0", single, "FP32")
    plain = session.infer("cancer", [matrix], request_id="call-1")
    given = [session.asked("score", binary=False)]
    in_json = [session.tensor("input__0", single, "FP32", binary=False)]
    return {
        "FP32": spelled(plain.as_numpy("score")),
        "FP64": spelled(session.infer("cancer", [session.tensor("x", rows, "FP64")]).as_numpy("score")),
        "columns": spelled(session.infer("cancer", by_column).as_numpy("score")),
        "asked": spelled(session.infer("cancer", [matrix], given).as_numpy("score")),
        "json": spelled(session.infer("cancer", in_json, given).as_numpy("score")),
        "version": spelled(session.infer("cancer", [matrix], model_version="1").as_numpy("score")),
        "told": session.told(plain),
    }


def mix(session: Session) -> dict[str, Any]:
    """Columns of several kinds, to a model in R."""
    tensors = [
        session.tensor("town", np.array(["Köln", "Ulm"], object), "BYTES"),
        session.tensor("age", np.array([[30], [31]], np.int32), "INT32"),
        session.tensor("member", np.array([True, False]), "BOOL"),
        session.tensor("income", np.array([1.0, 2.0]), "FP64"),
    ]
    result = session.infer("mixed", tensors)
    late = [*tensors[:3], session.tensor("income", np.array([-1.0, 2.0]), "FP64")]
    default = {"default_policy": "never"}
    return {
        "outputs": {name: spelled(result.as_numpy(name)) for name in ("label", "points", "ok", "rate")},
        "late": failed(lambda: session.infer("mixed", late, timeout=300_000, parameters=default)),
    }


def misuse(session: Session, rows: Any) -> dict[str, str]:
    """What is refused, and the words for it."""
    single = rows.astype(np.float32)
    matrix = session.tensor("input__0", single, "FP32")
    return {
        "model": failed(lambda: session.infer("none", [matrix])),
        "version": failed(lambda: session.infer("cancer", [matrix], model_version="01")),
        "columns": failed(lambda: session.infer("cancer", [session.tensor("x", single[:, :3], "FP32")])),
        "output": failed(lambda: session.infer("cancer", [matrix], [session.asked("secret", binary=True)])),
        "parameter": failed(lambda: session.infer("cancer", [matrix], parameters={"defualt_score": 1})),
    }


def operate(session: Session, rows: Any) -> dict[str, Any]:
    """A model is unloaded and loaded again."""
    client = session.client
    matrix = session.tensor("input__0", rows.astype(np.float32), "FP32")

    def states() -> list[list[str]]:
        index = session.described(client.get_model_repository_index())
        models = index if isinstance(index, list) else index["models"]
        return [[one["name"], one["version"], one["state"]] for one in models]

    found: dict[str, Any] = {"before": states()}
    client.unload_model("cancer")
    found["unloaded"] = states()
    found["ready"] = client.is_model_ready("cancer")
    found["refused"] = failed(lambda: session.infer("cancer", [matrix]))
    found["config"] = failed(lambda: client.load_model("cancer", config="{}"))
    client.load_model("cancer")
    found["loaded"] = states()
    found["scores"] = spelled(session.infer("cancer", [matrix]).as_numpy("score"))
    return found


def main(transport: str, url: str, rows_file: str, columns_file: str) -> None:
    """Runs the session."""
    rows = np.load(rows_file)
    with open(columns_file) as file:  # noqa: PTH123 - a path of the command line
        columns = json.load(file)
    session = Session(transport, url)
    found = {
        "describe": describe(session),
        "score": score(session, rows, columns),
        "mix": mix(session),
        "misuse": misuse(session, rows),
        "operate": operate(session, rows),
    }
    session.client.close()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
