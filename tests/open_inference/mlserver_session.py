"""A session of MLServer's client stubs and its codec of data frames: run by the Python of .triton, prints JSON.

Usage: mlserver_session.py HOST:PORT
"""

import json
import sys
from importlib import import_module
from typing import Any

__all__ = ["main"]


def frame_request(messages: Any) -> Any:
    """A frame as MLServer's users send it."""
    pandas: Any = import_module("pandas")
    codecs: Any = import_module("mlserver.codecs")
    converters: Any = import_module("mlserver.grpc.converters")
    frame = pandas.DataFrame({"town": ["Köln", "Ulm"], "age": [30, 31], "member": [True, False], "income": [1.0, 2.0]})
    request = codecs.PandasCodec.encode_request(frame)
    sent = converters.ModelInferRequestConverter.from_types(request, model_name="mixed")
    assert isinstance(sent, messages.ModelInferRequest)
    return sent


def main(url: str) -> None:
    """Runs the session."""
    grpc: Any = import_module("grpc")
    messages: Any = import_module("mlserver.grpc.dataplane_pb2")
    stubs: Any = import_module("mlserver.grpc.dataplane_pb2_grpc")
    converters: Any = import_module("mlserver.grpc.converters")
    codecs: Any = import_module("mlserver.codecs")
    with grpc.insecure_channel(url) as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        answer = stub.ModelInfer(frame_request(messages))
        response = converters.ModelInferResponseConverter.to_types(answer)
        text = codecs.StringCodec.decode_output(response.outputs[0])
        model = stub.ModelMetadata(messages.ModelMetadataRequest(name="mixed"))
        index = stub.RepositoryIndex(messages.RepositoryIndexRequest())
        stub.RepositoryModelUnload(messages.RepositoryModelUnloadRequest(model_name="mixed"))
        unloaded = stub.ModelReady(messages.ModelReadyRequest(name="mixed")).ready
        stub.RepositoryModelLoad(messages.RepositoryModelLoadRequest(model_name="mixed"))
        found = {
            "live": stub.ServerLive(messages.ServerLiveRequest()).live,
            "ready": stub.ServerReady(messages.ServerReadyRequest()).ready,
            "server": stub.ServerMetadata(messages.ServerMetadataRequest()).name,
            "model": [[one.name, one.datatype, list(one.shape)] for one in (*model.inputs, *model.outputs)],
            "label": list(text),
            "outputs": {one.name: list(one.data) for one in response.outputs if one.name != "label"},
            "told": {name: one.string_param for name, one in answer.parameters.items()},
            "index": [[one.name, one.version, one.state] for one in index.models],
            "unloaded": unloaded,
            "loaded": stub.ModelReady(messages.ModelReadyRequest(name="mixed")).ready,
        }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
