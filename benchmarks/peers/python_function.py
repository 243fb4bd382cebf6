"""The function of a Python bundle called directly, in the model's own interpreter.

python_function.py RUNNER BUNDLE ROWS.bin: ROWS.bin is the message of a call, whose rows become the function's arguments
before any time is taken. Each line of input is a number of seconds: the answer is the p50 of calls one after the other
for so long, seconds.
"""

import importlib
import inspect
import os
import sys
import time
from pathlib import Path
from statistics import median


def main() -> None:
    """The script."""
    runner, bundle, rows = sys.argv[1:4]
    sys.path[:0] = [str(Path(runner).parent), bundle]
    messages = importlib.import_module("runner.messages")
    decoding = importlib.import_module("runner.decoding")
    arguments = importlib.import_module("runner.arguments")
    os.chdir(bundle)
    predict = importlib.import_module("Pred").predict
    raw = bytearray(Path(rows).read_bytes())
    _, head_bytes, _ = messages.PREFIX.unpack(raw[: messages.PREFIX.size])
    body_at = messages.PREFIX.size + head_bytes
    head = decoding.decode_head(raw[messages.PREFIX.size : body_at])
    count, vectors = decoding.decode(head, memoryview(raw)[body_at:])
    (first, *_) = inspect.signature(predict).parameters
    given = {first: arguments.frame(vectors, count)} if head["frame"] else arguments.arrays(vectors)
    predict(**given)
    for line in sys.stdin:
        times = []
        end = time.perf_counter() + float(line)
        while time.perf_counter() < end:
            began = time.perf_counter()
            predict(**given)
            times.append(time.perf_counter() - began)
        print(median(times), flush=True)


if __name__ == "__main__":
    main()
