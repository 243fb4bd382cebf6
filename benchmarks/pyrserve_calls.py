"""pyRserve's callFunc on one set of columns, run by the Python of .pyrserve, which has the old numpy that it needs.

Its argument is the port of an Rserve, its first line of input the columns in JSON. Each further line is a number of
seconds: the answer is the p50 of calls for so long, in seconds. The first answer is the scores.
"""

import json
import sys
from importlib import import_module
from typing import Any

import numpy as np
from rounds import p50_s

__all__: list[str] = []


def _main() -> None:
    py_rserve: Any = import_module("pyRserve")  # it has no types
    connection = py_rserve.connect("127.0.0.1", int(sys.argv[1]))
    columns = [np.array(column) for column in json.loads(sys.stdin.readline())]
    print(json.dumps(connection.callFunc("Pred.R", *columns).tolist()), flush=True)
    for line in sys.stdin:
        print(json.dumps(p50_s(lambda: connection.callFunc("Pred.R", *columns), float(line))), flush=True)
    connection.close()


if __name__ == "__main__":
    _main()
