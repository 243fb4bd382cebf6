"""What is sent to MLServer, made and checked in its own virtual environment.

mlserver_request.py make ROWS.npy REQUEST.bin [OUTPUT]      rows as one raw tensor; the output that is asked for by name
mlserver_request.py ask HOST:PORT REQUEST.bin SCORES.npy   one call; its scores
"""

import sys
from pathlib import Path

import grpc
import numpy as np
from mlserver.grpc import dataplane_pb2 as pb  # type: ignore[import-not-found]

METHOD = "/inference.GRPCInferenceService/ModelInfer"


def make(rows_path: str, request_path: str, output: str = "") -> None:
    """Writes the request."""
    rows = np.load(rows_path)
    datatype = {"float32": "FP32", "float64": "FP64"}[rows.dtype.name]
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype=datatype, shape=list(rows.shape))
    outputs = [pb.ModelInferRequest.InferRequestedOutputTensor(name=output)] if output else []
    request = pb.ModelInferRequest(
        model_name="cancer", inputs=[tensor], outputs=outputs, raw_input_contents=[rows.tobytes()]
    )
    Path(request_path).write_bytes(request.SerializeToString())


def ask(address: str, request_path: str, scores_path: str) -> None:
    """Sends it and writes what came back."""
    with grpc.insecure_channel(address) as channel:
        ask_it = channel.unary_unary(METHOD, None, None)
        reply = ask_it(Path(request_path).read_bytes(), wait_for_ready=True, timeout=60)
    response = pb.ModelInferResponse.FromString(reply)
    output = response.outputs[0]
    dtype = {"FP32": np.float32, "FP64": np.float64}[output.datatype]
    if response.raw_output_contents:
        scores = np.frombuffer(response.raw_output_contents[0], dtype)
    else:
        scores = np.array(output.contents.fp32_contents or output.contents.fp64_contents, dtype)
    np.save(scores_path, scores)


if __name__ == "__main__":
    (make if sys.argv[1] == "make" else ask)(*sys.argv[2:])
