"""What pyRserve writes and reads: run by the Python of .pyrserve, which has the old numpy that pyRserve needs.

Each line of its input is a question in JSON, each line of its output the answer: `{"write": VALUE}` gives the message
that pyRserve would reply with, `{"read": MESSAGE}` the value that it finds in one. A message is in hexadecimal. A value
is `{"dtype": ..., "shape": [...], "bytes": HEX}` for an array, or a list of `[name, array]`.
"""

import json
import sys
from importlib import import_module
from typing import Any

import numpy as np

__all__ = ["array_as_json", "array_of_json"]


def array_as_json(array: Any) -> dict[str, Any]:
    """An array to the bit, whatever version of numpy reads it."""
    return {"dtype": array.dtype.str, "shape": list(array.shape), "bytes": array.tobytes().hex()}


def array_of_json(written: dict[str, Any]) -> Any:
    """The array that `array_as_json` was given."""
    return np.frombuffer(bytes.fromhex(written["bytes"]), written["dtype"]).reshape(written["shape"])


def _write(value: Any) -> str:
    serialize: Any = import_module("pyRserve.rserializer").rSerializeResponse
    if isinstance(value, dict):
        return str(serialize(array_of_json(value)).hex())
    tagged_list: Any = import_module("pyRserve.taggedContainers").TaggedList
    return str(serialize(tagged_list([(name, array_of_json(array)) for name, array in value])).hex())


def _read(message: str) -> Any:
    value: Any = import_module("pyRserve.rparser").rparse(bytes.fromhex(message), atomicArray=True)
    if isinstance(value, np.ndarray):
        return array_as_json(value)
    return [[name, array_as_json(array)] for name, array in zip(value.keys, value.values, strict=True)]


def _main() -> None:
    answers = {"write": _write, "read": _read}
    for line in sys.stdin:
        [(question, argument)] = json.loads(line).items()
        sys.stdout.write(json.dumps(answers[question](argument)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
