"""All benchmarks with their targets: python benchmarks/bench.py BENCH_FOLDER RESULTS [--quick] [--only NAME]."""

import argparse
import sys
import time
from pathlib import Path

from capacity import Curve, curves
from demo import console
from endurance import memory, overload
from load import require_tools
from python_calls import beside_mlserver, beside_the_function, python_wire
from r_calls import beside_the_wire, coalesced, slow_model_beside_the_wire, two_workers
from report import write_report
from rounds import Result
from wires import wires
from world import Times, World
from xgboost_calls import big_batches, rates, thousand_rows

FULL = Times(seconds=3, rounds=5, calls=100)
QUICK = Times(seconds=0.3, rounds=5, calls=20)
SECTIONS = {
    section.__name__: section
    for section in (
        rates,
        wires,
        thousand_rows,
        big_batches,
        beside_the_wire,
        slow_model_beside_the_wire,
        two_workers,
        coalesced,
        python_wire,
        beside_the_function,
        beside_mlserver,
        overload,
        memory,
    )
}

SLOW = (
    "beside_the_function",
    "beside_mlserver",
    "slow_model_beside_the_wire",
    "two_workers",
    "overload",
    "memory",
)  # left out of a quick run


def main() -> int:
    """The script; exit code 0 whether or not the targets are met, which the table says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bench", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=SECTIONS)
    arguments = parser.parse_args()
    require_tools()
    began = time.monotonic()
    world = World(arguments.bench, QUICK if arguments.quick else FULL)
    results: list[Result] = []
    grown: dict[str, Curve] = {}
    try:
        for name, section in SECTIONS.items():
            if arguments.only == name or (arguments.only is None and not (arguments.quick and name in SLOW)):
                console.print(f"{name} …")
                found = section(world)
                results += found
                for result in found:
                    console.print(f"  {result.what}: {result.measured} {result.target}", highlight=False)
                write_report(arguments.results, results, grown, time.monotonic() - began)
        if not (arguments.quick or arguments.only):
            grown = curves(world)
    finally:
        world.close()
    write_report(arguments.results, results, grown, time.monotonic() - began)
    console.print((arguments.results / "bench.md").read_text(), highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
